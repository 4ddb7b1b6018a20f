"""The hub: every viewer complete and in order, whatever the bus loses and whenever the store answers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from liveserver import attendance
from liveserver import hub as hub_module
from liveserver import room as room_module
from liveserver.bus import LocalBus, Medium
from liveserver.errors import NotFound, StoreUnavailable
from liveserver.frames import BUS_MESSAGE_MAX, pack
from liveserver.hub import Hub
from liveserver.model import Position
from liveserver.wire import CLOSE_NO_SUCH_LIVEBLOG, CLOSE_TOO_SLOW
from tests.api.site import settled
from tests.memory_history import EPOCH, MemoryHistory
from tests.sinks import PATIENCE, ListSink, set_slice, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from liveserver.bus.base import Receiver
    from liveserver.channel import Replay
    from liveserver.frames import ChangeFrame

MATCH = "match"
NEVER = 3600.0
SOON = 0.01


class FaultyBus(LocalBus):
    """A bus that goes down, loses messages and keeps a record. What happens in `subscribe` can be given."""

    def __init__(self, medium: Medium) -> None:
        super().__init__(medium)
        self.subscribed: list[str] = []
        self.on_subscribe: Callable[[], object] = lambda: None
        self._receiver_outside: Receiver | None = None
        self._is_up = True

    @property
    def up(self) -> bool:
        return self._is_up

    async def start(self, receiver: Receiver) -> None:
        self._receiver_outside = receiver
        await super().start(receiver)

    def set_up(self, up: bool) -> None:
        """Go down, or come back."""
        self._is_up = up
        assert self._receiver_outside is not None
        self._receiver_outside.link_changed(up)

    async def subscribe(self, slug: str) -> None:
        await super().subscribe(slug)
        self.subscribed.append(f"+{slug}")
        self.on_subscribe()

    async def unsubscribe(self, slug: str) -> None:
        await super().unsubscribe(slug)
        self.subscribed.append(f"-{slug}")

    def deliver(self, slug: str, message: bytes) -> None:
        if self._is_up:
            super().deliver(slug, message)

    def deliver_announcement(self, message: bytes) -> None:
        if self._is_up:
            super().deliver_announcement(message)


class Node:
    """A hub with its end of the bus."""

    def __init__(self, history: MemoryHistory, medium: Medium, **options: Any) -> None:
        self.history = history
        self.bus = FaultyBus(medium)
        self.hub = Hub(history, self.bus, **{"poll": NEVER, "poll_fast": NEVER, **options})

    async def join(
        self, after: int | Position | None = None, *, slug: str = MATCH, room: int | None = None
    ) -> ListSink:
        """A viewer."""
        sink = ListSink(room)
        await self.hub.join(slug, sink, Position(EPOCH, after) if isinstance(after, int) else after)
        return sink

    def publish(self, key: str, *, size: int = 0) -> ChangeFrame:
        """Commit and publish here."""
        frame = self.history.commit(MATCH, key, size=size)
        self.hub.publish(MATCH, frame)
        return frame


@asynccontextmanager
async def cluster(*committed: str, nodes: int = 1, **options: Any) -> AsyncIterator[list[Node]]:
    """Hubs on one history and one medium. In the end none of them may leave a task behind."""
    history, medium = MemoryHistory(MATCH, "other"), Medium()
    for key in committed:
        history.commit(MATCH, key)
    before = asyncio.all_tasks()
    running = [Node(history, medium, **options) for _ in range(nodes)]
    for node in running:
        await node.hub.start()
    await settle()
    yield running
    for node in running:
        history.release()
        await node.hub.close()
    assert asyncio.all_tasks() == before


async def viewers_everywhere(node: Node, count: int) -> None:
    """Return once the node counts so many viewers of the match."""

    async def counts() -> bool:
        return node.hub.viewers_everywhere(MATCH) == count

    await settled(counts)


# Joining


async def test_a_fresh_viewer_gets_hello_and_is_counted() -> None:
    async with cluster("a", "b", heartbeat=7) as [node]:
        viewer = await node.join()
        assert viewer.messages == [{"type": "hello", "epoch": EPOCH, "seq": 2, "resumed": False, "heartbeat": 7}]
        assert (node.hub.viewers(MATCH), node.hub.viewers("other"), node.hub.viewers("unknown")) == (1, 0, 0)
        assert [channel.slug for channel in node.hub.channels()] == [MATCH]


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
        assert node.history.reads == ["recent", "after 1"]
        expected = ["hello 6", "entry 2 b", "entry 3 c", "entry 4 d", "entry 5 e", "entry 6 f"]
        assert all(viewer.told == expected for viewer in viewers)


async def test_a_cold_live_blog_is_opened_once_for_all() -> None:
    async with cluster("a") as [node]:
        viewers = await asyncio.gather(*(node.join() for _ in range(100)))
        assert node.history.reads == ["recent"]
        assert node.bus.subscribed == ["+match"]
        assert all(viewer.told == ["hello 1 fresh"] for viewer in viewers)


async def test_a_viewer_further_back_starts_a_read_of_its_own() -> None:
    async with cluster(*"abcdef", recent_max=1) as [node]:
        await node.join()
        node.history.hold()
        joins = [asyncio.create_task(node.join(after)) for after in (3, 1, 2)]
        await node.history.until_reads(3)
        await settle()
        node.history.release()
        viewers = await asyncio.gather(*joins)
        assert node.history.reads == ["recent", "after 3", "after 1"]
        assert [viewer.told[1] for viewer in viewers] == ["entry 4 d", "entry 2 b", "entry 3 c"]


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
        await node.join()
        node.history.hold()
        joining = asyncio.create_task(node.join(1))
        await node.history.until_reads(2)
        for key in "efgh":
            node.publish(key)
        node.history.release()
        viewer = await joining
        assert [message["seq"] for message in viewer.messages] == [8, *range(2, 9)]


async def test_an_unknown_live_blog_is_not_found_and_not_kept() -> None:
    async with cluster() as [node]:
        for _ in range(2):
            with pytest.raises(NotFound):
                await node.join(slug="unknown")
        assert list(node.hub.channels()) == []
        assert node.bus.subscribed == ["+unknown", "-unknown"] * 2


async def test_a_store_that_is_away_refuses_those_who_need_it_only() -> None:
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
        assert node.hub.viewers(MATCH) == 2
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
        assert node.hub.viewers(MATCH) == 1


@pytest.mark.parametrize("warm", [False, True])
async def test_one_whose_connection_is_lost_while_joining_is_not_registered(warm: bool) -> None:
    """The transport reports it to `leave`, while the endpoint still waits in `join`."""
    async with cluster(*"abcd", recent_max=1) as [node]:
        if warm:
            await node.join()
        before = len(node.history.reads)
        node.history.hold()
        sink = ListSink()
        joining = asyncio.create_task(node.hub.join(MATCH, sink, Position(EPOCH, 1)))
        await node.history.until_reads(before + 1)
        node.hub.leave(MATCH, sink)
        node.history.release()
        await joining
        assert node.hub.viewers(MATCH) == int(warm)
        assert sink.frames == []


@pytest.mark.parametrize("where", [0, 1])
async def test_one_who_comes_back_before_the_old_connection_is_gone(where: int) -> None:
    """Each connection has everything once; that the old one ends is nothing to the new (centrifuge-go #150)."""
    async with cluster("a", "b", nodes=2) as nodes:
        old = await nodes[0].join(2)
        nodes[0].publish("c")
        new = await nodes[where].join(2)
        nodes[1].publish("d")
        await old.until_told("entry 4 d")
        nodes[0].hub.leave(MATCH, old)
        nodes[0].publish("e")
        await new.until_told("entry 5 e")
        assert old.told == ["hello 2", "entry 3 c", "entry 4 d"]
        assert new.told == ["hello 3", "entry 3 c", "entry 4 d", "entry 5 e"]
        assert [node.hub.viewers(MATCH) for node in nodes] == [where == 0, where == 1]


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


# How far a live blog has got


async def test_what_is_not_in_memory_is_not_known() -> None:
    async with cluster("a") as [node]:
        assert node.hub.reached(MATCH) is None
        await node.hub.enter(MATCH)
        assert node.hub.reached(MATCH) == Position(EPOCH, 1)


async def test_a_commit_is_known_before_it_is_delivered() -> None:
    """And doesn't count as delivered: the viewers still get it, once."""
    async with cluster("a") as [node]:
        viewer = await node.join()
        frame = node.history.commit(MATCH, "b")
        node.hub.committed(MATCH, frame.position)
        assert node.hub.reached(MATCH) == frame.position
        assert viewer.told == ["hello 1 fresh"]
        node.hub.committed(MATCH, Position(EPOCH, 1))
        assert node.hub.reached(MATCH) == frame.position
        node.hub.publish(MATCH, frame)
        assert viewer.told == ["hello 1 fresh", "entry 2 b"]
        assert node.hub.reached(MATCH) == frame.position


async def test_a_commit_while_the_live_blog_is_opened_is_known_when_it_is_open() -> None:
    """It came after the read, and its delivery is still to come."""
    async with cluster("a") as [node]:
        node.history.hold()
        opening = asyncio.create_task(node.hub.enter(MATCH))
        await node.history.until_reads(1)
        frame = node.history.commit(MATCH, "b")
        node.hub.committed(MATCH, frame.position)
        node.history.release()
        await opening
        assert node.hub.reached(MATCH) == frame.position
        await settle()


async def test_a_message_ahead_of_a_gap_tells_how_far_the_others_have_got() -> None:
    """So does one that was too large to be carried; neither can be delivered yet."""
    async with cluster("a", nodes=2) as [here, there]:
        viewer = await there.join()
        here.history.commit(MATCH, "lost")
        here.history.hold()
        for size in (0, BUS_MESSAGE_MAX):
            frame = here.publish("b", size=size)
            assert there.hub.reached(MATCH) == frame.position
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
        assert node.hub.reached(MATCH) is None
        node.hub.received(MATCH, pack(late))
        assert node.hub.reached(MATCH) is None
        node.history.release()
        await settle()
        assert node.hub.reached(MATCH) == Position("bbbbbbbb", 1)


async def test_what_is_asked_for_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does for viewers."""
    async with cluster("a") as [node]:
        times = [0.0]
        for module in (hub_module, room_module):
            monkeypatch.setattr(module, "now", lambda: times[-1])
        await node.hub.enter(MATCH)
        for _ in range(3):
            times.append(times[-1] + hub_module.IDLE_KEEP - 1)
            await poll(node)
            assert node.hub.reached(MATCH) == Position(EPOCH, 1)
        times.append(times[-1] + hub_module.IDLE_KEEP + 1)
        await poll(node)
        assert node.hub.reached(MATCH) is None


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


async def test_who_left_gets_nothing_more() -> None:
    async with cluster() as [node]:
        viewer = await node.join()
        node.hub.leave(MATCH, viewer)
        node.hub.leave(MATCH, viewer)
        node.hub.leave("unknown", viewer)
        node.publish("a")
        assert viewer.told == ["hello 0 fresh"]
        assert node.hub.viewers(MATCH) == 0


async def test_messages_that_cross_need_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "GAP_GRACE", 0)
    async with cluster() as [node]:
        viewer = await node.join()
        first, second = (node.history.commit(MATCH, key) for key in "ab")
        node.hub.publish(MATCH, second)
        node.hub.publish(MATCH, first)
        await settle()
        assert viewer.told == ["hello 0 fresh", "entry 1 a", "entry 2 b"]
        assert node.history.reads == ["recent"]


async def test_a_gap_is_repaired_from_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "GAP_GRACE", 0)
    async with cluster() as [node]:
        viewer = await node.join()
        node.history.commit(MATCH, "lost")
        node.publish("b")
        assert viewer.told == ["hello 0 fresh"]
        await viewer.until_told("entry 2 b")
        assert viewer.told == ["hello 0 fresh", "entry 1 lost", "entry 2 b"]
        assert node.history.reads == ["recent", "after 0"]


async def test_a_burst_behind_a_gap_costs_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "GAP_GRACE", 0)
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
    monkeypatch.setattr(hub_module, "GAP_GRACE", 0)
    async with cluster() as [node]:
        viewer = await node.join()
        node.history.commit(MATCH, "a")
        node.history.commit(MATCH, "b")
        node.publish("a")
        await viewer.until_told("entry 3 a")
        assert viewer.told == ["hello 0 fresh", "hello 3", "entry 2 b", "entry 3 a"]


async def test_the_last_message_lost_is_found_by_the_poll() -> None:
    async with cluster(poll=SOON) as [node]:
        viewer = await node.join()
        node.history.commit(MATCH, "a")
        await viewer.until_told("entry 1 a")
        assert node.history.reads == ["recent", "after 0"]


async def test_a_poll_that_finds_nothing_reads_nothing() -> None:
    async with cluster("a", poll=SOON) as [node]:
        await node.join()
        for _ in range(3):
            node.history.polled.clear()
            await asyncio.wait_for(node.history.polled.wait(), PATIENCE)
        assert node.history.reads == ["recent"]


async def test_while_the_bus_is_down_the_poll_is_fast() -> None:
    async with cluster(nodes=2, poll_fast=SOON) as [node, elsewhere]:
        viewer = await node.join()
        node.bus.set_up(False)
        await settle()
        for key in "ab":
            elsewhere.publish(key)
        await viewer.until_told("entry 2 b")
        assert viewer.told == ["hello 0 fresh", "entry 1 a", "entry 2 b"]


async def test_a_bus_that_comes_back_is_followed_by_a_poll_at_once() -> None:
    async with cluster(nodes=2) as [node, elsewhere]:
        viewer = await node.join()
        node.bus.set_up(False)
        await settle()
        elsewhere.publish("a")
        await settle()
        assert viewer.told == ["hello 0 fresh"]
        node.bus.set_up(True)
        await viewer.until_told("entry 1 a")


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
        node.hub.received(MATCH, b"\xff\x00 nonsense")
        await viewer.until_told("entry 1 a")
        node.hub.received("unknown", b"nonsense")


async def test_another_history_resets_everyone_the_lagging_too() -> None:
    async with cluster("a", "b", "c", poll=SOON) as [node]:
        viewer, slow = await node.join(), await node.join(room=1)
        node.publish("d")
        node.history.restart(MATCH, "bbbbbbbb", 2)
        await viewer.until_told("reset 2")
        assert viewer.messages[-1]["epoch"] == "bbbbbbbb"
        slow.room = None
        node.hub.drained(MATCH, slow)
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


async def test_a_foreign_message_shows_another_history_without_a_poll() -> None:
    async with cluster("a") as [node]:
        viewer = await node.join()
        node.history.restart(MATCH, "bbbbbbbb", 0)
        node.publish("b")
        await viewer.until_told("reset 1")


async def test_viewers_of_a_live_blog_that_vanished_are_sent_away_for_good() -> None:
    """A backup that is older than the live blog was restored; then a newer one, and it can be joined again."""
    async with cluster("a", "b", poll=SOON) as [node]:
        viewer, slow, reader = await node.join(), await node.join(room=1), await node.join(slug="other")
        node.publish("c")
        node.history.vanish(MATCH)
        await viewer.until(lambda: viewer.closed == CLOSE_NO_SUCH_LIVEBLOG)
        await settle()
        assert slow.closed == CLOSE_NO_SUCH_LIVEBLOG
        assert node.hub.viewers(MATCH) == 0
        assert node.bus.subscribed == ["+match", "+other", "-match"]
        assert [channel.slug for channel in node.hub.channels()] == ["other"]
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
        joining = asyncio.create_task(node.hub.join(MATCH, late, Position(EPOCH, 1)))
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

        async def after(slug: str, position: Position) -> Replay:
            replay = await read(slug, position)
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


# Many viewers


async def test_a_large_fan_out_lets_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishing returns before anybody is written to; what else is to run gets its turn between two slices."""
    set_slice(monkeypatch, 2)
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
    set_slice(monkeypatch, 2)
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


async def test_who_drains_while_others_are_written_to_gets_everything_once(monkeypatch: pytest.MonkeyPatch) -> None:
    set_slice(monkeypatch, 2)
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
        assert channel.backlog
        slow.room = None
        node.hub.drained(MATCH, slow)
        node.publish("e")
        await settle()
        assert slow.told == ["hello 0 fresh", "entry 1 a", "hello 4", *(f"entry {n} {k}" for n, k in SECOND_TO_FIFTH)]
        assert node.hub.viewers(MATCH) == 9


SECOND_TO_FIFTH = [(2, "b"), (3, "c"), (4, "d"), (5, "e")]


# Lagging


async def test_a_lagging_viewer_is_caught_up_from_memory() -> None:
    async with cluster() as [node]:
        slow = await node.join(room=2)
        for key in ("a", "b", "c", "b"):
            node.publish(key)
        assert slow.told == ["hello 0 fresh", "entry 1 a"]
        slow.room = None
        node.hub.drained(MATCH, slow)
        assert slow.told == ["hello 0 fresh", "entry 1 a", "hello 4", "entry 3 c", "entry 4 b"]
        node.publish("d")
        assert slow.told[-1] == "entry 5 d"
        assert node.history.reads == ["recent"]


async def test_a_viewer_that_lags_beyond_memory_is_caught_up_from_the_store() -> None:
    async with cluster(recent_max=2) as [node]:
        slow = await node.join(room=1)
        for key in "abcab":
            node.publish(key)
        slow.room = None
        node.hub.drained(MATCH, slow)
        node.hub.drained(MATCH, slow)
        await slow.until_told("entry 5 b")
        await settle()
        assert slow.told == ["hello 0 fresh", "hello 5", "entry 3 c", "entry 4 a", "entry 5 b"]
        assert node.hub.viewers(MATCH) == 1


async def test_a_viewer_that_lags_again_while_it_is_caught_up_gets_nothing_twice() -> None:
    async with cluster(recent_max=1) as [node]:
        slow = await node.join(room=1)
        for key in "abc":
            node.publish(key)
        slow.room = 2
        node.hub.drained(MATCH, slow)
        node.hub.drained(MATCH, slow)
        await settle()
        slow.room = None
        node.hub.drained(MATCH, slow)
        await slow.until_told("entry 3 c")
        await settle()
        assert slow.told == ["hello 0 fresh", "hello 3", "entry 1 a", "hello 3", "entry 2 b", "entry 3 c"]


async def test_a_drained_viewer_that_does_not_lag_is_left_alone() -> None:
    async with cluster() as [node]:
        viewer = await node.join()
        node.hub.drained(MATCH, viewer)
        node.hub.drained("unknown", viewer)
        assert viewer.told == ["hello 0 fresh"]


async def test_a_viewer_that_lags_too_long_is_closed() -> None:
    async with cluster(poll=SOON, lag_timeout=0) as [node]:
        viewer, slow = await node.join(), await node.join(room=1)
        node.publish("a")
        await slow.until(lambda: slow.closed is not None)
        assert (slow.closed, viewer.closed) == (CLOSE_TOO_SLOW, None)
        assert node.hub.viewers(MATCH) == 1


async def test_a_viewer_is_closed_for_lagging_while_the_store_is_away() -> None:
    async with cluster(poll=SOON, lag_timeout=0) as [node]:
        slow = await node.join(room=1)
        node.history.down = True
        node.publish("a")
        await slow.until(lambda: slow.closed is not None)


async def test_a_lagging_viewer_that_cannot_be_caught_up_is_sent_back() -> None:
    async with cluster(recent_max=1) as [node]:
        slow = await node.join(room=1)
        for key in "abc":
            node.publish(key)
        node.history.down = True
        node.hub.drained(MATCH, slow)
        await slow.until(lambda: slow.closed is not None)
        assert slow.closed == CLOSE_TOO_SLOW
        assert node.hub.viewers(MATCH) == 0


async def test_a_lagging_viewer_that_leaves_while_it_is_caught_up_stays_away() -> None:
    async with cluster(recent_max=1) as [node]:
        slow = await node.join(room=1)
        for key in "abc":
            node.publish(key)
        slow.room = None
        node.history.hold()
        node.hub.drained(MATCH, slow)
        await node.history.until_reads(2)
        node.hub.leave(MATCH, slow)
        node.history.release()
        await settle()
        assert slow.told == ["hello 0 fresh"]
        assert node.hub.viewers(MATCH) == 0


# Faults of the store


async def test_a_repair_that_failed_is_made_good_by_the_poll() -> None:
    async with cluster(nodes=2, poll=SOON) as [node, elsewhere]:
        viewer = await node.join()
        node.history.down = True
        elsewhere.publish("large", size=BUS_MESSAGE_MAX)
        await node.history.until_reads(2)
        await settle()
        assert viewer.told == ["hello 0 fresh"]
        node.history.down = False
        await viewer.until_told("entry 1 large")


async def test_the_poll_outlives_any_defect() -> None:
    async with cluster(poll=SOON) as [node]:
        viewer = await node.join()
        node.history.broken = True
        node.history.polled.clear()
        await asyncio.wait_for(node.history.polled.wait(), PATIENCE)
        node.history.broken = False
        node.history.commit(MATCH, "a")
        await viewer.until_told("entry 1 a")


async def test_while_the_store_is_away_live_changes_still_arrive() -> None:
    async with cluster(nodes=2, poll=SOON) as [node, elsewhere]:
        viewer = await node.join()
        node.history.down = True
        elsewhere.publish("a")
        assert viewer.told == ["hello 0 fresh", "entry 1 a"]


# Heartbeats, the end, and what nobody reads


async def test_heartbeats_come_by_themselves() -> None:
    async with cluster("a", heartbeat=0) as [node]:
        viewer = await node.join()
        await viewer.until_told("heartbeat 1")
        assert viewer.messages[1] == {"type": "heartbeat", "seq": 1, "viewers": 1}


async def test_heartbeats_count_the_viewers_of_all_nodes() -> None:
    async with cluster("a", nodes=3, heartbeat=0) as [node, elsewhere, third]:
        viewer = await node.join()
        for other in (elsewhere, elsewhere, third):
            await other.join()
        await elsewhere.join(slug="other")
        for other in (elsewhere, third):
            other.hub.announce()
        assert [n.hub.viewers_everywhere(MATCH) for n in (node, elsewhere, third)] == [4, 3, 3]
        await viewer.until(lambda: viewer.messages[-1].get("viewers") == 4)


async def test_every_node_says_by_itself_how_many_viewers_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attendance, "INTERVAL", SOON)
    async with cluster(nodes=2) as [node, elsewhere]:
        viewers = [await elsewhere.join(), await elsewhere.join()]
        await viewers_everywhere(node, 2)
        elsewhere.hub.leave(MATCH, viewers[0])
        await viewers_everywhere(node, 1)


