"""A message published here reaches the topics here as it is; one of the bus is unpacked once for all of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from liveserver.domain.change import GoneNotice, Position
from liveserver.domain.topic import Topic
from liveserver.protocol import messages
from liveserver.protocol.frames import BUS_MESSAGE_MAX, ChangeDetails, ChangeFrame, pack
from liveserver.realtime.bus import Medium, MemoryBus
from liveserver.realtime.history import PendingChanges
from liveserver.realtime.topics.partner_editions import PartnerEditions
from liveserver.realtime.topics.topic_bus import TopicBus
from tests.support.viewers import settle

if TYPE_CHECKING:
    from liveserver.realtime.history import StoreHistory
    from liveserver.realtime.ports import TopicMessage

WHOLE = Topic("match")
SEA, SKY, LAND = (Topic("match", (tag,)) for tag in ("sea", "sky", "land"))
LATE = Topic("match", (), 10)
LATE_SEA = Topic("match", ("sea",), 10)


def entry(seq: int, *tags: str, size: int = 0) -> ChangeFrame:
    """An entry as it was published."""
    message = messages.entry_message(seq, {"id": "a", "tags": tags, "body": "x" * size})
    return ChangeFrame(Position("e", seq), "a", message, ChangeDetails(tags))


def deletion(seq: int, within: int | None = None) -> ChangeFrame:
    return ChangeFrame(
        Position("e", seq), "a", messages.delete_message(seq, "a", within=within), ChangeDetails(None, within)
    )


class QuietHistory:
    """A live blog that stands at its beginning."""

    def __init__(self) -> None:
        self.reads: list[Topic] = []

    async def pending(self, topic: Topic) -> PendingChanges:
        self.reads.append(topic)
        return PendingChanges(Position("e", 0), [], [])


class RecordingBus(MemoryBus):
    """Keeps what it is handed, and notes what is subscribed."""

    def __init__(self, medium: Medium) -> None:
        super().__init__(medium)
        self.published: list[tuple[str, bytes]] = []
        self.subscriptions: list[str] = []
        self.granted = asyncio.Event()
        self.granted.set()

    def publish(self, slug: str, message: bytes) -> None:
        self.published.append((slug, message))
        super().publish(slug, message)

    async def subscribe(self, slug: str) -> None:
        self.subscriptions.append(f"+{slug}")
        await self.granted.wait()
        await super().subscribe(slug)

    async def unsubscribe(self, slug: str) -> None:
        self.subscriptions.append(f"-{slug}")
        await super().unsubscribe(slug)


class End:
    """One process's end, and what it brings."""

    def __init__(self, medium: Medium) -> None:
        self.bus = RecordingBus(medium)
        self.history = QuietHistory()
        self.derived = PartnerEditions(cast("StoreHistory", self.history))
        self.topic_bus = TopicBus(self.bus, self.derived)
        self.heard: list[tuple[Topic, TopicMessage]] = []
        self.announcements: list[bytes] = []
        self.links: list[bool] = []
        self.broken = False

    def received(self, topic: Topic, message: TopicMessage) -> None:
        if self.broken:
            raise ValueError(topic)
        self.heard.append((topic, message))

    def announced(self, message: bytes) -> None:
        self.announcements.append(message)

    def link_changed(self, up: bool) -> None:
        self.links.append(up)

    async def start(self, *topics: Topic) -> End:
        await self.topic_bus.start(self)
        for topic in topics:
            await self.topic_bus.subscribe(topic)
        return self

    def take(self) -> list[tuple[Topic, TopicMessage]]:
        heard, self.heard = self.heard, []
        return heard


async def test_what_is_published_reaches_the_topics_here_as_the_very_frame() -> None:
    """Once, though the bus brings it back; and the bus has it as bytes."""
    end = await End(Medium()).start(WHOLE, SEA, SKY)
    frame = entry(1, "sea", "sky")
    end.topic_bus.publish("match", frame)
    assert [topic for topic, _ in end.heard] == [WHOLE, SEA, SKY]
    assert all(message is frame for _, message in end.heard)
    assert end.bus.published == [("match", pack(frame))]


async def test_what_a_topic_does_not_show_is_a_deletion_made_once_for_all_such_topics() -> None:
    end = await End(Medium()).start(WHOLE, SEA, SKY, LAND)
    frame = entry(1, "sea")
    end.topic_bus.publish("match", frame)
    shown = dict(end.take())
    assert shown[WHOLE] is shown[SEA] is frame
    hidden = shown[SKY]
    assert isinstance(hidden, ChangeFrame)
    assert shown[LAND] is hidden
    assert (hidden.position, hidden.message) == (frame.position, messages.delete_message(1, "a"))


async def test_what_the_bus_brings_is_unpacked_once_for_all_topics() -> None:
    """Whether a topic shows it, its message says."""
    medium = Medium()
    here, there = await End(medium).start(), await End(medium).start(WHOLE, SEA, LAND)
    frame = entry(1, "sea")
    here.topic_bus.publish("match", frame)
    assert here.heard == []
    shown = dict(there.take())
    arrived = shown[WHOLE]
    assert isinstance(arrived, ChangeFrame)
    assert (arrived.position, arrived.key, arrived.message) == (frame.position, "a", frame.message)
    assert shown[SEA] is arrived
    assert isinstance(hidden := shown[LAND], ChangeFrame)
    assert hidden.deletes


