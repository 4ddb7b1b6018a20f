"""One piece of work for many callers at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class FreshFlight(Generic[T]):
    """Runs `work` so that callers share runs, and each is answered by a run that began after its call.

    The second half is what a plain single flight lacks: a read that is under way may have begun before the change
    that the caller must see.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """The result of a run that begins after this call."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running))
        return await asyncio.shield(self._next)

    @property
    def pending(self) -> bool:
        """Whether a run is about to begin that would answer a call made now."""
        return self._next is not None

    def cancel(self) -> list[asyncio.Task[T]]:
        """End what runs; the tasks are returned for the caller to gather."""
        tasks = [task for task in (self._running, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        return tasks

    async def _run(self, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        try:
            return await self._work()
        finally:
            self._running = None
