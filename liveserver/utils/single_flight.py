"""Work that many callers share: they get the result of the run that is under way, or of the next run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable

K = TypeVar("K", bound="Hashable")
T = TypeVar("T")


class SingleFlight(Generic[K, T]):
    """Work that has at most one run at a time for each key. A call during a run gets the result of that run."""

    def __init__(self, work: Callable[[K], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        self._running: dict[K, asyncio.Task[T]] = {}

    async def __call__(self, key: K) -> T:
        """Return the result of the run for `key` that is under way. If no run is under way, a run begins now.

        Raises the exception that the run raises. If a caller is cancelled, the run goes on.
        """
        task = self.start(key)
        try:
            return await asyncio.shield(task)
        finally:
            # The task's exception refers to this frame, and this frame refers to the task. Such a reference cycle would
            # keep the callers' frames, and everything in them, until the garbage collector runs.
            del task

    def start(self, key: K) -> asyncio.Task[T]:
        """Return the task of the run for `key` that is under way. If no run is under way, a run begins now."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._work(key))
            task.add_done_callback(lambda ended: self._end(key, ended))
        return task

    def abandon(self, key: K) -> None:
        """Make the next call for `key` begin a new run, even if a run for `key` is under way.

        The old run goes on for the callers that wait for it. In the old run, `is_current` returns False.
        """
        self._running.pop(key, None)

    def is_current(self, key: K) -> bool:
        """Return True if the calling task is the run for `key`, and this run wasn't abandoned."""
        return self._running.get(key) is asyncio.current_task()

    def cancel(self) -> list[asyncio.Task[T]]:
        """Cancel the runs under way, and return their tasks, so that the caller can wait until they have ended.

        Abandoned runs aren't cancelled.
        """
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        return tasks

    def _end(self, key: K, task: asyncio.Task[T]) -> None:
        if self._running.get(key) is task:
            del self._running[key]


class FreshFlight(Generic[T]):
    """Work that has at most one run at a time; calls during a run share the result of the next run.

    A `SingleFlight` would give these callers the result of the run under way. That run may have read its data before a
    change that the callers must see.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """Wait for a run that begins after this call, and return the run's result. Raises the run's exception."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running))
        return await asyncio.shield(self._next)

    @property
    def pending(self) -> bool:
        """True if a run was asked for, and hasn't begun. A call that is made now gets the result of this run."""
        return self._next is not None

    def cancel(self) -> list[asyncio.Task[T]]:
        """Cancel the run under way and the next run. Returns their tasks, so that the caller can wait for their end."""
        tasks = [task for task in (self._running, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        return tasks

    async def _run(self, previous: asyncio.Task[T] | None) -> T:
        if previous is not None:
            await asyncio.wait([previous])
        self._running, self._next = self._next, None
        try:
            return await self._work()
        finally:
            self._running = None
