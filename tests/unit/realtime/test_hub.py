"""The hub: every viewer complete and in order, whatever the bus loses and whenever the store answers.

Viewers that join are in `test_hub_joining.py`, viewers that lag in `test_hub_lagging.py`, what is repaired in
`test_hub_repairs.py`, and what the hub does by the clock in `upkeep/`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from liveserver.domain.change import Position
from liveserver.domain.topic import Topic
from liveserver.protocol.frames import BUS_MESSAGE_MAX, pack
from liveserver.realtime import synced_channel as synced_channel_module
from tests.support.hub_cluster import MATCH, NEVER, WHOLE, cluster, poll
from tests.support.memory_history import EPOCH
from tests.support.viewers import settle

if TYPE_CHECKING:
    import pytest

# Live


async def test_live_changes_reach_the_viewers_of_all_hubs_in_order() -> None:
    async with cluster(nodes=2) as [one, two]:
        viewers = [await one.join(), await two.join()]
        elsewhere = await one.join(slug="other")
        for node, key in ((one, "a"), (two, "b"), (one, "a")):
            node.publish(key)
        for viewer in viewers:
            assert viewer.told == ["hello 0 fresh", "entry 1 a", "entry 2 b", "entry 3 a"]
        assert elsewhere.told == ["hello 0 fresh"]
        assert one.history.reads == ["recent"] * 3


async def test_a_viewer_that_left_gets_nothing_more() -> None:
    async with cluster() as [node]:
        viewer = await node.join()
        node.hub.leave(WHOLE, viewer)
        node.hub.leave(WHOLE, viewer)
        node.hub.leave(Topic("unknown"), viewer)
        node.publish("a")
        assert viewer.told == ["hello 0 fresh"]
        assert node.hub.count(MATCH) == 0


# How far a live blog has got


async def test_what_is_not_in_memory_is_not_known() -> None:
    async with cluster("a") as [node]:
        assert node.hub.reached(WHOLE) is None
        await node.hub.enter(WHOLE)
        assert node.hub.reached(WHOLE) == Position(EPOCH, 1)


async def test_a_commit_is_known_before_it_is_delivered() -> None:
    """And doesn't count as delivered: the viewers still get it, once."""
    async with cluster("a") as [node]:
        viewer = await node.join()
        frame = node.history.commit(MATCH, "b")
        node.hub.committed(MATCH, frame.position)
        assert node.hub.reached(WHOLE) == frame.position
        assert viewer.told == ["hello 1 fresh"]
        node.hub.committed(MATCH, Position(EPOCH, 1))
        assert node.hub.reached(WHOLE) == frame.position
        node.hub.publish(MATCH, frame)
        assert viewer.told == ["hello 1 fresh", "entry 2 b"]
        assert node.hub.reached(WHOLE) == frame.position


async def test_a_commit_while_the_live_blog_is_opened_is_known_when_it_is_open() -> None:
    """It came after the read, and its delivery is still to come."""
    async with cluster("a") as [node]:
        node.history.hold()
        opening = asyncio.create_task(node.hub.enter(WHOLE))
        await node.history.until_reads(1)
        frame = node.history.commit(MATCH, "b")
        node.hub.committed(MATCH, frame.position)
        node.history.release()
        await opening
        assert node.hub.reached(WHOLE) == frame.position
        await settle()


async def test_a_message_ahead_of_a_gap_tells_how_far_the_others_have_got() -> None:
    """So does one that was too large to be carried; neither can be delivered yet."""
    async with cluster("a", nodes=2) as [here, there]:
        viewer = await there.join()
        here.history.commit(MATCH, "lost")
        here.history.hold()
        for size in (0, BUS_MESSAGE_MAX):
            frame = here.publish("b", size=size)
            assert there.hub.reached(WHOLE) == frame.position
        assert viewer.told == ["hello 1 fresh"]
        here.history.release()


async def test_while_history_is_being_replaced_the_store_must_be_asked() -> None:
    """An old message that comes late changes nothing about that."""
    async with cluster(*"abc") as [node]:
        await node.join()
        late = node.history.commit(MATCH, "d")
        node.history.restart(MATCH, "bbbbbbbb", 1)
        node.history.hold()
        await poll(node)
        assert node.hub.reached(WHOLE) is None
        node.bus.deliver(MATCH, pack(late))
        assert node.hub.reached(WHOLE) is None
        node.history.release()
        await settle()
        assert node.hub.reached(WHOLE) == Position("bbbbbbbb", 1)


# The end


async def test_close_ends_whatever_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """An opening, a bridge, a repair that waits for another, a grace, a catching-up: `cluster` counts the tasks."""
    monkeypatch.setattr(synced_channel_module, "GAP_GRACE", NEVER)
    async with cluster(*"abcd", recent_max=1) as [node]:
        slow = await node.join(room=1)
        node.publish("e")
        node.publish("f")
        node.history.hold()
        joins = [asyncio.create_task(node.join(slug="other")), asyncio.create_task(node.join(1))]
        await node.history.until_reads(3)
        node.bus.deliver(MATCH, b"nonsense")
        await node.history.until_reads(4)
        node.bus.deliver(MATCH, b"nonsense")
        node.history.commit(MATCH, "lost")
        node.publish("g")
        node.hub.resume(WHOLE, slow)
        await settle()
        await node.hub.close()
        results = await asyncio.gather(*joins, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        node.hub.received(WHOLE, None)
