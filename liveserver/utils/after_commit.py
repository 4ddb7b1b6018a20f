"""Commits that are followed by what belongs to them, whatever becomes of the one who waits for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from liveserver.utils.background import BackgroundTasks

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class AfterCommit:
    """Carries out writes, each with what is to follow it: that too if whoever waits is cancelled meanwhile.

    A client may leave at any moment, and what is written in that moment is written: it must be told of as well.
    """

    def __init__(self) -> None:
        self._under_way = BackgroundTasks()

    async def __call__(self, writing: Coroutine[Any, Any, T], then: Callable[[T], None]) -> T:
        """What was written; `then` was called with it. Raises what `writing` raises, and then nothing follows."""
        task = self._under_way.spawn(writing)
        try:
            written = await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(lambda done: None if _failed(done) else then(done.result()))
            raise
        then(written)
        return written


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.cancelled() or task.exception() is not None
