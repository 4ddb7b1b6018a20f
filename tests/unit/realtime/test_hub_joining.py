"""Viewers join the hub: each gets what it missed, whatever happens between subscribing, reading and registering."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.change import Position
from liveserver.domain.errors import NotFound, StoreUnavailable
from liveserver.realtime import replay_cache as replay_cache_module
from liveserver.realtime.upkeep import store_poll as store_poll_module
from tests.support.hub_cluster import MATCH, WHOLE, Node, cluster, poll
from tests.support.memory_history import EPOCH
from tests.support.viewers import ListSink, settle

if TYPE_CHECKING:
    from liveserver.realtime.viewer import Viewer


async def _overtaken(node: Node, keys: str) -> ListSink:
    """A viewer that comes back after the first change, while others are published before the store has answered."""
    await node.join()
    node.history.hold()
    joining = asyncio.create_task(node.join(1))
    await node.history.until_reads(2)
    for key in keys:
        node.publish(key)
    node.history.release()
    return await joining


async def test_a_fresh_viewer_gets_hello_and_is_counted() -> None:
    async with cluster("a", "b", heartbeat=7) as [node]:
        viewer = await node.join()
        assert viewer.messages == [{"type": "hello", "epoch": EPOCH, "seq": 2, "resumed": False, "heartbeat": 7}]
        assert (node.hub.count(MATCH), node.hub.count("other"), node.hub.count("unknown")) == (1, 0, 0)
        assert [channel.topic.slug for channel in node.hub.channels()] == [MATCH]


async def test_resume_from_memory_reads_nothing() -> None:
    async with cluster("a", "b", "a") as [node]:
        await node.join()
        returning = await node.join(1)
        assert returning.told == ["hello 3", "entry 2 b", "entry 3 a"]
        assert node.history.reads == ["recent"]


async def test_resume_from_the_store_reaches_back_at_any_age() -> None:
    async with cluster(*"abcabc", recent_max=2) as [node]:
        returning = await node.join(0)
        assert returning.told == ["hello 6", "entry 4 a", "entry 5 b", "entry 6 c"]
        assert node.history.reads == ["recent", "after 0"]
        node.publish("d")
        assert returning.told[-1] == "entry 7 d"


async def test_a_thousand_viewers_that_come_back_at_once_cost_one_read() -> None:
    async with cluster(*"abcdef", recent_max=2) as [node]:
        await node.join()
        viewers = await asyncio.gather(*(node.join(1) for _ in range(1000)))
        assert node.history.reads == ["recent", "after 0"]
        expected = ["hello 6", "entry 2 b", "entry 3 c", "entry 4 d", "entry 5 e", "entry 6 f"]
        assert all(viewer.told == expected for viewer in viewers)


async def test_a_cold_live_blog_is_opened_once_for_all() -> None:
    async with cluster("a") as [node]:
        viewers = await asyncio.gather(*(node.join() for _ in range(100)))
        assert node.history.reads == ["recent"]
        assert node.bus.subscribed == ["+match"]
        assert all(viewer.told == ["hello 1 fresh"] for viewer in viewers)


async def test_viewers_that_come_back_at_once_from_different_positions_cost_one_read() -> None:
    async with cluster(*"abcdef", recent_max=1) as [node]:
        await node.join()
        node.history.hold()
        joins = [asyncio.create_task(node.join(after)) for after in (3, 1, 2)]
        await node.history.until_reads(2)
        await settle()
        node.history.release()
        viewers = await asyncio.gather(*joins)
        assert node.history.reads == ["recent", "after 0"]
        assert [viewer.told[1] for viewer in viewers] == ["entry 4 d", "entry 2 b", "entry 3 c"]


async def test_viewers_that_come_back_one_by_one_from_different_positions_cost_one_read() -> None:
    """Also from the very edge of what is replayed, and while changes come."""
    keys = [f"entry-{number}" for number in range(replay_cache_module.REPLAY_MAX + 50)]
    async with cluster(*keys, recent_max=10) as [node]:
        for seq in range(50, len(keys) - 10):
            viewer = await node.join(seq)
            assert [message["seq"] for message in viewer.messages[1:]] == [*range(seq + 1, len(keys) + 1)]
        node.publish("entry-340")
        node.publish("new")
        viewer = await node.join(331)
        seqs = [message["seq"] for message in viewer.messages]
        assert seqs == [len(keys) + 2, *range(332, 341), *range(342, len(keys) + 3)]
        assert node.history.reads == ["recent", "after 50"]
        again = await node.join(331)
        assert all(one is other for one, other in zip(viewer.frames, again.frames, strict=True)), "encoded once"


async def test_what_was_read_is_of_no_use_when_memory_has_forgotten_what_came_after_it() -> None:
    async with cluster(*"abcd", recent_max=2) as [node]:
        assert (await node.join(1)).told == ["hello 4", "entry 2 b", "entry 3 c", "entry 4 d"]
        for key in "efg":
            node.publish(key)
        viewer = await node.join(1)
        assert [message["seq"] for message in viewer.messages] == [7, *range(2, 8)]
        assert node.history.reads == ["recent", "after 0", "after 7", "after 0"]


async def test_what_was_read_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_cache_module, "REPLAY_KEEP", 0)
    async with cluster(*"abcd", recent_max=1) as [node]:
        for _ in range(2):
            await node.join(1)
            await settle()
        assert node.history.reads == ["recent", "after 0", "after 0"]


async def test_a_viewer_that_memory_forgot_while_it_waited_is_brought_up_to_date_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was within reach when it came."""
    monkeypatch.setattr(replay_cache_module, "REPLAY_MAX", 3)
    async with cluster(*"abcd", recent_max=1) as [node]:
        viewer = await _overtaken(node, "efgh")
        assert [message["seq"] for message in viewer.messages] == [8, *range(2, 9)]


