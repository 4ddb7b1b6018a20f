"""The hub: the topics that viewers of this process follow, kept complete.

The bus hints and the store orders (see `docs/architecture.md`). If a message isn't the next one, or a poll finds the
store ahead, the missing changes are read from the store. The hub knows viewers by `realtime/viewer.py` alone, and no
sockets.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from liveserver.domain.errors import Draining
from liveserver.domain.topic import Topic
from liveserver.realtime.channel_registry import ChannelRegistry
from liveserver.realtime.upkeep.store_poll import StorePoll
from liveserver.realtime.upkeep.viewer_counts import ViewerCounts
from liveserver.realtime.viewer_observers import ViewerObservers
from liveserver.utils.background import BackgroundTasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liveserver.domain.change import Position
    from liveserver.protocol.frames import ChangeFrame
    from liveserver.realtime.channel import Channel
    from liveserver.realtime.ports import History, TopicMessage, ViewerObserver
    from liveserver.realtime.topics.topic_bus import TopicBus
    from liveserver.realtime.viewer import Viewer


class Hub:
    """The hub of one process. All calls are made on the event loop."""

    def __init__(
        self,
        history: History,
        bus: TopicBus,
        *,
        heartbeat: int = 25,
        poll: float = 1.5,
        poll_fast: float = 0.5,
        lag_timeout: float = 15.0,
        recent_max: int = 200,
    ) -> None:
        """Times are in seconds: between heartbeats, between polls (`poll_fast`: while the bus is down), and of a lag.

        `recent_max`: changes that are kept in memory for each topic.
        """
        self.node = secrets.token_hex(8)
        """The id by which the other nodes know this one."""
        self._bus = bus
        self._draining = False
        self._observers = ViewerObservers()
        self._progress = asyncio.Event()
        """Set when a viewer has left, or queued messages were written."""
        self._registry = ChannelRegistry(
            history, bus, self._observers, self._progress, heartbeat=heartbeat, recent_max=recent_max
        )
        self._counts = ViewerCounts(self._registry, bus, self.node, heartbeat=heartbeat)
        self._poll = StorePoll(
            self._registry,
            history,
            bus,
            self._forget,
            interval=poll,
            interval_without_bus=poll_fast,
            lag_timeout=lag_timeout,
        )
        self._joining: dict[Viewer, Topic] = {}
        """Viewers that are about to join, and their topics."""
        self._tasks = BackgroundTasks()

    async def start(self) -> None:
        """Connect to the bus, and begin to poll and to send heartbeats."""
        await self._bus.start(self)
        for upkeep in (self._poll.run(), self._counts.run_heartbeats(), self._counts.run_announcements()):
            self._tasks.spawn(upkeep)

    async def close(self) -> None:
        """Stop, and forget all viewers; `server/drain.py` has closed them before."""
        await self._bus.close()
        running = self._tasks.cancel()
        await self._registry.close()
        await asyncio.gather(*running, return_exceptions=True)

    # The end of the process

    @property
    def draining(self) -> bool:
        """True if the process is about to end."""
        return self._draining

    def begin_draining(self) -> None:
        """Let no viewer in any more: the process is about to end."""
        self._draining = True

    async def flushed(self) -> None:
        """Return once all published messages have been written."""
        while any(channel.fanout_queue for channel in self.channels()):
            self._progress.clear()
            await self._progress.wait()

    async def deserted(self) -> None:
        """Return once no viewer is connected."""
        while any(channel.count for channel in self.channels()):
            self._progress.clear()
            await self._progress.wait()

    # Channels and viewers in memory

    def channels(self) -> Iterator[Channel]:
        """Return the channels in memory."""
        return (synced_channel.channel for synced_channel in self._registry)

    def viewers(self) -> list[Viewer]:
        """Return all viewers that are connected here."""
        return [viewer for channel in self.channels() for viewer in channel.everyone()]

    def viewers_of(self, slug: str) -> list[Viewer]:
        """Return a live blog's viewers that are connected here, those of its editions included."""
        return [viewer for synced_channel in self._registry.of(slug) for viewer in synced_channel.channel.everyone()]

    def count(self, slug: str) -> int:
        """Return the number of a live blog's viewers that are connected here, those of its editions included."""
        return self._counts.here(slug)

    def count_everywhere(self, slug: str) -> int:
        """Return the number of a live blog's viewers on all nodes; it may be some seconds old."""
        return self._counts.everywhere(slug)

    def announce(self) -> None:
        """Tell the other nodes the numbers of viewers here, at once."""
        self._counts.announce()

    async def enter(self, topic: Topic) -> None:
        """Take a topic into memory, for viewers to come. Raises Draining, NotFound and StoreUnavailable."""
        if self._draining:
            raise Draining
        await self._registry.open(topic)

    def reached(self, topic: Topic) -> Position | None:
        """Return the position that a topic is known to have reached; None if only the store knows it.

        Costs no I/O. The call keeps the topic in memory for a while, as a viewer does.
        """
        synced_channel = self._registry.get(topic)
        if synced_channel is None:
            return None
        synced_channel.stay()
        return synced_channel.reached

    # Viewers

    def observe(self, observer: ViewerObserver) -> None:
        """Tell an observer of all viewers from now on."""
        self._observers.add(observer)

    async def join(self, topic: Topic, viewer: Viewer, after: Position | None) -> None:
        """Register a viewer, and send it `hello`, the changes that it missed, and from then on all changes.

        Raises NotFound for an unknown live blog, StoreUnavailable if the store must be read and can't, and Draining. A
        viewer that leaves meanwhile is not registered.
        """
        self._joining[viewer] = topic
        try:
            synced_channel = await self._registry.open(topic)
            older: list[ChangeFrame] = []
            if after is not None:
                after, older = await synced_channel.bridge(after)
            if self._draining:
                raise Draining
            if viewer in self._joining:
                synced_channel.join(viewer, after, older)
        finally:
            self._joining.pop(viewer, None)

    def leave(self, topic: Topic, viewer: Viewer) -> None:
        """Forget a viewer. Does nothing if it is unknown."""
        self._joining.pop(viewer, None)
        if (synced_channel := self._registry.get(topic)) is not None:
            synced_channel.leave(viewer)

    def resume(self, topic: Topic, viewer: Viewer) -> None:
        """Bring a lagging viewer, which can be written to again, up to date."""
        if (synced_channel := self._registry.get(topic)) is not None:
            synced_channel.resume(viewer)

    def said(self, topic: Topic, viewer: Viewer, message: bytes) -> None:
        """Pass on a short text message that a viewer has sent."""
        self._observers.said(topic.slug, viewer, message)

    def asked(self, topic: Topic) -> int:
        """Return the number of answers that each viewer of a topic was asked for lately."""
        return self._observers.asked(topic.slug)

    # Changes

    def committed(self, slug: str, position: Position) -> None:
        """Note a position that this process has committed, before `publish` delivers the change; see `reached`."""
        if (synced_channel := self._registry.ready(Topic(slug), position)) is not None:
            synced_channel.note_position(position)

    def publish(self, slug: str, frame: ChangeFrame) -> None:
        """Deliver a committed change to the viewers here, and hand it to the bus for other nodes."""
        self._bus.publish(slug, frame)

    def received(self, topic: Topic, message: TopicMessage) -> None:
        """Take a message of a topic, published here or elsewhere."""
        if (synced_channel := self._registry.ready(topic, message)) is not None:
            synced_channel.take(message)

    def announced(self, message: bytes) -> None:
        """Take an announcement of a node, perhaps this one."""
        self._counts.announced(message)
        self._observers.announced(message)

    def link_changed(self, up: bool) -> None:
        """Note that the bus went down (poll faster), or came back (read the changes that it lost)."""
        self._poll.soon()
        if up:
            self._counts.renew()

    def _forget(self, topic: Topic) -> None:
        """Drop a topic from memory, unless somebody is joining it."""
        if topic not in self._joining.values():
            self._registry.drop(topic)
            # Not awaited: a bus that hangs must not hold up the poll, which repairs the bus's losses.
            self._tasks.spawn(self._bus.unsubscribe(topic))
