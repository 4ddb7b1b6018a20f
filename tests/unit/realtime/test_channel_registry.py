"""Rooms that are opened and forgotten. What the hub does with them is in test_hub.py."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from liveserver.domain.errors import NotFound
from liveserver.domain.topic import Topic
from liveserver.realtime.bus import MemoryBus
from liveserver.realtime.channel_registry import EARLY_MAX, ChannelRegistry
from liveserver.realtime.topics.derived_topics import DerivedTopics
from tests.support.memory_history import MemoryHistory

if TYPE_CHECKING:
    from collections.abc import Collection

    from liveserver.domain.change import Position
    from liveserver.realtime.open_channel import SyncedChannel

MATCH, SEA = Topic("match"), Topic("match", ("sea",))


class Taken:
    """What rooms took that was kept for them."""

    def __init__(self, history: MemoryHistory) -> None:
        self.messages: list[tuple[Topic, bytes]] = []
        bus = DerivedTopics(cast("Any", None), cast("Any", history), MemoryBus())
        self.registry = ChannelRegistry(history, bus, asyncio.Event(), self.take, heartbeat=25, recent_max=10)

    def take(self, synced: SyncedChannel, message: bytes) -> None:
        """It was for this room."""
        self.messages.append((synced.channel.topic, message))


async def test_opened_once_for_all() -> None:
    """Who asks while it is being opened waits for that; who asks afterwards has it at once."""
    history = MemoryHistory(MATCH.slug)
    registry = Taken(history).registry
    assert registry.get(MATCH) is None
    first, second = await asyncio.gather(registry.open(MATCH), registry.open(MATCH))
    assert first is second is await registry.open(MATCH) is registry.get(MATCH)
    assert history.reads == ["recent"]
    await registry.close()
    assert (list(registry), registry.get(MATCH), registry.liveblogs()) == ([], None, [])


async def test_messages_for_a_room_that_is_being_opened() -> None:
    """They are kept, the last of them, and taken once it is open; from then on nothing is kept."""
    history = MemoryHistory(MATCH.slug)
    history.hold()
    taken = Taken(history)
    opening = asyncio.create_task(taken.registry.open(MATCH))
    await history.until_reads(1)
    for number in range(EARLY_MAX + 2):
        assert taken.registry.ready(MATCH, b"%d" % number) is None
    assert taken.messages == []
    history.release()
    synced = await opening
    assert taken.messages == [(MATCH, b"%d" % number) for number in range(2, EARLY_MAX + 2)]
    assert taken.registry.ready(MATCH, b"later") is synced
    assert taken.registry.ready(Topic("other"), b"nobody's") is None
    assert len(taken.messages) == EARLY_MAX
    await taken.registry.close()


async def test_a_live_blog_and_its_views() -> None:
    """A live blog's rooms are its own and its views'."""
    registry = Taken(MemoryHistory(MATCH.slug)).registry
    view = await registry.open(SEA)
    assert (registry.of(MATCH.slug), registry.get(MATCH)) == ([view], None)
    whole = await registry.open(MATCH)
    assert (registry.of(MATCH.slug), registry.liveblogs()) == ([view, whole], [MATCH.slug])
    registry.drop(SEA)
    assert (registry.of(MATCH.slug), registry.liveblogs()) == ([whole], [MATCH.slug])
    registry.drop(MATCH)
    assert (registry.of(MATCH.slug), registry.liveblogs()) == ([], [])


async def test_what_is_not_there() -> None:
    """It has no room, and the next one who asks has another try."""
    history = MemoryHistory()
    taken = Taken(history)
    for _ in range(2):
        with pytest.raises(NotFound):
            await taken.registry.open(MATCH)
    assert taken.registry.ready(MATCH, b"x") is None
    assert taken.messages == []
    assert list(taken.registry) == []


async def test_slugs_that_are_made_up() -> None:
    """A thousand, at once and one by one: one look each at most, no subscription, and nothing is left of them."""
    history = Counted()
    bus = Listening()
    views = DerivedTopics(cast("Any", None), cast("Any", history), bus)
    registry = ChannelRegistry(views, views, asyncio.Event(), lambda *_: None, heartbeat=25, recent_max=10)
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
    left = [thing for owner in (registry, views) for thing in vars(owner).values() if isinstance(thing, dict | set)]
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