async def test_a_position_of_another_epoch_is_void() -> None:
    async with cluster("a") as [node]:
        viewer = await node.join(Position("bbbbbbbb", 1))
        assert viewer.told == ["hello 1 fresh", "reset 1"]


async def test_a_position_ahead_of_the_store_is_void() -> None:
    async with cluster("a") as [node]:
        viewer = await node.join(2)
        assert viewer.told == ["hello 1 fresh", "reset 1"]
        assert node.history.reads == ["recent", "after 1"], "only the store can tell"


async def test_a_viewer_ahead_of_this_hub_makes_it_catch_up() -> None:
    async with cluster("a") as [node]:
        viewer = await node.join()
        node.history.commit(MATCH, "b")
        node.history.commit(MATCH, "c")
        ahead = await node.join(2)
        assert ahead.told == ["hello 3", "entry 3 c"]
        assert viewer.told == ["hello 1 fresh", "entry 2 b", "entry 3 c"]


async def test_a_position_behind_a_floor_that_rose_during_the_read_is_read_again() -> None:
    async with cluster(*"abcd", recent_max=2) as [node]:
        viewer = await _overtaken(node, "efgh")
        assert [message["seq"] for message in viewer.messages] == [8, *range(2, 9)]


async def test_an_unknown_live_blog_is_not_found_and_not_kept() -> None:
    async with cluster() as [node]:
        for _ in range(2):
            with pytest.raises(NotFound):
                await node.join(slug="unknown")
        assert list(node.hub.channels()) == []
        assert node.bus.subscribed == []


async def test_a_live_blog_that_vanishes_while_it_is_opened() -> None:
    """A backup was restored that is older: it is not found, and nobody listens for it any more."""
    async with cluster() as [node]:
        node.bus.on_subscribe = lambda: node.history.vanish(MATCH)
        with pytest.raises(NotFound):
            await node.join()
        assert list(node.hub.channels()) == []
        assert node.bus.subscribed == [f"+{MATCH}", f"-{MATCH}"]


