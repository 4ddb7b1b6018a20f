"""Writes whose clients leave in the moment in which they are committed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.store.database import Database
from tests.support.viewers import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable


class LateCommits:
    """From now on the database answers only when it is let, though it has written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._committed = asyncio.Event()
        self._answered = asyncio.Event()
        write = Database.write

        async def answer_late(database: Database, *args: Any, **fields: Any) -> Any:
            result = await write(database, *args, **fields)
            self._committed.set()
            await self._answered.wait()
            return result

        monkeypatch.setattr(Database, "write", answer_late)

    async def leave(self, writes: Iterable[Callable[[], Coroutine[Any, Any, object]]]) -> None:
        """Begin each of the writes, and wait for it no longer than until it is committed."""
        for write in writes:
            task = asyncio.create_task(write())
            await asyncio.wait_for(self._committed.wait(), PATIENCE)
            self._committed.clear()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    def answer(self) -> None:
        """Let the database answer."""
        self._answered.set()
