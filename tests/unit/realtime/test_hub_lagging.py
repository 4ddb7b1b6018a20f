"""Viewers who take their time, one of them or a crowd: nothing is lost, and nobody waits for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from liveserver.domain.topic import Topic
from liveserver.protocol.close_codes import CLOSE_TOO_SLOW
from tests.support.hub_cluster import MATCH, SOON, WHOLE, Node, cluster
from tests.support.viewers import set_batch_size, settle

if TYPE_CHECKING:
    import pytest

    from tests.support.viewers import ListSink

SECOND_TO_FIFTH = [(2, "b"), (3, "c"), (4, "d"), (5, "e")]


async def _lagging(node: Node, keys: str, *, room: int = 1) -> ListSink:
    """A viewer with room for so many messages, once these entries are published."""
    viewer = await node.join(room=room)
    for key in keys:
        node.publish(key)
    return viewer


# Many viewers


async def test_a_large_fan_out_lets_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishing returns before anybody is written to; what else is to run gets its turn between two slices."""
    set_batch_size(monkeypatch, 2)
    async with cluster() as [node]:
        viewers = [await node.join() for _ in range(7)]
        loop = asyncio.get_running_loop()
        written: list[int] = []

        def look() -> None:
            written.append(sum(len(viewer.frames) > 1 for viewer in viewers))
            if written[-1] < len(viewers):
                loop.call_soon(look)

        loop.call_soon(look)
        node.publish("a")
        look()
        await settle()
        assert written[0] == 0
        assert set(written) == {0, 2, 4, 6, 7}
        assert [viewer.told for viewer in viewers] == [["hello 0 fresh", "entry 1 a"]] * 7


async def test_changes_and_heartbeats_of_a_crowd_come_by_themselves_and_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However they came about: published, from the bus, read from the store, by the clock."""
    set_batch_size(monkeypatch, 2)
    async with cluster(nodes=2, heartbeat=SOON, poll=SOON) as [here, there]:
        viewers = [await here.join() for _ in range(5)]
        here.publish("a")
        there.publish("b")
        late = await here.join(0)
        here.history.commit(MATCH, "c")
        for viewer in [*viewers, late]:
            await viewer.until_told("entry 3 c")
            frames = len(viewer.frames)
            await viewer.until(lambda viewer=viewer, frames=frames: len(viewer.frames) > frames)  # type: ignore[misc]
            assert [told for told in viewer.told if told.startswith("entry")] == ["entry 1 a", "entry 2 b", "entry 3 c"]


async def test_a_viewer_that_drains_while_others_are_written_to_gets_everything_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_batch_size(monkeypatch, 2)
    async with cluster() as [node]:
        viewers = [await node.join() for _ in range(9)]
        slow = viewers[4]
        slow.room = 1
        [channel] = node.hub.channels()
        for key in "abcd":
            node.publish(key)
        for _ in range(100):
            if slow in channel.lagging:
                break
            await asyncio.sleep(0)
        assert channel.fanout_queue
        slow.room = None
        node.hub.resume(WHOLE, slow)
        node.publish("e")
        await settle()
        assert slow.told == ["hello 0 fresh", "entry 1 a", "hello 4", *(f"entry {n} {k}" for n, k in SECOND_TO_FIFTH)]
        assert node.hub.count(MATCH) == 9


# Lagging


async def test_a_lagging_viewer_is_caught_up_from_memory() -> None:
    async with cluster() as [node]:
        slow = await _lagging(node, "abcb", room=2)
        assert slow.told == ["hello 0 fresh", "entry 1 a"]
        slow.room = None
        node.hub.resume(WHOLE, slow)
        assert slow.told == ["hello 0 fresh", "entry 1 a", "hello 4", "entry 3 c", "entry 4 b"]
        node.publish("d")
        assert slow.told[-1] == "entry 5 d"
        assert node.history.reads == ["recent"]


async def test_a_viewer_that_lags_beyond_memory_is_caught_up_from_the_store() -> None:
    async with cluster(recent_max=2) as [node]:
        slow = await _lagging(node, "abcab")
        slow.room = None
        node.hub.resume(WHOLE, slow)
        node.hub.resume(WHOLE, slow)
        await slow.until_told("entry 5 b")
        await settle()
        assert slow.told == ["hello 0 fresh", "hello 5", "entry 3 c", "entry 4 a", "entry 5 b"]
        assert node.hub.count(MATCH) == 1


async def test_a_viewer_that_lags_again_while_it_is_caught_up_gets_nothing_twice() -> None:
    async with cluster(recent_max=1) as [node]:
        slow = await _lagging(node, "abc")
        slow.room = 2
        node.hub.resume(WHOLE, slow)
        node.hub.resume(WHOLE, slow)
        await settle()
        slow.room = None
        node.hub.resume(WHOLE, slow)
        await slow.until_told("entry 3 c")
        await settle()
        assert slow.told == ["hello 0 fresh", "hello 3", "entry 1 a", "hello 3", "entry 2 b", "entry 3 c"]


async def test_a_drained_viewer_that_does_not_lag_is_left_alone() -> None:
    async with cluster() as [node]:
        viewer = await node.join()
        node.hub.resume(WHOLE, viewer)
        node.hub.resume(Topic("unknown"), viewer)
        assert viewer.told == ["hello 0 fresh"]


async def test_a_viewer_that_lags_too_long_is_closed() -> None:
    async with cluster(poll=SOON, lag_timeout=0) as [node]:
        viewer, slow = await node.join(), await node.join(room=1)
        node.publish("a")
        await slow.until(lambda: slow.closed is not None)
        assert (slow.closed, viewer.closed) == (CLOSE_TOO_SLOW, None)
        assert node.hub.count(MATCH) == 1


async def test_a_viewer_is_closed_for_lagging_while_the_store_is_away() -> None:
    async with cluster(poll=SOON, lag_timeout=0) as [node]:
        slow = await node.join(room=1)
        node.history.down = True
        node.publish("a")
        await slow.until(lambda: slow.closed is not None)


async def test_a_lagging_viewer_that_cannot_be_caught_up_is_sent_back() -> None:
    async with cluster(recent_max=1) as [node]:
        slow = await _lagging(node, "abc")
        node.history.down = True
        node.hub.resume(WHOLE, slow)
        await slow.until(lambda: slow.closed is not None)
        assert slow.closed == CLOSE_TOO_SLOW
        assert node.hub.count(MATCH) == 0


async def test_a_lagging_viewer_that_leaves_while_it_is_caught_up_stays_away() -> None:
    async with cluster(recent_max=1) as [node]:
        slow = await _lagging(node, "abc")
        slow.room = None
        node.history.hold()
        node.hub.resume(WHOLE, slow)
        await node.history.until_reads(2)
        node.hub.leave(WHOLE, slow)
        node.history.release()
        await settle()
        assert slow.told == ["hello 0 fresh"]
        assert node.hub.count(MATCH) == 0