async def test_a_store_that_is_away_refuses_viewers_that_need_it_only() -> None:
    async with cluster(*"abcd", recent_max=2) as [node]:
        node.history.down = True
        with pytest.raises(StoreUnavailable):
            await node.join()
        node.history.down = False
        await node.join()
        node.history.down = True
        assert (await node.join(3)).told == ["hello 4", "entry 4 d"]
        for after in (1, 9):
            with pytest.raises(StoreUnavailable):
                await node.join(after)
        assert node.hub.count(MATCH) == 2
        node.history.down = False
        assert (await node.join(1)).told[-1] == "entry 4 d"


async def test_one_who_gives_up_while_joining_is_not_registered_and_hinders_nobody() -> None:
    async with cluster("a") as [node]:
        node.history.hold()
        gone, staying = asyncio.create_task(node.join()), asyncio.create_task(node.join())
        await node.history.until_reads(1)
        gone.cancel()
        await settle()
        node.history.release()
        assert (await staying).told == ["hello 1 fresh"]
        assert gone.cancelled()
        assert node.hub.count(MATCH) == 1


@pytest.mark.parametrize("warm", [False, True])
async def test_one_whose_connection_is_lost_while_joining_is_not_registered(warm: bool) -> None:
    """The transport reports it to `leave`, while the endpoint still waits in `join`."""
    async with cluster(*"abcd", recent_max=1) as [node]:
        if warm:
            await node.join()
        before = len(node.history.reads)
        node.history.hold()
        viewer = ListSink()
        joining = asyncio.create_task(node.hub.join(WHOLE, viewer, Position(EPOCH, 1)))
        await node.history.until_reads(before + 1)
        node.hub.leave(WHOLE, viewer)
        node.history.release()
        await joining
        assert node.hub.count(MATCH) == int(warm)
        assert viewer.frames == []


@pytest.mark.parametrize("where", [0, 1])
async def test_one_who_comes_back_before_the_old_connection_is_gone(where: int) -> None:
    """Each connection has everything once; that the old one ends is nothing to the new (centrifuge-go #150)."""
    async with cluster("a", "b", nodes=2) as nodes:
        old = await nodes[0].join(2)
        nodes[0].publish("c")
        new = await nodes[where].join(2)
        nodes[1].publish("d")
        await old.until_told("entry 4 d")
        nodes[0].hub.leave(WHOLE, old)
        nodes[0].publish("e")
        await new.until_told("entry 5 e")
        assert old.told == ["hello 2", "entry 3 c", "entry 4 d"]
        assert new.told == ["hello 3", "entry 3 c", "entry 4 d", "entry 5 e"]
        assert [node.hub.count(MATCH) for node in nodes] == [where == 0, where == 1]


async def test_three_hundred_changes_are_replayed_and_no_more() -> None:
    async with cluster(*map(str, range(310)), recent_max=1) as [node]:
        assert [message["seq"] for message in (await node.join(10)).messages] == [310, *range(11, 311)]
        assert (await node.join(9)).told == ["hello 310 fresh", "reset 310"]


async def test_a_viewer_far_behind_starts_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than have the store read and everything rendered for it alone."""
    monkeypatch.setattr(replay_cache_module, "REPLAY_MAX", 3)
    async with cluster(*"abcdefgh", recent_max=1) as [node]:
        await node.join()
        reads = len(node.history.reads)
        near, far = await node.join(after=5), await node.join(after=4)
        assert near.told == ["hello 8", "entry 6 f", "entry 7 g", "entry 8 h"]
        assert far.told == ["hello 8 fresh", "reset 8"]
        assert len(node.history.reads) > reads


async def test_a_viewer_with_too_much_to_carry_starts_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few changes it is behind; and the store isn't read again for it."""
    monkeypatch.setattr(replay_cache_module, "REPLAY_BYTES", 2_500)
    async with cluster("a", recent_max=1) as [node]:
        for key in "bcdefg":
            node.history.commit(MATCH, key, size=1_000)
        await node.join()
        heavy, edge, light = [await node.join(after) for after in (4, 5, 6)]
        assert heavy.told == ["hello 7 fresh", "reset 7"]
        assert edge.told == ["hello 7", "entry 6 f", "entry 7 g"]
        assert light.told == ["hello 7", "entry 7 g"]
        assert node.history.reads == ["recent", "after 0"]
        node.publish("h")
        assert heavy.told[-1] == "entry 8 h"


