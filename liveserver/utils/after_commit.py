"""Writes with a follow-up: a function that is called after a successful write, even if the caller has left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from liveserver.utils.background import BackgroundTasks

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class AfterCommit:
    """A runner of writes. After each successful write it calls a follow-up, even if the caller was cancelled meanwhile.

    If a client leaves, its request is cancelled. But a write of this request goes on, and if it succeeds, the follow-up
    is needed.
    """

    def __init__(self) -> None:
        self._under_way = BackgroundTasks()

    async def __call__(self, writing: Coroutine[Any, Any, T], then: Callable[[T], None]) -> T:
        """Run `writing`, call `then` with the result of `writing`, and return this result.

        If `writing` raises an exception, the exception is raised here, too, and `then` isn't called. If the caller is
        cancelled, `writing` goes on, and `then` is called if `writing` succeeds.
        """
        task = self._under_way.spawn(writing)
        try:
            written = await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(lambda ended_task: None if _failed(ended_task) else then(ended_task.result()))
            raise
        then(written)
        return written


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.cancelled() or task.exception() is not None
