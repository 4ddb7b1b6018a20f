"""Background work: tasks that nobody awaits, and calls that are repeated."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

    from structlog.typing import FilteringBoundLogger

T = TypeVar("T")


class BackgroundTasks:
    """A set of running tasks. It keeps each task until the task ends, as the event loop refers to tasks only weakly."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return iter(list(self._running))

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start `work` as a task, keep the task until it ends, and return the task."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def cancel(self) -> list[asyncio.Task[Any]]:
        """Cancel the running tasks, and return them, so that the caller can wait until they have ended."""
        running = list(self._running)
        for task in running:
            task.cancel()
        return running

    async def close(self) -> None:
        """Cancel the running tasks, and return when all of them have ended."""
        await asyncio.gather(*self.cancel(), return_exceptions=True)


class Periodic:
    """A call that is repeated, even after exceptions, until the task that repeats it is cancelled."""

    def __init__(
        self,
        work: Callable[[], Awaitable[float | None]],
        interval: Callable[[], float],
        *,
        log: FilteringBoundLogger,
        failure_event: str,
        expected: tuple[type[Exception], ...] = (),
        retry: Callable[[], float] | None = None,
        wake: asyncio.Event | None = None,
        wait_first: bool = False,
    ) -> None:
        """`work` returns the seconds until its next call, or None for `interval()` seconds.

        An `expected` exception is ignored. Any other exception is logged as `failure_event`, with its traceback. After
        an exception of either kind, the next call comes in `retry()` seconds (by default `interval()` seconds).
        Setting the event `wake` ends a wait. `wake` is cleared before each call. So if `wake` is set during a call,
        another call follows at once. With `wait_first`, the first call comes after `interval()` seconds.
        """
        self._work = work
        self._interval = interval
        self._log = log
        self._failure_event = failure_event
        self._expected = expected
        self._retry = retry or interval
        self._wake = wake
        self._wait_first = wait_first

    async def run(self) -> None:
        """Call `work` again and again, until the task that runs this method is cancelled."""
        if self._wait_first:
            await self._wait(self._interval())
        while True:
            if self._wake is not None:
                self._wake.clear()
            await self._wait(await self._call())

    async def _call(self) -> float:
        """Call `work` once, and return the seconds to wait before the next call."""
        try:
            seconds = await self._work()
        except self._expected:
            return self._retry()
        except Exception:
            self._log.exception(self._failure_event)
            return self._retry()
        return self._interval() if seconds is None else seconds

    async def _wait(self, seconds: float) -> None:
        if self._wake is None:
            await asyncio.sleep(seconds)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
