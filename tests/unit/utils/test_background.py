"""Tasks that are kept until they end, and calls that are repeated whatever becomes of one."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from structlog.testing import capture_logs

from liveserver.utils.background import BackgroundTasks, Periodic
from tests.support.viewers import settle
from tests.support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = structlog.get_logger(__name__)


async def test_a_task_is_kept_until_it_ends() -> None:
    """Also one that nothing else refers to but the future that it awaits, which it alone has."""
    tasks, awaited = BackgroundTasks(), []

    async def work() -> None:
        future = asyncio.get_running_loop().create_future()
        awaited.append(weakref.ref(future))
        await future

    tasks.spawn(work())
    await settle()
    gc.collect()
    assert len(tasks) == len(list(tasks)) == 1
    future = awaited[0]()
    assert future is not None
    future.set_result(None)
    await settle()
    assert tasks.cancel() == list(tasks) == []


async def test_spawn_returns_the_task() -> None:
    tasks = BackgroundTasks()

    async def work() -> int:
        return 3

    assert await tasks.spawn(work()) == 3


async def test_close_ends_what_runs_and_raises_nothing() -> None:
    tasks, ends = BackgroundTasks(), []

    async def work(error: Exception | None) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ends.append(error)
            if error is not None:
                raise error

    errors = [None, ValueError("no")]
    for error in errors:
        tasks.spawn(work(error))
    await settle()
    await tasks.close()
    assert set(ends) == set(errors), "close waits until they have ended"
    await tasks.close()


class Work:
    """Notes when it is called; what it returns, or raises, can be given."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.results: list[float | Exception | None] = []
        self.during: Callable[[], None] = lambda: None

    async def __call__(self) -> float | None:
        self.times.append(asyncio.get_running_loop().time())
        self.during()
        result = self.results.pop(0) if self.results else None
        if isinstance(result, Exception):
            raise result
        return result


@pytest.fixture
def loop() -> Iterator[VirtualTimeLoop]:
    loop = VirtualTimeLoop()
    yield loop
    loop.close()


def spend(loop: VirtualTimeLoop, periodic: Periodic, seconds: float) -> None:
    """Let a periodic run for so long."""

    async def scenario() -> None:
        running = asyncio.create_task(periodic.run())
        await asyncio.sleep(seconds)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    loop.finish(scenario())


def periodic(work: Work, interval: float = 2.0, **options: Any) -> Periodic:
    return Periodic(work, lambda: interval, log=log, failure_event="test.broken", **options)


def test_it_is_called_at_once_and_after_each_interval(loop: VirtualTimeLoop) -> None:
    work = Work()
    spend(loop, periodic(work), 5)
    assert work.times == [0, 2, 4]


def test_it_can_wait_first(loop: VirtualTimeLoop) -> None:
    work = Work()
    spend(loop, periodic(work, wait_first=True), 5)
    assert work.times == [2, 4]


def test_an_interval_may_change(loop: VirtualTimeLoop) -> None:
    work, intervals = Work(), iter([1.0, 3.0, 9.0])
    spend(loop, Periodic(work, lambda: next(intervals), log=log, failure_event="test.broken"), 5)
    assert work.times == [0, 1, 4]


def test_the_work_says_when_it_is_to_be_called_next(loop: VirtualTimeLoop) -> None:
    work = Work()
    work.results = [0.0, 0.5, None]
    spend(loop, periodic(work), 3)
    assert work.times == [0, 0, 0.5, 2.5]


def test_an_exception_is_logged_and_is_not_the_end(loop: VirtualTimeLoop) -> None:
    work = Work()
    work.results = [ValueError("no"), KeyError("expected")]
    with capture_logs() as logs:
        spend(loop, periodic(work, expected=(KeyError,)), 5)
    assert work.times == [0, 2, 4]
    assert [(entry["event"], entry["exc_info"]) for entry in logs] == [("test.broken", True)]


def test_after_an_exception_it_is_retried_in_its_own_time(loop: VirtualTimeLoop) -> None:
    work = Work()
    work.results = [ValueError("no"), KeyError("expected")]
    with capture_logs():
        spend(loop, periodic(work, expected=(KeyError,), retry=lambda: 0.5), 2)
    assert work.times == [0, 0.5, 1]


@pytest.mark.parametrize("wait_first", [False, True])
def test_it_can_be_woken(loop: VirtualTimeLoop, wait_first: bool) -> None:
    work, wake = Work(), asyncio.Event()
    loop.call_at(1, wake.set)
    spend(loop, periodic(work, wake=wake, wait_first=wait_first), 4)
    assert work.times == [1, 3] if wait_first else [0, 1, 3]


def test_woken_during_a_call_it_is_called_again(loop: VirtualTimeLoop) -> None:
    work, wake = Work(), asyncio.Event()

    def once() -> None:
        wake.set()
        work.during = lambda: None

    work.during = once
    spend(loop, periodic(work, wake=wake), 1)
    assert work.times == [0, 0]
