"""Delayed topics, on the event loop that the server runs on. Their entries: test_partner_editions_machine.py."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import uvloop

from liveserver.domain.change import Position
from liveserver.domain.topic import Topic
from liveserver.protocol.frames import ChangeFrame
from liveserver.realtime.history import PendingChange, PendingChanges
from liveserver.realtime.topics.partner_editions import PartnerEditions

if TYPE_CHECKING:
    from liveserver.realtime.history import StoreHistory
    from liveserver.realtime.ports import TopicMessage

LATE = Topic("match", (), 1)


class OverdueHistory:
    """A history in which a change is due already, and while it is read the bus brings the next."""

    def __init__(self) -> None:
        self.meanwhile: Any = None

    async def pending(self, topic: Topic) -> PendingChanges:
        asyncio.get_running_loop().call_soon(self.meanwhile)
        return PendingChanges(Position("e", 1), [PendingChange(1, -5)], [])


class Hub:
    """Hears what becomes due."""

    def __init__(self) -> None:
        self.heard: list[tuple[Topic, TopicMessage]] = []
        self.first = asyncio.Event()

    def received(self, topic: Topic, message: TopicMessage) -> None:
        self.heard.append((topic, message))
        self.first.set()


def test_a_change_comes_while_another_is_due() -> None:
    """uvloop's handle of a moment that has come has no time: the next change is queued all the same."""

    async def scenario() -> None:
        history, hub = OverdueHistory(), Hub()
        derived = PartnerEditions(cast("StoreHistory", history))
        derived.start(cast("Any", hub))
        queued: list[bool] = []

        def next_change() -> None:
            derived.derive(
                [LATE], ChangeFrame(Position("e", 2), "liveblog", b'{"type":"liveblog","seq":2,"liveblog":{}}')
            )
            queued.append(True)

        history.meanwhile = next_change
        derived.add(LATE)
        await derived.prepare(LATE)
        await hub.first.wait()
        assert queued == [True]
        assert hub.heard == [(LATE, Position("e", 1))]
        await derived.close()

    uvloop.run(scenario())