async def test_a_change_too_large_for_the_bus_is_whole_where_it_is_published() -> None:
    medium = Medium()
    here, there = await End(medium).start(WHOLE, SEA), await End(medium).start(WHOLE, SEA)
    frame = entry(1, "sea", size=BUS_MESSAGE_MAX)
    here.topic_bus.publish("match", frame)
    assert [message is frame for _, message in here.heard] == [True, True]
    assert there.heard == [(WHOLE, Position("e", 1)), (SEA, Position("e", 1))]


async def test_what_can_not_be_read_is_told_the_whole_live_blog_alone() -> None:
    end = await End(Medium()).start(WHOLE, SEA)
    end.bus.deliver("match", b"\xff nonsense")
    assert end.heard == [(WHOLE, None)]


async def test_whatever_becomes_of_it_here_the_others_have_it() -> None:
    medium = Medium()
    here, there = await End(medium).start(WHOLE), await End(medium).start(WHOLE)
    here.broken = True
    with pytest.raises(ValueError, match="match"):
        here.topic_bus.publish("match", entry(1))
    assert len(there.heard) == 1


async def test_only_what_is_subscribed_is_brought() -> None:
    """The bus is unsubscribed from when the last topic of the live blog is."""
    medium = Medium()
    here, there = await End(medium).start(SEA, LATE), await End(medium).start()
    here.topic_bus.publish("match", entry(1, "sea"))
    there.topic_bus.publish("other", entry(1))
    assert [topic for topic, _ in here.take()] == [SEA]
    await here.topic_bus.unsubscribe(SEA)
    assert here.bus.subscriptions == ["+match", "+match"]
    await here.topic_bus.unsubscribe(LATE)
    assert here.bus.subscriptions == ["+match", "+match", "-match"]
    for end in (here, there):
        end.topic_bus.publish("match", entry(2))
    assert here.take() == []
    assert (vars(here.topic_bus)["_topics"], vars(here.derived)["_delayed"]) == ({}, {})


async def test_a_deletion_does_not_wait() -> None:
    """Delayed topics are told at once that the entry is gone, and within what time that is to be confirmed."""
    medium = Medium()
    here, there = await End(medium).start(LATE, LATE_SEA), await End(medium).start(LATE)
    here.topic_bus.publish("match", entry(1, "sea"))
    assert (here.take(), there.take()) == ([], [])
    here.topic_bus.publish("match", deletion(2, 5_000))
    assert here.take() == [(LATE, GoneNotice("a", 2, 5_000)), (LATE_SEA, GoneNotice("a", 2, 5_000))]
    assert there.take() == [(LATE, GoneNotice("a", 2, 5_000))], "from the message as well as from the frame"
    here.topic_bus.publish("match", deletion(3))
    assert here.take() == [(LATE, GoneNotice("a", 3)), (LATE_SEA, GoneNotice("a", 3))]
    for end in (here, there):
        await end.topic_bus.close()


async def test_a_topic_is_unsubscribed_while_it_is_being_subscribed() -> None:
    """Nothing is read for it then, and nothing is left of it."""
    end = await End(Medium()).start()
    end.bus.granted.clear()
    subscribing = asyncio.create_task(end.topic_bus.subscribe(LATE))
    await settle()
    await end.topic_bus.unsubscribe(LATE)
    end.bus.granted.set()
    await subscribing
    end.bus.deliver("match", pack(entry(1)))
    assert (end.heard, end.history.reads) == ([], [])
    assert (vars(end.derived)["_delayed"], vars(end.topic_bus)["_topics"]) == ({}, {})


async def test_a_poll_finds_for_delayed_topics_what_the_bus_lost() -> None:
    """By the position of the whole live blog: their own says nothing of what waits."""
    end = await End(Medium()).start(LATE, SEA)
    assert end.topic_bus.origins([LATE, SEA, LATE_SEA]) == {WHOLE}
    own: dict[Topic, Any] = {LATE: Position("e", 0)}
    for position, reads in ((Position("e", 0), 1), (Position("e", 1), 2), (Position("f", 0), 3)):
        end.topic_bus.check({**own, WHOLE: position})
        await settle()
        assert end.history.reads == [LATE] * reads
    end.topic_bus.check(own)
    end.topic_bus.check({WHOLE: Position("e", 9)})
    await settle()
    assert end.history.reads == [LATE] * 3
    await end.topic_bus.close()


async def test_announcements_and_the_link_are_passed_on() -> None:
    medium = Medium()
    here, there = await End(medium).start(), await End(medium).start()
    here.topic_bus.announce(b"hello")
    assert (here.announcements, there.announcements) == ([], [b"hello"])
    here.topic_bus.link_changed(up=False)
    assert here.links == [True, False]
    assert here.topic_bus.up
    await here.topic_bus.subscribe(WHOLE)
    await here.topic_bus.close()
    there.topic_bus.announce(b"more")
    here.topic_bus.publish("match", entry(1))
    assert (here.announcements, here.heard) == ([], [])
    assert not here.topic_bus.up