async def test_a_live_blog_is_kept_for_one_who_joined_while_the_last_one_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_poll_module, "IDLE_KEEP", -1)
    async with cluster(*"abcd", recent_max=1) as [node]:
        last = await node.join()
        node.history.hold()
        joining = asyncio.create_task(node.join(1))
        await node.history.until_reads(2)
        node.hub.leave(WHOLE, last)
        await poll(node)
        node.history.release()
        viewer = await joining
        await poll(node)
        node.publish("e")
        assert viewer.told[-1] == "entry 5 e"
        assert node.bus.subscribed == ["+match"]


async def test_a_join_that_fails_does_not_let_the_live_blog_go_under_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_poll_module, "IDLE_KEEP", -1)
    async with cluster(*"abcd", recent_max=1) as [node]:
        viewer = await node.join()
        node.history.down = True
        with pytest.raises(StoreUnavailable):
            await node.join(1)
        node.history.down = False
        await poll(node)
        node.publish("e")
        assert viewer.told[-1] == "entry 5 e"


# The race between subscribing, reading and registering


async def test_a_change_between_subscribing_and_reading_is_delivered_once() -> None:
    async with cluster("a", nodes=2) as [node, elsewhere]:
        node.bus.on_subscribe = lambda: elsewhere.publish("b")
        viewer = await node.join(1)
        assert viewer.told == ["hello 2", "entry 2 b"]


@pytest.mark.parametrize("where", [0, 1])
async def test_a_change_between_reading_and_registering_is_not_lost(where: int) -> None:
    """Whether it is published by this process or by another one."""
    async with cluster("a", nodes=2) as nodes:
        node = nodes[0]
        node.history.hold()
        joining = asyncio.create_task(node.join(1))
        await node.history.until_reads(1)
        nodes[where].publish("b")
        nodes[where].publish("c")
        node.history.release()
        viewer = await joining
        await settle()
        assert viewer.told == ["hello 3", "entry 2 b", "entry 3 c"]
        assert node.history.reads == ["recent"]


async def test_a_hub_subscribes_before_it_reads() -> None:
    async with cluster("a") as [node]:
        at_subscribing: list[list[str]] = []
        node.bus.on_subscribe = lambda: at_subscribing.append(list(node.history.reads))
        await node.join()
        assert at_subscribing == [[]]


async def test_a_desk_stream_gets_what_viewers_get_and_is_counted_nowhere() -> None:
    """It has more fields in its `hello`; no observer is told of it."""
    async with cluster() as [node]:
        observer = Seen()
        node.hub.observe(observer)
        viewer, editor = await node.join(), ListSink()
        await node.hub.join(WHOLE, editor, None, desk_fields={"you": "Ada"})
        assert editor.messages[0]["you"] == "Ada"
        assert "you" not in viewer.messages[0]
        node.publish("a")
        assert editor.frames[-1] is viewer.frames[-1]
        assert (node.hub.count(MATCH), node.hub.viewers_of(MATCH)) == (1, [viewer])
        assert set(node.hub.viewers()) == {viewer, editor}
        node.hub.leave(WHOLE, editor)
        assert observer.seen == [("came", viewer)]
        assert (node.hub.count(MATCH), node.hub.viewers()) == (1, [viewer])


class Seen:
    """An observer that notes who comes and goes."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Viewer]] = []

    def came(self, _slug: str, viewer: Viewer, /) -> None:
        self.seen.append(("came", viewer))

    def left(self, _slug: str, viewer: Viewer, /) -> None:
        self.seen.append(("left", viewer))

    def said(self, _slug: str, _viewer: Viewer, _message: bytes, /) -> None:
        pass

    def asked(self, _slug: str, /) -> int:
        return 0

    def announced(self, _message: bytes, /) -> None:
        pass
