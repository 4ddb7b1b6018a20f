"""Delayed topics, on the event loop that the server runs on. What they show: test_derived_topics_machine.py."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import uvloop

from liveserver.domain.change import Position
from liveserver.domain.topic import Topic
from liveserver.protocol.frames import ChangeFrame, pack
from liveserver.realtime.topics.derived_topics import DerivedTopics

if TYPE_CHECKING:
    from liveserver.domain.change import Withdrawal
    from liveserver.realtime.history import StoreHistory
    from liveserver.store import Store

LATE = Topic("match", (), 1)
MOMENT = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)


class QuietBus:
    """A bus that brings only what a test hands to the views."""

    up = True

    async def start(self, receiver: object) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Nothing to end."""

    async def subscribe(self, slug: str) -> None:
        """Everything is brought anyway."""


class SlowBus(QuietBus):
    """A bus at which it takes a while to subscribe."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.granted = asyncio.Event()

    async def subscribe(self, slug: str) -> None:
        self.asked.set()
        await self.granted.wait()

    async def unsubscribe(self, slug: str) -> None:
        """That is quick."""


class OverdueStore:
    """A store in which a change is due already, and while it is read the bus brings the next."""

    def __init__(self) -> None:
        self.meanwhile: Any = None

    async def pending(self, slug: str, moment: datetime) -> tuple[Position, list[Any], list[Withdrawal]]:
        asyncio.get_running_loop().call_soon(self.meanwhile)
        return Position("e", 1), [(1, moment - timedelta(seconds=5))], []


class History:
    """The two questions that a late view has of the history."""

    def moment(self, topic: Topic) -> datetime:
        return MOMENT

    def asking(self, withdrawn: list[Withdrawal]) -> list[Withdrawal]:
        return withdrawn


class Hub:
    """Hears what becomes due."""

    def __init__(self) -> None:
        self.heard: list[tuple[Topic, bytes]] = []
        self.first = asyncio.Event()

    def received(self, topic: Topic, message: bytes) -> None:
        self.heard.append((topic, message))
        self.first.set()


def test_a_change_comes_while_another_is_due() -> None:
    """uvloop's handle of a moment that has come has no time: the next change is queued all the same."""

    async def scenario() -> None:
        store, hub = OverdueStore(), Hub()
        views = DerivedTopics(cast("Store", store), cast("StoreHistory", History()), cast("Any", QuietBus()))
        await views.start(cast("Any", hub))
        queued: list[bool] = []

        def next_change() -> None:
            frame = ChangeFrame(Position("e", 2), "liveblog", b'{"type":"liveblog","seq":2,"liveblog":{}}')
            views.received("match", pack(frame))
            queued.append(True)

        store.meanwhile = next_change
        await views.subscribe(LATE)
        await hub.first.wait()
        assert queued == [True]
        assert hub.heard == [(LATE, b"e-1")]
        await views.close()

    uvloop.run(scenario())


async def test_a_view_is_unsubscribed_while_it_is_being_subscribed() -> None:
    """Nothing is read for it then, and nothing is left of it."""
    bus = SlowBus()
    hub = Hub()
    views = DerivedTopics(cast("Store", None), cast("StoreHistory", History()), cast("Any", bus))
    await views.start(cast("Any", hub))
    subscribing = asyncio.create_task(views.subscribe(LATE))
    await bus.asked.wait()
    await views.unsubscribe(LATE)
    bus.granted.set()
    await subscribing
    views.received("match", pack(ChangeFrame(Position("e", 1), "liveblog", b'{"type":"liveblog","seq":1}')))
    assert (hub.heard, vars(views)["_late"], vars(views)["_topics"]) == ([], {}, {})
    await views.close()
