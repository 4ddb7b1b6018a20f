"""A message that the bus loses is read from the store by the hub, and a replaced history resets everyone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.change import Position
from liveserver.domain.errors import NotFound
from liveserver.domain.topic import Topic
from liveserver.protocol.close_codes import CLOSE_NO_SUCH_LIVEBLOG
from liveserver.protocol.frames import BUS_MESSAGE_MAX
from liveserver.realtime import synced_channel as synced_channel_module
from tests.support.hub_cluster import MATCH, SOON, WHOLE, cluster, poll
from tests.support.memory_history import EPOCH
from tests.support.viewers import ListSink, settle

if TYPE_CHECKING:
    from liveserver.realtime.channel import Replay


async def test_messages_that_cross_need_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synced_channel_module, "GAP_GRACE", 0)
    async with cluster() as [node]:
        viewer = await node.join()
        first, second = (node.history.commit(MATCH, key) for key in "ab")
        node.hub.publish(MATCH, second)
        node.hub.publish(MATCH, first)
        await settle()
        assert viewer.told == ["hello 0 fresh", "entry 1 a", "entry 2 b"]
        assert node.history.reads == ["recent"]


async def test_a_gap_is_repaired_from_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synced_channel_module, "GAP_GRACE", 0)
    async with cluster() as [node]:
        viewer = await node.join()
        node.history.commit(MATCH, "lost")
        node.publish("b")
        assert viewer.told == ["hello 0 fresh"]
        await viewer.until_told("entry 2 b")
        assert viewer.told == ["hello 0 fresh", "entry 1 lost", "entry 2 b"]
        assert node.history.reads == ["recent", "after 0"]


async def test_a_burst_behind_a_gap_costs_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synced_channel_module, "GAP_GRACE", 0)
    async with cluster() as [node]:
        viewer = await node.join()
        node.history.commit(MATCH, "lost")
        for number in range(50):
            node.publish(f"e{number}")
        await viewer.until_told("entry 51 e49")
        await settle()
        assert node.history.reads == ["recent", "after 0"]
        assert [message["seq"] for message in viewer.messages] == list(range(52))


async def test_a_repair_that_skips_begins_with_a_hello(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synced_channel_module, "GAP_GRACE", 0)
    async with cluster() as [node]:
        viewer = await node.join()
        node.history.commit(MATCH, "a")
        node.history.commit(MATCH, "b")
        node.publish("a")
        await viewer.until_told("entry 3 a")
        assert viewer.told == ["hello 0 fresh", "hello 3", "entry 2 b", "entry 3 a"]


async def test_a_large_change_travels_as_its_position_and_is_read() -> None:
    async with cluster(nodes=2) as [one, two]:
        viewers = [await one.join(), await two.join()]
        one.publish("large", size=BUS_MESSAGE_MAX)
        await viewers[1].until_told("entry 1 large")
        assert viewers[0].told == viewers[1].told == ["hello 0 fresh", "entry 1 large"]
        assert viewers[0].messages == viewers[1].messages
        assert one.history.reads == ["recent", "recent", "after 0"], "only the other hub needs the store"


async def test_a_position_alone_that_comes_while_a_read_is_under_way_is_read_for() -> None:
    """The read may have begun before that change."""
    async with cluster(nodes=2) as [node, elsewhere]:
        viewer = await node.join()
        node.history.hold()
        elsewhere.publish("one", size=BUS_MESSAGE_MAX)
        await node.history.until_reads(2)
        elsewhere.publish("two", size=BUS_MESSAGE_MAX)
        elsewhere.publish("three", size=BUS_MESSAGE_MAX)
        node.history.release()
        await viewer.until_told("entry 3 three")
        assert [message["seq"] for message in viewer.messages] == [0, 1, 2, 3]
        assert node.history.reads == ["recent", "after 0", "after 1"]


async def test_what_is_no_message_makes_the_hub_look_for_itself() -> None:
    async with cluster() as [node]:
        viewer = await node.join()
        node.history.commit(MATCH, "a")
        node.bus.deliver(MATCH, b"\xff\x00 nonsense")
        await viewer.until_told("entry 1 a")
        node.hub.received(Topic("unknown"), None)


# Another history


async def test_another_history_resets_everyone_the_lagging_too() -> None:
    async with cluster("a", "b", "c", poll=SOON) as [node]:
        viewer, slow = await node.join(), await node.join(room=1)
        node.publish("d")
        node.history.restart(MATCH, "bbbbbbbb", 2)
        await viewer.until_told("reset 2")
        assert viewer.messages[-1]["epoch"] == "bbbbbbbb"
        slow.room = None
        node.hub.resume(WHOLE, slow)
        await slow.until_told("reset 2")
        assert slow.told == ["hello 3 fresh", "hello 2 fresh", "reset 2"]
        node.publish("e")
        assert viewer.told[-1] == slow.told[-1] == "entry 3 e"


async def test_after_a_shorter_history_viewers_join_at_any_position_of_it() -> None:
    async with cluster(*"abcdefgh", poll=SOON) as [node]:
        viewer = await node.join()
        node.history.restart(MATCH, "bbbbbbbb", 4)
        await viewer.until_told("reset 4")
        assert (await node.join(Position("bbbbbbbb", 4))).told == ["hello 4"]
        assert (await node.join(Position("bbbbbbbb", 2))).told == [
            "hello 4",
            "entry 3 restored-2",
            "entry 4 restored-0",
        ]


async def test_viewers_of_a_live_blog_that_vanished_are_sent_away_for_good() -> None:
    """A backup that is older than the live blog was restored; then a newer one, and it can be joined again."""
    async with cluster("a", "b", poll=SOON) as [node]:
        viewer, slow, reader = await node.join(), await node.join(room=1), await node.join(slug="other")
        node.publish("c")
        node.history.vanish(MATCH)
        await viewer.until(lambda: viewer.closed == CLOSE_NO_SUCH_LIVEBLOG)
        await settle()
        assert slow.closed == CLOSE_NO_SUCH_LIVEBLOG
        assert node.hub.count(MATCH) == 0
        assert node.bus.subscribed == ["+match", "+other", "-match"]
        assert [channel.topic.slug for channel in node.hub.channels()] == ["other"]
        with pytest.raises(NotFound):
            await node.join(2)
        node.history.restart(MATCH, "bbbbbbbb", 1)
        assert (await node.join(2)).told == ["hello 1 fresh", "reset 1"]
        assert reader.closed is None


async def test_a_live_blog_that_vanishes_under_one_who_joins_leaves_nobody_behind() -> None:
    async with cluster(*"abcd", recent_max=1) as [node]:
        viewer = await node.join()
        node.history.hold()
        late = ListSink()
        joining = asyncio.create_task(node.hub.join(WHOLE, late, Position(EPOCH, 1)))
        await node.history.until_reads(2)
        node.history.vanish(MATCH)
        await poll(node)
        assert viewer.closed == CLOSE_NO_SUCH_LIVEBLOG
        node.history.release()
        await joining
        await poll(node)
        assert late.closed == CLOSE_NO_SUCH_LIVEBLOG
        assert list(node.hub.channels()) == []


async def test_a_read_for_one_history_is_not_shared_with_a_viewer_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stopped at the new epoch, and its answer doesn't reach back to where that viewer stands."""
    async with cluster(*(f"a{number}" for number in range(9)), recent_max=2) as [node]:
        await node.join()
        node.history.restart(MATCH, "bbbbbbbb", 0)
        for number in range(200):
            node.history.commit(MATCH, f"b{number}")
        let_go, read = asyncio.Event(), node.history.after

        async def after(topic: Topic, position: Position) -> Replay:
            replay = await read(topic, position)
            if position == Position(EPOCH, 1):
                await let_go.wait()
            return replay

        monkeypatch.setattr(node.history, "after", after)
        old = asyncio.create_task(node.join(1))
        await node.history.until_reads(2)
        new = asyncio.create_task(node.join(Position("bbbbbbbb", 5)))
        await settle()
        let_go.set()
        assert (await old).told == ["hello 200 fresh", "reset 200"]
        assert (await new).told == ["hello 200", *(f"entry {number + 1} b{number}" for number in range(5, 200))]


async def test_a_foreign_message_shows_another_history_without_a_poll() -> None:
    async with cluster("a") as [node]:
        viewer = await node.join()
        node.history.restart(MATCH, "bbbbbbbb", 0)
        node.publish("b")
        await viewer.until_told("reset 1")


# Faults of the store


async def test_while_the_store_is_away_live_changes_still_arrive() -> None:
    async with cluster(nodes=2, poll=SOON) as [node, elsewhere]:
        viewer = await node.join()
        node.history.down = True
        elsewhere.publish("a")
        assert viewer.told == ["hello 0 fresh", "entry 1 a"]
