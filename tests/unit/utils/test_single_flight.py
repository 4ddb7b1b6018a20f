"""Callers share runs, and each is answered by one that began after its call."""

from __future__ import annotations

import asyncio

import pytest

from liveserver.utils.single_flight import FreshFlight
from tests.support.viewers import settle


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
    """What is read already may be older than what the caller must see."""
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
