"""Takedowns on several nodes, over a bus."""

from __future__ import annotations

import asyncio
import functools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs

from liveserver.domain.change import EntryDeleted
from liveserver.domain.errors import NotFound, StoreUnavailable
from liveserver.domain.topic import Topic
from liveserver.newsroom import takedowns
from liveserver.newsroom.presenter import Presenter
from liveserver.newsroom.takedowns import Takedowns
from liveserver.protocol.messages import gone_answer
from liveserver.protocol.resources import takedown_object
from liveserver.realtime.bus.memory import Medium, MemoryBus
from liveserver.realtime.pending_confirmations import PendingConfirmations
from liveserver.realtime.subscription import Subscription
from liveserver.realtime.transport.viewer_budget import FRAMES, allowed, spent
from liveserver.rendering.entry_renderer import EntryRenderer
from liveserver.rendering.urls import Urls
from tests.support.api.site import SLUG, WHOLE
from tests.support.hub_cluster import started
from tests.support.memory_history import MemoryHistory, hub_on
from tests.support.store_samples import NOON, a_liveblog
from tests.support.takedown_figures import figures
from tests.support.viewers import ListSink, settle
from tests.support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from liveserver.domain.audience import Takedown
    from liveserver.domain.liveblog import Liveblog
    from liveserver.store import Store

NEVER = 10.0**6


# Several nodes


def virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run the test on a loop where waiting takes no time."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        loop = VirtualTimeLoop()
        try:
            loop.finish(test(**fixtures))
        finally:
            loop.close()

    return run


class Notes:
    """A store that keeps takedowns only."""

    def __init__(self) -> None:
        self.takedowns = self
        self.kept: dict[str, Takedown] = {}
        self.away = False
        self.refused: set[str] = set()

    async def keep(self, takedown: Takedown) -> None:
        if self.away:
            raise StoreUnavailable("away")
        if takedown.entry_id in self.refused:
            raise IntegrityError("insert", {}, Exception("no such entry"))
        self.kept[takedown.entry_id] = takedown

    async def find(self, slug: str, entry_id: str) -> Takedown:
        if entry_id not in self.kept:
            raise NotFound
        return self.kept[entry_id]


class Node:
    """A hub, its end of the bus, and its takedowns."""

    def __init__(self, history: MemoryHistory, medium: Medium, notes: Notes) -> None:
        self.history = history
        self.bus = MemoryBus(medium)
        self.hub = hub_on(history, self.bus, poll=NEVER, poll_fast=NEVER, heartbeat=10**6)
        self.confirmations = PendingConfirmations()
        self.presenter = Presenter(EntryRenderer(Urls("http://test")), self.confirmations)
        self.takedowns = Takedowns(cast("Store", notes), self.hub, self.bus, self.confirmations, clock=lambda: NOON)
        self.hub.observe(self.takedowns)

    async def join(self, reply_id: str = "") -> ListSink:
        viewer = ListSink()
        viewer.reply_id = reply_id and f"{self.hub.node}.{reply_id}"
        await self.hub.join(WHOLE, viewer, None)
        return viewer

    def delete(self, entry_id: str) -> Takedown:
        """As publishing does."""
        position = self.history.commit(SLUG, entry_id, deleted=True).position
        begun = self.takedowns.begin(SLUG, entry_id, position.seq)
        liveblog: Liveblog = a_liveblog(SLUG, epoch=position.epoch, seq=position.seq)
        self.hub.publish(SLUG, self.presenter.frame(liveblog, EntryDeleted(position.seq, entry_id)))
        return begun

    async def figures(self, entry_id: str) -> list[int]:
        return figures(takedown_object(await self.takedowns.find(SLUG, entry_id)))

    def answer(self, viewer: ListSink, entry_id: str) -> None:
        Subscription(self.hub, WHOLE).said(viewer, gone_answer(entry_id, had=True))


@asynccontextmanager
async def cluster(nodes: int) -> AsyncIterator[tuple[list[Node], Notes]]:
    history, medium, notes = MemoryHistory(SLUG), Medium(), Notes()
    running = [Node(history, medium, notes) for _ in range(nodes)]
    async with started(*(node.hub for node in running)):
        yield running, notes
        for node in running:
            await node.takedowns.close()


