"""An owner that sends many pictures, or dear ones, has a turn like everybody else."""

from __future__ import annotations

import asyncio

import pytest

from liveserver.content.media.transcoder_queue import REST_FROM, TranscoderQueue
from liveserver.domain.errors import Busy
from tests.support.virtual_time import VirtualTimeLoop


async def entered(queue: TranscoderQueue, *owners: str) -> list[asyncio.Task[None]]:
    """One task for each, that waits for its turn."""
    tasks = [asyncio.create_task(queue.enter(owner)) for owner in owners]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def wait_for_turn(tasks: list[asyncio.Task[None]]) -> list[bool]:
    """Which of them have it."""
    return [task.done() and not task.cancelled() for task in tasks]


async def test_one_at_a_time_of_each() -> None:
    """However many one sends, a place is left for another."""
    queue = TranscoderQueue(at_once=2, places=40)
    tasks = await entered(queue, "a", "a", "a", "b", "c")
    assert wait_for_turn(tasks) == [True, False, False, True, False]
    queue.leave("a", 0.1)
    await asyncio.sleep(0)
    assert wait_for_turn(tasks) == [True, False, False, True, True]
    queue.leave("b", 0.1)
    await asyncio.sleep(0)
    assert wait_for_turn(tasks) == [True, True, False, True, True]
    for task in tasks:
        task.cancel()


def test_what_took_long_is_followed_by_a_rest() -> None:
    """For as long again; nobody else waits for it."""

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        queue = TranscoderQueue(at_once=1, places=40)
        first, second, other = await entered(queue, "a", "a", "b")
        await first
        queue.leave("a", 8.0)
        await other
        began = clock()
        queue.leave("b", REST_FROM - 0.1)
        await second
        assert clock() - began == pytest.approx(8.0)
        queue.leave("a", REST_FROM - 0.1)
        await queue.enter("a")
        assert clock() - began == pytest.approx(8.0)

    loop = VirtualTimeLoop()
    loop.finish(main())
    loop.close()


async def test_no_owner_has_more_places_than_there_are_free() -> None:
    queue = TranscoderQueue(at_once=1, places=8)
    tasks = await entered(queue, *"aaaa")
    with pytest.raises(Busy):
        await queue.enter("a")
    tasks += await entered(queue, *"bb")
    with pytest.raises(Busy):
        await queue.enter("b")
    tasks += await entered(queue, "c")
    with pytest.raises(Busy):
        await queue.enter("c")
    for task in tasks:
        task.cancel()


async def test_a_caller_that_leaves_makes_room() -> None:
    """Also at the very moment of being let in."""
    queue = TranscoderQueue(at_once=1, places=4)
    first, second, other = await entered(queue, "a", "a", "b")
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    queue.leave("a", 0.0)
    other.cancel()
    await asyncio.gather(first, other, return_exceptions=True)
    await queue.enter("c")
    queue.leave("c", 0.0)
    for owner in "ab":
        await queue.enter(owner)
        queue.leave(owner, 0.0)
    assert (queue._idle, queue._places, queue._held, queue._lines, queue._ring, queue._busy) == (
        1,
        4,
        {},
        {},
        {},
        set(),
    )
