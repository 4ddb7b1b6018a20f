"""The topics that somebody follows here: opened when they are asked for, and forgotten again."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from liveserver.domain.errors import NotFound
from liveserver.realtime.channel import Channel
from liveserver.realtime.open_channel import SyncedChannel
from liveserver.utils.single_flight import FreshFlight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from liveserver.domain.change import Position
    from liveserver.domain.topic import Topic
    from liveserver.realtime.bus import TopicBus
    from liveserver.realtime.open_channel import History

EARLY_MAX = 256
"""Messages kept for a room that is being opened. When the oldest is lost, the next one shows the gap."""


class ChannelRegistry:
    """The rooms of a hub, one for each topic."""

    def __init__(
        self,
        history: History,
        bus: TopicBus,
        eased: asyncio.Event,
        take: Callable[[SyncedChannel, bytes], None],
        *,
        heartbeat: int,
        recent_max: int,
    ) -> None:
        """`take`: what becomes of a message that came while its room was being opened. `eased`: see `SyncedChannel`."""
        self._history = history
        self._bus = bus
        self._eased = eased
        self._take = take
        self._heartbeat = heartbeat
        self._recent_max = recent_max
        self._channels: dict[Topic, SyncedChannel] = {}
        self._readings: dict[str, dict[Topic, SyncedChannel]] = {}
        """The rooms of each live blog, by its slug: its own, and those of its views."""
        self._opening: dict[Topic, asyncio.Task[SyncedChannel]] = {}
        self._early: dict[Topic, deque[bytes]] = {}
        """Messages for rooms that are being opened."""
        self._wanted: set[Topic] = set()
        """Those that the next look at the store is to find."""
        self._look = FreshFlight(self._find)

    def __iter__(self) -> Iterator[SyncedChannel]:
        return iter(list(self._channels.values()))

    def get(self, topic: Topic) -> SyncedChannel | None:
        """The room, if it is open."""
        return self._channels.get(topic)

    def ready(self, topic: Topic, message: bytes) -> SyncedChannel | None:
        """The room that a message is for, if it is open; one that is being opened takes it afterwards."""
        early = self._early.get(topic)
        if early is not None:
            early.append(message)
            return None
        return self._channels.get(topic)

    def of(self, slug: str) -> list[SyncedChannel]:
        """The rooms of a live blog and of its views."""
        return list(self._readings.get(slug, {}).values())

    def liveblogs(self) -> list[str]:
        """The slugs of those that have a room, or a view of which has one."""
        return list(self._readings)

    async def open(self, topic: Topic) -> SyncedChannel:
        """The room, made if there is none. Raises NotFound and StoreUnavailable."""
        synced = self._channels.get(topic)
        if synced is not None:
            return synced
        task = self._opening.get(topic)
        if task is None:
            task = asyncio.create_task(self._load(topic), name=f"open {topic.slug}")
            self._opening[topic] = task
            task.add_done_callback(lambda _: self._opening.pop(topic, None))
        try:
            return await asyncio.shield(task)
        finally:
            # What it raises refers to this frame: a circle, which would keep the viewer until it is collected.
            del task

    def drop(self, topic: Topic) -> None:
        """Forget a room. The caller unsubscribes from the bus."""
        synced = self._channels.pop(topic)
        readings = self._readings[synced.liveblog]
        del readings[topic]
        if not readings:
            del self._readings[synced.liveblog]

    async def close(self) -> None:
        """Forget all of them, and end what is being read."""
        running: list[asyncio.Task[Any]] = [
            *self._look.cancel(),
            *(task for synced in self for task in synced.cancel()),
        ]
        self._channels.clear()
        self._readings.clear()
        for task in self._opening.values():
            task.cancel()
        await asyncio.gather(*running, *self._opening.values(), return_exceptions=True)

    async def _find(self) -> dict[Topic, Position]:
        wanted, self._wanted = self._wanted, set()
        return await self._history.positions(wanted)

    async def _load(self, topic: Topic) -> SyncedChannel:
        # Slugs can be made up without end: one look tells of all that are asked for at this moment, and nothing is made
        # for a live blog that isn't there.
        self._wanted.add(topic)
        here = (await self._look()).get(topic)
        if here is None:
            raise NotFound(f"there is no live blog {topic.slug!r}")
        # Subscribe before reading: what is committed after the read is announced on the bus, and kept in `_early`.
        self._early[topic] = deque(maxlen=EARLY_MAX)
        try:
            await self._bus.subscribe(topic)
            start = await self._history.recent(topic, here, self._recent_max)
        except BaseException:
            del self._early[topic]
            await self._bus.unsubscribe(topic)
            raise
        channel = Channel(topic, start, recent_max=self._recent_max, heartbeat=self._heartbeat)
        synced = SyncedChannel(channel, self._history, self._eased)
        self._channels[topic] = synced
        self._readings.setdefault(synced.liveblog, {})[topic] = synced
        for message in self._early.pop(topic):
            self._take(synced, message)
        return synced