async def test_a_node_that_says_nothing_any_more_is_counted_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attendance, "INTERVAL", SOON)
    monkeypatch.setattr(attendance, "LIFETIME", 5 * SOON)
    async with cluster(nodes=2) as [node, elsewhere]:
        await elsewhere.join()
        await viewers_everywhere(node, 1)
        await elsewhere.hub.close()
        await viewers_everywhere(node, 0)


async def test_while_the_bus_is_down_the_count_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can be heard, which says nothing of who is there."""
    monkeypatch.setattr(attendance, "LIFETIME", 0.05)
    async with cluster(nodes=2) as [node, elsewhere]:
        await elsewhere.join()
        elsewhere.hub.announce()
        for end in (node, elsewhere):
            end.bus.set_up(False)
        await asyncio.sleep(0.06)
        node.hub.announce()
        assert node.hub.viewers_everywhere(MATCH) == 1
        node.bus.set_up(True)
        node.hub.announce()
        assert node.hub.viewers_everywhere(MATCH) == 1, "it has had no time yet to say anything"
        await asyncio.sleep(0.06)
        node.hub.announce()
        assert node.hub.viewers_everywhere(MATCH) == 0


async def test_close_ends_whatever_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """An opening, a bridge, a repair that waits for another, a grace, a catching-up: `cluster` counts the tasks."""
    monkeypatch.setattr(hub_module, "GAP_GRACE", NEVER)
    async with cluster(*"abcd", recent_max=1) as [node]:
        slow = await node.join(room=1)
        node.publish("e")
        node.publish("f")
        node.history.hold()
        joins = [asyncio.create_task(node.join(slug="other")), asyncio.create_task(node.join(1))]
        await node.history.until_reads(3)
        node.hub.received(MATCH, b"nonsense")
        await node.history.until_reads(4)
        node.hub.received(MATCH, b"nonsense")
        node.history.commit(MATCH, "lost")
        node.publish("g")
        node.hub.drained(MATCH, slow)
        await settle()
        await node.hub.close()
        results = await asyncio.gather(*joins, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        node.hub.received(MATCH, b"nonsense")


async def test_a_live_blog_that_nobody_reads_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async with cluster("a") as [node]:
        viewer, reader = await node.join(), await node.join(slug="other")
        node.hub.leave(MATCH, viewer)
        await poll(node)
        assert node.hub.viewers(MATCH) == 0
        assert len(list(node.hub.channels())) == 2, "for a while it is kept warm"
        monkeypatch.setattr(hub_module, "IDLE_KEEP", -1)
        await poll(node)
        assert [channel.slug for channel in node.hub.channels()] == ["other"]
        assert node.bus.subscribed == ["+match", "+other", "-match"]
        assert (await node.join(0)).told == ["hello 1", "entry 1 a"], "and opened again"
        assert reader.told == ["hello 0 fresh"]


async def test_a_bus_that_hangs_does_not_hold_up_the_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live blog is unsubscribed beside it: what the bus has lost meanwhile must be found all the same."""
    monkeypatch.setattr(hub_module, "IDLE_KEEP", 0.0)
    async with cluster(poll=SOON) as [node]:
        viewer, leaving = await node.join(), await node.join(slug="other")
        hangs = asyncio.Event()

        async def unsubscribe(slug: str) -> None:
            hangs.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(node.bus, "unsubscribe", unsubscribe)
        node.hub.leave("other", leaving)
        await asyncio.wait_for(hangs.wait(), PATIENCE)
        node.history.commit(MATCH, "a")
        await viewer.until_told("entry 1 a")


