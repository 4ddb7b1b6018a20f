"""One piece of work for many callers at once: they join the run under way, or share the next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable

K = TypeVar("K", bound="Hashable")
T = TypeVar("T")


class SingleFlight(Generic[K, T]):
    """Runs `work` for a key once at a time: a call during a run is answered by that run."""

    def __init__(self, work: Callable[[K], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        self._running: dict[K, asyncio.Task[T]] = {}

    async def __call__(self, key: K) -> T:
        """The result of the run for `key` that is under way, or else of one that begins now. Raises what it raises.

        The run goes on when a caller is cancelled.
        """
        task = self.start(key)
        try:
            return await asyncio.shield(task)
        finally:
            # An exception of the task's refers to this frame. Through `task` that would be a reference cycle, which
            # keeps the caller's frames, and all in them, until the garbage collector runs.
            del task

    def start(self, key: K) -> asyncio.Task[T]:
        """The run for `key` that is under way, begun if there is none."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._work(key))
            task.add_done_callback(lambda ended: self._end(key, ended))
        return task

    def abandon(self, key: K) -> None:
        """Have nobody join the run for `key` any more. It ends for those who have: `is_current` tells it."""
        self._running.pop(key, None)

    def is_current(self, key: K) -> bool:
        """Whether the task that calls this is the run for `key`, and wasn't abandoned."""
        return self._running.get(key) is asyncio.current_task()

    def cancel(self) -> list[asyncio.Task[T]]:
        """Cancel the runs under way, and return them for the caller to gather."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        return tasks

    def _end(self, key: K, task: asyncio.Task[T]) -> None:
        if self._running.get(key) is task:
            del self._running[key]


class FreshFlight(Generic[T]):
    """Runs `work` once at a time: a call during a run is answered by the next run, which all such calls share.

    A `SingleFlight` would answer with the run under way, whose read may have begun before the change that the caller
    must see.
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
        """Cancel the run under way and the next, and return them for the caller to gather."""
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