@virtual_time
async def test_nodes_add_up() -> None:
    """Whichever is asked; answers posted to another node than the viewer's are handed on."""
    async with cluster(3) as ([one, two, three], notes):
        here = [await one.join() for _ in range(2)]
        there = [await two.join(), await two.join("sse"), await two.join()]
        begun = one.delete("e")
        assert figures(takedown_object(begun)) == [2, 0, 0, 0, 2]
        await settle()
        assert [viewer.messages[-1]["confirm"] for viewer in (*here, *there)] == [{"within": 5000}] * 5
        await asyncio.sleep(1)
        for node in (one, two, three):
            assert await node.figures("e") == [5, 0, 0, 0, 5]
        one.answer(here[0], "e")
        two.answer(there[0], "e")
        three.takedowns.posted(SLUG, "e", there[1].reply_id, had=True)
        two.hub.leave(WHOLE, there[2])
        await asyncio.sleep(1.5)
        for node in (one, two, three):
            assert await node.figures("e") == [5, 3, 3, 1, 1]
        assert notes.kept["e"].ended_at is None
        one.answer(here[1], "e")
        await asyncio.sleep(takedowns.MIN_EXTRA_SECONDS + 6)
        assert notes.kept["e"].ended_at == NOON
        for node in (one, two, three):
            assert await node.figures("e") == [5, 4, 4, 1, 0]
            assert (node.confirmations._within, node.takedowns._active) == ({}, {})


@virtual_time
async def test_a_viewer_that_never_answers_is_waited_for_a_minute() -> None:
    async with cluster(1) as ([node], notes):
        await node.join()
        node.delete("e")
        await asyncio.sleep(takedowns.MAX_SECONDS - 1)
        assert notes.kept["e"].ended_at is None
        await asyncio.sleep(2)
        assert notes.kept["e"].ended_at is not None
        assert await node.figures("e") == [1, 0, 0, 0, 1]
        assert not node.takedowns._active


@virtual_time
async def test_the_store_is_away_at_the_end() -> None:
    """It is tried again, for a while; what was counted is shown meanwhile."""
    async with cluster(1) as ([node], notes):
        await node.join()
        notes.away = True
        node.delete("e")
        await asyncio.sleep(takedowns.MAX_SECONDS + 5)
        assert await node.figures("e") == [1, 0, 0, 0, 1]
        notes.away = False
        await asyncio.sleep(1)
        assert notes.kept["e"].ended_at is not None
        notes.away = True
        node.delete("f")
        await asyncio.sleep(takedowns.MAX_SECONDS + takedowns.GRACE_SECONDS + 1)
        assert not node.takedowns._active


@virtual_time
async def test_each_is_written_down_as_it_begins() -> None:
    """Else it would be lost by a kill."""
    async with cluster(1) as ([node], notes):
        for entry_id in ("e", "f", "g"):
            node.delete(entry_id)
            await settle()
            assert notes.kept[entry_id].ended_at is None
            await asyncio.sleep(takedowns.INTERVAL / 4)
        notes.away = True
        node.delete("h")
        with capture_logs() as logs:
            await asyncio.sleep(takedowns.NOTE_AGAIN_SECONDS * 1.5)
        # An attempt may take as long as the store is waited for: there aren't many.
        assert [log["event"] for log in logs] == ["takedowns.not_kept"] * 2
        notes.away = False
        await asyncio.sleep(takedowns.NOTE_AGAIN_SECONDS)
        assert notes.kept["h"].ended_at is None


@pytest.mark.parametrize("late", [False, True], ids=["at its beginning", "at its end"])
@virtual_time
async def test_one_that_the_store_refuses_holds_up_no_other(late: bool) -> None:
    async with cluster(2) as ([one, two], notes):
        viewer = await one.join()
        with capture_logs() as logs:
            one.delete("good")
            if not late:
                notes.refused = {"bad"}
            one.delete("bad")
            await asyncio.sleep(2)
            notes.refused = {"bad"}
            for entry_id in ("good", "bad"):
                one.answer(viewer, entry_id)
            one.delete("last")
            await asyncio.sleep(takedowns.MIN_EXTRA_SECONDS + 6)
        assert [(log["event"], log["entry"]) for log in logs] == [("takedowns.dropped", "bad")]
        assert notes.kept["good"].ended_at is not None
        assert list(one.takedowns._active) == list(two.takedowns._active) == ["last"]
        assert one.confirmations.within("bad") is None


