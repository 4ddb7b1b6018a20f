"""The registry of channels. It has one channel for each topic that somebody follows in this process.

A channel is opened when somebody asks for its topic. `upkeep/store_poll.py` drops it when it has been idle for
IDLE_KEEP seconds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from liveserver.domain.errors import NotFound
from liveserver.realtime.channel import Channel
from liveserver.realtime.synced_channel import SyncedChannel
from liveserver.utils.background import BackgroundTasks
from liveserver.utils.single_flight import FreshFlight, SingleFlight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liveserver.domain.change import Position
    from liveserver.domain.topic import Topic
    from liveserver.realtime.ports import History, TopicMessage, ViewerObserver
    from liveserver.realtime.topics.topic_bus import TopicBus

EARLY_MAX = 256
"""The greatest number of messages that are kept for a channel while it is being opened.

If more come, the oldest messages are dropped. The seq of the oldest kept message shows that changes are missing."""


class ChannelRegistry:
    """A hub's channels, one for each topic."""

    def __init__(
        self,
        history: History,
        bus: TopicBus,
        observer: ViewerObserver,
        progress: asyncio.Event,
        *,
        heartbeat: int,
        recent_max: int,
    ) -> None:
        """`observer` is notified when a viewer comes or leaves.

        `progress` is an event that is set when a viewer has left, or queued messages were written. `heartbeat`: seconds
        between heartbeats. `recent_max`: the greatest number of changes that are kept in memory for each topic.
        """
        self._history = history
        self._bus = bus
        self._observer = observer
        self._progress = progress
        self._heartbeat = heartbeat
        self._recent_max = recent_max
        self._channels: dict[Topic, SyncedChannel] = {}
        self._by_liveblog: dict[str, dict[Topic, SyncedChannel]] = {}
        """The open channels, by the live blog's slug and by topic. The channels of editions are under the same slug."""
        self._opening: SingleFlight[Topic, SyncedChannel] = SingleFlight(self._open)
        self._early: dict[Topic, deque[TopicMessage]] = {}
        """The messages that have come while a topic's channel is being opened, by topic."""
        self._to_locate: set[Topic] = set()
        """The topics that wait for the next query of the store, which reads their positions."""
        self._positions = FreshFlight(self._read_positions)
        self._tasks = BackgroundTasks()

    def __iter__(self) -> Iterator[SyncedChannel]:
        return iter(list(self._channels.values()))

    def get(self, topic: Topic) -> SyncedChannel | None:
        """Return the topic's channel; None if the channel isn't open."""
        return self._channels.get(topic)

    def ready(self, topic: Topic, message: TopicMessage) -> SyncedChannel | None:
        """Return the topic's open channel, so that the caller can give it the message; None if the channel isn't open.

        If the channel is being opened, the message is kept here. The channel gets the message once it is open.
        """
        early = self._early.get(topic)
        if early is not None:
            early.append(message)
            return None
        return self._channels.get(topic)

    def of(self, slug: str) -> list[SyncedChannel]:
        """Return the open channels of a live blog and of its editions."""
        return list(self._by_liveblog.get(slug, {}).values())

    def liveblogs(self) -> list[str]:
        """Return the slugs of all live blogs with an open channel, even if it is only the channel of an edition."""
        return list(self._by_liveblog)

    async def open(self, topic: Topic) -> SyncedChannel:
        """Return the topic's channel. If the channel isn't open yet, open it first.

        Raises NotFound if the live blog doesn't exist, and StoreUnavailable.
        """
        synced_channel = self._channels.get(topic)
        return await self._opening(topic) if synced_channel is None else synced_channel

    def drop(self, topic: Topic) -> None:
        """Forget the topic's open channel. The caller must end the topic's subscription to the bus."""
        slug = self._channels.pop(topic).liveblog
        del self._by_liveblog[slug][topic]
        if not self._by_liveblog[slug]:
            del self._by_liveblog[slug]

    async def close(self) -> None:
        """Forget all channels, and cancel the reads of the store that are under way for them."""
        running = [
            *self._tasks.cancel(),
            *self._positions.cancel(),
            *self._opening.cancel(),
            *(task for synced_channel in self for task in synced_channel.cancel()),
        ]
        self._channels.clear()
        self._by_liveblog.clear()
        await asyncio.gather(*running, return_exceptions=True)

    async def _read_positions(self) -> dict[Topic, Position]:
        topics, self._to_locate = self._to_locate, set()
        return await self._history.positions(topics)

    async def _open(self, topic: Topic) -> SyncedChannel:
        # Anybody can make up slugs. So one query reads the positions of all topics that are asked for at this moment,
        # and nothing is kept for a live blog that doesn't exist.
        self._to_locate.add(topic)
        position = (await self._positions()).get(topic)
        if position is None:
            raise NotFound(f"there is no live blog {topic.slug!r}")
        # Subscribe to the bus before reading the store: changes after the read come by the bus, and wait in `_early`.
        self._early[topic] = deque(maxlen=EARLY_MAX)
        try:
            await self._bus.subscribe(topic)
            start = await self._history.recent(topic, position, self._recent_max)
        except BaseException:
            del self._early[topic]
            await self._bus.unsubscribe(topic)
            raise
        channel = Channel(topic, start, recent_max=self._recent_max, heartbeat=self._heartbeat)
        synced_channel = SyncedChannel(channel, self._history, self._observer, self._tasks, self._progress)
        self._channels[topic] = synced_channel
        self._by_liveblog.setdefault(synced_channel.liveblog, {})[topic] = synced_channel
        for message in self._early.pop(topic):
            synced_channel.take(message)
        return synced_channel
