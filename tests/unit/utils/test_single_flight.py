"""Callers share runs: they join the one under way, or each is answered by one that began after its call."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from liveserver.utils.single_flight import FreshFlight, SingleFlight
from tests.support.viewers import settle


class KeyedWork:
    """Counts its runs of each key, each of which ends when it is let, and says whether it was joined to the end."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.let = asyncio.Semaphore(0)
        self.error: Exception | None = None
        self.flight: SingleFlight[str, tuple[int, bool]] = SingleFlight(self.work)

    async def work(self, key: str) -> tuple[int, bool]:
        self.begun.append(key)
        number = len(self.begun)
        await self.let.acquire()
        if self.error is not None:
            raise self.error
        return number, self.flight.is_current(key)

    def call(self, key: str) -> asyncio.Task[tuple[int, bool]]:
        return asyncio.create_task(self.flight(key))

    @property
    def left(self) -> dict[str, object]:
        running: dict[str, object] = vars(self.flight)["_running"]
        return running


async def test_a_call_joins_the_run_of_its_key() -> None:
    """Whenever it comes; the next after its end has a run of its own, and nothing is left of the one before."""
    work = KeyedWork()
    calls = [work.call("a"), work.call("a")]
    await settle()
    calls.append(work.call("a"))
    other = work.call("b")
    await settle()
    assert work.begun == ["a", "b"]
    work.let.release()
    assert await asyncio.gather(*calls) == [(1, True)] * 3
    work.let.release()
    assert await other == (2, True)
    assert work.left == {}
    work.let.release()
    assert await work.call("a") == (3, True)


async def test_start_begins_what_calls_join() -> None:
    work = KeyedWork()
    task = work.flight.start("a")
    assert work.flight.start("a") is task
    call = work.call("a")
    work.let.release()
    assert await call == await task == (1, True)


async def test_an_error_reaches_all_that_joined() -> None:
    work = KeyedWork()
    work.error = ValueError("no")
    calls = [work.call("a"), work.call("a")]
    work.let.release()
    assert await asyncio.gather(*calls, return_exceptions=True) == [work.error] * 2
    assert work.left == {}


async def test_an_error_keeps_nothing_of_its_caller() -> None:
    """The traceback refers to the caller's frame. A cycle through the task would keep it until it is collected."""
    work, frames = KeyedWork(), []
    work.error = ValueError("no")
    work.let.release()

    class Kept:
        """The object that a caller has."""

    async def call() -> None:
        kept = Kept()
        frames.append(weakref.ref(kept))
        with pytest.raises(ValueError, match="no"):
            await work.flight("a")

    gc.collect()
    gc.disable()
    try:
        await call()
        work.error = None
        await settle()
        assert frames[0]() is None
    finally:
        gc.enable()


async def test_a_joined_run_survives_a_caller_that_gives_up() -> None:
    work = KeyedWork()
    impatient, patient = work.call("a"), work.call("a")
    await settle()
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    work.let.release()
    assert await patient == (1, True)


async def test_nobody_joins_an_abandoned_run() -> None:
    """It knows, and its end takes nothing from the run that has replaced it."""
    work = KeyedWork()
    work.flight.abandon("a")
    before = work.call("a")
    await settle()
    work.flight.abandon("a")
    after = work.call("a")
    await settle()
    work.let.release()
    assert await before == (1, False)
    assert list(work.left) == ["a"]
    work.let.release()
    assert await after == (2, True)


async def test_cancel_ends_the_runs_of_all_keys() -> None:
    work = KeyedWork()
    calls = [work.call("a"), work.call("b")]
    await settle()
    ended = work.flight.cancel()
    await asyncio.gather(*ended, *calls, return_exceptions=True)
    assert [task.cancelled() for task in (*ended, *calls)] == [True] * 4
    assert work.left == {}


class Work:
    """Counts its runs, each of which ends when it is let."""

    def __init__(self) -> None:
        self.begun = 0
        self.let = asyncio.Semaphore(0)
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.let.acquire()
        if self.error is not None:
            raise self.error
        return number


async def test_calls_of_one_moment_share_a_run() -> None:
    work = Work()
    shared = FreshFlight(work)
    calls = [asyncio.create_task(shared()) for _ in range(100)]
    work.let.release()
    assert await asyncio.gather(*calls) == [1] * 100
    assert work.begun == 1


async def test_a_call_during_a_run_is_answered_by_the_next() -> None:
    """A value that is read already may be older than the one that the caller must see."""
    work = Work()
    shared = FreshFlight(work)
    first = asyncio.create_task(shared())
    await settle()
    late = [asyncio.create_task(shared()) for _ in range(10)]
    await settle()
    assert work.begun == 1, "runs don't overlap"
    work.let.release()
    assert await first == 1
    work.let.release()
    assert await asyncio.gather(*late) == [2] * 10
    assert work.begun == 2


async def test_pending_is_what_a_call_would_share() -> None:
    work = Work()
    shared = FreshFlight(work)
    assert not shared.pending
    first = asyncio.create_task(shared())
    await asyncio.sleep(0)
    assert shared.pending, "asked for, not begun"
    await settle()
    assert not shared.pending, "a run under way would not answer a call made now"
    second = asyncio.create_task(shared())
    await settle()
    assert shared.pending
    work.let.release()
    work.let.release()
    assert await asyncio.gather(first, second) == [1, 2]
    assert not shared.pending


async def test_an_error_reaches_every_caller_and_the_next_run_is_fresh() -> None:
    work = Work()
    shared = FreshFlight(work)
    work.error = ValueError("no")
    calls = [asyncio.create_task(shared()) for _ in range(3)]
    work.let.release()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert results == [work.error] * 3
    work.error = None
    work.let.release()
    assert await shared() == 2


async def test_a_caller_that_gives_up_takes_nothing_from_the_others() -> None:
    work = Work()
    shared = FreshFlight(work)
    impatient, patient = asyncio.create_task(shared()), asyncio.create_task(shared())
    await settle()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    work.let.release()
    assert await patient == 1


async def test_cancel_ends_the_run_and_the_one_that_waits() -> None:
    work = Work()
    shared = FreshFlight(work)
    calls = [asyncio.create_task(shared())]
    await settle()
    calls.append(asyncio.create_task(shared()))
    await settle()
    ended = shared.cancel()
    assert len(ended) == 2
    await asyncio.gather(*ended, *calls, return_exceptions=True)
    assert all(task.cancelled() for task in (*ended, *calls))
    assert work.begun == 1