@virtual_time
async def test_a_node_that_missed_the_beginning_joins_in() -> None:
    async with cluster(2) as ([one, two], _):
        await two.join()
        two.bus._receiver, receiver = None, two.bus._receiver
        one.delete("e")
        await asyncio.sleep(1)
        assert await one.figures("e") == [0, 0, 0, 0, 0]
        two.bus._receiver = receiver
        await asyncio.sleep(1.5)
        assert await one.figures("e") == [1, 0, 0, 0, 1]


@virtual_time
async def test_a_node_whose_deleter_died_forgets() -> None:
    async with cluster(2) as ([one, two], _):
        one.delete("e")
        await asyncio.sleep(1)
        one.takedowns._active.clear()
        await asyncio.sleep(takedowns.MAX_SECONDS + takedowns.GRACE_SECONDS + 1)
        assert (two.confirmations._within, two.takedowns._active) == ({}, {})


@virtual_time
async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest ends at once when there are too many; deleting is never refused."""
    monkeypatch.setattr(takedowns, "ACTIVE_MAX", 3)
    async with cluster(1) as ([node], notes):
        viewer = await node.join()
        for number in range(10):
            node.delete(f"e{number}")
        assert sum(len(counting.counter._waiting) for counting in node.takedowns._active.values()) == 3
        await asyncio.sleep(2)
        assert sorted(node.takedowns._active) == ["e7", "e8", "e9"]
        assert len([kept for kept in notes.kept.values() if kept.ended_at]) == 7
        node.answer(viewer, "e9")
        node.answer(viewer, "e1")
        assert await node.figures("e9") == [1, 1, 1, 0, 0]
        assert await node.figures("e1") == [1, 0, 0, 0, 1]


@virtual_time
async def test_how_many_answers_were_asked_for() -> None:
    """On every node, of the live blog's viewers only. They are forgotten no sooner than their time is used up."""
    async with cluster(2) as (nodes, _):
        for number in range(50):
            nodes[0].delete(f"e{number}")
        await asyncio.sleep(takedowns.ASKED_SECONDS - 1)
        for node in nodes:
            assert Subscription(node.hub, WHOLE).asked() == 50
            assert Subscription(node.hub, Topic("other")).asked() == 0
        await asyncio.sleep(11)
        left = [Subscription(node.hub, WHOLE).asked() for node in nodes]
        assert left == [39, 39]
        # A viewer that had said all there was to say, and 50 answers, has as much left of its time.
        until = spent(0.0, 0.0, FRAMES + 50)
        assert allowed(until, 10.0, left[0])
        await asyncio.sleep(50)
        assert [Subscription(node.hub, WHOLE).asked() for node in nodes] == [0, 0]
        assert [node.takedowns._asked for node in nodes] == [{}, {}]


@virtual_time
async def test_what_was_asked_for_is_bounded_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(takedowns, "ASKED_MAX", 3)
    async with cluster(1) as ([node], _):
        for number in range(10):
            node.delete(f"e{number}")
        assert Subscription(node.hub, WHOLE).asked() == 3
        await asyncio.sleep(takedowns.ASKED_SECONDS + 20)
        node.takedowns.begin("other", "f", 1)
        assert list(node.takedowns._asked) == ["other"]


@virtual_time
async def test_with_many_viewers_there_is_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with cluster(1) as ([node], _):
        for viewers, within in ((100, 5000), (10_000, 5000), (20_000, 10_000), (10**6, 20_000)):
            monkeypatch.setattr(node.hub, "count_everywhere", lambda _, viewers=viewers: viewers)
            node.delete(f"e{viewers}")
            assert node.confirmations.within(f"e{viewers}") == within


@pytest.mark.parametrize(
    "message",
    [b"", b"x", b"[]", b"{}", b'{"takedown":{"id":"e"},"node":"n"}', b'{"takedown":3,"node":"n"}'],
)
@virtual_time
async def test_what_cannot_be_read_is_ignored(message: bytes) -> None:
    async with cluster(1) as ([node], _):
        node.takedowns.announced(message)
        assert not node.takedowns._active
