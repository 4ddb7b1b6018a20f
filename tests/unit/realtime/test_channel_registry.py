"""Channels that are opened and dropped. The hub's use of them is in test_hub.py."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from liveserver.domain.change import Position
from liveserver.domain.errors import NotFound
from liveserver.domain.topic import Topic
from liveserver.realtime.bus import MemoryBus
from liveserver.realtime.channel_registry import EARLY_MAX, ChannelRegistry
from liveserver.realtime.synced_channel import SyncedChannel
from liveserver.realtime.topics.partner_editions import PartnerEditions
from liveserver.realtime.topics.topic_bus import TopicBus
from liveserver.realtime.viewer_observers import ViewerObservers
from tests.support.memory_history import MemoryHistory

if TYPE_CHECKING:
    from collections.abc import Collection

    from liveserver.realtime.ports import TopicMessage

MATCH, SEA = Topic("match"), Topic("match", ("sea",))


def at(seq: int) -> Position:
    return Position("aaaaaaaa", seq)


def registry_on(history: MemoryHistory) -> ChannelRegistry:
    bus = TopicBus(MemoryBus(), PartnerEditions(cast("Any", history)))
    return ChannelRegistry(history, bus, ViewerObservers(), asyncio.Event(), heartbeat=25, recent_max=10)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Topic, TopicMessage]]:
    """The messages meant for channels, which don't get them."""
    messages: list[tuple[Topic, TopicMessage]] = []

    def take(synced_channel: SyncedChannel, message: TopicMessage) -> None:
        messages.append((synced_channel.channel.topic, message))

    monkeypatch.setattr(SyncedChannel, "take", take)
    return messages


async def test_opened_once_for_all() -> None:
    """A caller that asks while it is being opened waits for that; one that asks afterwards has it at once."""
    history = MemoryHistory(MATCH.slug)
    registry = registry_on(history)
    assert registry.get(MATCH) is None
    first, second = await asyncio.gather(registry.open(MATCH), registry.open(MATCH))
    assert first is second is await registry.open(MATCH) is registry.get(MATCH)
    assert history.reads == ["recent"]
    await registry.close()
    assert (list(registry), registry.get(MATCH), registry.liveblogs()) == ([], None, [])


async def test_messages_for_a_room_that_is_being_opened(taken: list[tuple[Topic, TopicMessage]]) -> None:
    """They are kept, the last of them, and taken once it is open; from then on nothing is kept."""
    history = MemoryHistory(MATCH.slug)
    history.hold()
    registry = registry_on(history)
    opening = asyncio.create_task(registry.open(MATCH))
    await history.until_reads(1)
    for number in range(EARLY_MAX + 2):
        assert registry.ready(MATCH, at(number)) is None
    assert taken == []
    history.release()
    synced_channel = await opening
    assert taken == [(MATCH, at(number)) for number in range(2, EARLY_MAX + 2)]
    assert registry.ready(MATCH, at(999)) is synced_channel
    assert registry.ready(Topic("other"), at(1)) is None
    assert len(taken) == EARLY_MAX
    await registry.close()


async def test_a_live_blog_and_its_views() -> None:
    """A live blog's channels are its own and its parts'."""
    registry = registry_on(MemoryHistory(MATCH.slug))
    view = await registry.open(SEA)
    assert (registry.of(MATCH.slug), registry.get(MATCH)) == ([view], None)
    whole = await registry.open(MATCH)
    assert (registry.of(MATCH.slug), registry.liveblogs()) == ([view, whole], [MATCH.slug])
    registry.drop(SEA)
    assert (registry.of(MATCH.slug), registry.liveblogs()) == ([whole], [MATCH.slug])
    registry.drop(MATCH)
    assert (registry.of(MATCH.slug), registry.liveblogs()) == ([], [])


async def test_what_is_not_there(taken: list[tuple[Topic, TopicMessage]]) -> None:
    """It has no channel, and the next one who asks has another try."""
    history = MemoryHistory()
    registry = registry_on(history)
    for _ in range(2):
        with pytest.raises(NotFound):
            await registry.open(MATCH)
    assert registry.ready(MATCH, at(1)) is None
    assert taken == []
    assert list(registry) == []


async def test_slugs_that_are_made_up() -> None:
    """A thousand, at once and one by one: one look each at most, no subscription, and nothing is left of them."""
    history = Counted()
    bus = Listening()
    derived = PartnerEditions(cast("Any", history))
    topics_bus = TopicBus(bus, derived)
    registry = ChannelRegistry(history, topics_bus, ViewerObservers(), asyncio.Event(), heartbeat=25, recent_max=10)
    topics = [
        Topic(f"rien-{number}", tags, delay) for number in range(250) for tags in ((), ("sea",)) for delay in (0, 3)
    ]
    assert {type(error) for error in await asyncio.gather(*map(registry.open, topics), return_exceptions=True)} == {
        NotFound
    }
    assert len(history.looked) <= 2
    for topic in topics:
        with pytest.raises(NotFound):
            await registry.open(topic)
    assert len(history.looked) <= 2 + len(topics)
    assert (history.reads, bus.asked) == ([], [])
    owners = (registry, vars(registry)["_opening"], topics_bus, derived)
    left = [thing for owner in owners for thing in vars(owner).values() if isinstance(thing, dict | set)]
    assert len(left) >= 7
    assert not any(left)


class Counted(MemoryHistory):
    """Counts the looks at where live blogs stand. It has none."""

    def __init__(self) -> None:
        super().__init__()
        self.looked: list[int] = []

    async def positions(self, topics: Collection[Topic]) -> dict[Topic, Position]:
        self.looked.append(len(topics))
        return await super().positions(topics)


class Listening(MemoryBus):
    """Remembers what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def subscribe(self, slug: str) -> None:
        self.asked.append(slug)

    async def unsubscribe(self, slug: str) -> None:
        self.asked.append(slug)