async def test_a_live_blog_is_kept_for_one_who_joined_while_the_last_one_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "IDLE_KEEP", -1)
    async with cluster(*"abcd", recent_max=1) as [node]:
        last = await node.join()
        node.history.hold()
        joining = asyncio.create_task(node.join(1))
        await node.history.until_reads(2)
        node.hub.leave(MATCH, last)
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
    monkeypatch.setattr(hub_module, "IDLE_KEEP", -1)
    async with cluster(*"abcd", recent_max=1) as [node]:
        viewer = await node.join()
        node.history.down = True
        with pytest.raises(StoreUnavailable):
            await node.join(1)
        node.history.down = False
        await poll(node)
        node.publish("e")
        assert viewer.told[-1] == "entry 5 e"


async def poll(node: Node) -> None:
    """Make the hub poll, and wait until it has."""
    node.hub.link_changed(True)
    await settle()


async def test_a_viewer_far_behind_starts_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than have the store read and everything rendered for it alone."""
    monkeypatch.setattr(room_module, "REPLAY_MAX", 3)
    async with cluster(*"abcdefgh", recent_max=1) as [node]:
        await node.join()
        reads = len(node.history.reads)
        near, far = await node.join(after=5), await node.join(after=4)
        assert near.told == ["hello 8", "entry 6 f", "entry 7 g", "entry 8 h"]
        assert far.told == ["hello 8 fresh", "reset 8"]
        assert len(node.history.reads) > reads
