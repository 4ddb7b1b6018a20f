"""The hub, which has the viewers of one process, and makes sure that they get every change of their topics.

The bus is fast, but may lose messages; the store has every change in order (see `docs/architecture.md`). A message from
the bus may show that earlier changes are missing, or a poll may show that the store has newer changes. In both cases,
the hub reads the changes from the store. The hub knows viewers only as `realtime/viewer.py` defines them. It knows
nothing of sockets.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

from liveserver.domain.errors import Draining
from liveserver.domain.topic import Topic
from liveserver.realtime.channel_registry import ChannelRegistry
from liveserver.realtime.upkeep.store_poll import StorePoll
from liveserver.realtime.upkeep.viewer_counts import ViewerCounts
from liveserver.realtime.viewer_observers import ViewerObservers
from liveserver.utils.background import BackgroundTasks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from liveserver.domain.change import Position
    from liveserver.protocol.frames import ChangeFrame
    from liveserver.realtime.channel import Channel
    from liveserver.realtime.ports import History, TopicMessage, ViewerObserver
    from liveserver.realtime.topics.topic_bus import TopicBus
    from liveserver.realtime.viewer import Viewer


class Hub:
    """The hub of one process. Its methods must be called on the event loop's thread."""

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
        """`heartbeat`: seconds between two heartbeats. `poll`: seconds between two polls of the store.

        `poll_fast`: seconds between two polls while the bus is down. `lag_timeout`: seconds after which the connection
        of a lagging viewer is closed. `recent_max`: the greatest number of changes kept in memory for each topic.
        """
        self.node = secrets.token_hex(8)
        """This node's id, which is in its announcements to the other nodes."""
        self._bus = bus
        self._draining = False
        self._observers = ViewerObservers()
        self._progress = asyncio.Event()
        """The event that is set when a viewer has left, or queued messages were written."""
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
        """The topic of each viewer for which a call of `join` is under way."""
        self._tasks = BackgroundTasks()

    async def start(self) -> None:
        """Connect to the bus, and begin to poll the store, to send heartbeats, and to announce numbers of viewers."""
        await self._bus.start(self)
        for upkeep in (self._poll.run(), self._counts.run_heartbeats(), self._counts.run_announcements()):
            self._tasks.spawn(upkeep)

    async def close(self) -> None:
        """Stop all work, and forget all viewers.

        The viewers' connections must have been closed before. `server/drain.py` closes them.
        """
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
        """Let `enter` and `join` raise Draining from now on, because the process is about to end."""
        self._draining = True

    async def flushed(self) -> None:
        """Wait until all fan-out queues of this process are empty."""
        while any(channel.fanout_queue for channel in self.channels()):
            self._progress.clear()
            await self._progress.wait()

    async def deserted(self) -> None:
        """Wait until no viewer is connected to this process any more."""
        while any(channel.count for channel in self.channels()):
            self._progress.clear()
            await self._progress.wait()

    # Channels and viewers in memory

    def channels(self) -> Iterator[Channel]:
        """Return all channels that this process has in memory."""
        return (synced_channel.channel for synced_channel in self._registry)

    def viewers(self) -> list[Viewer]:
        """Return all viewers that are connected to this process."""
        return [viewer for channel in self.channels() for viewer in channel.everyone()]

    def viewers_of(self, slug: str) -> list[Viewer]:
        """Return all viewers in this process that follow a live blog or one of its editions, without desk streams."""
        channels = (synced_channel.channel for synced_channel in self._registry.of(slug))
        return [viewer for channel in channels for viewer in channel.everyone() if viewer not in channel.desk_streams]

    def count(self, slug: str) -> int:
        """Return how many viewers in this process follow a live blog or one of its editions."""
        return self._counts.here(slug)

    def count_everywhere(self, slug: str) -> int:
        """Return how many viewers follow a live blog or one of its editions, on all nodes.

        The other nodes' numbers may be some seconds old.
        """
        return self._counts.everywhere(slug)

    def announce(self) -> None:
        """Tell the other nodes how many viewers each live blog has on this node. Does nothing if the bus is down."""
        self._counts.announce()

    async def enter(self, topic: Topic) -> None:
        """Load a topic into memory if it isn't there yet, so that `join` and `reached` find the topic in memory.

        Raises Draining if the process is about to end, NotFound if the live blog doesn't exist, and StoreUnavailable.
        """
        if self._draining:
            raise Draining
        await self._registry.open(topic)

    def reached(self, topic: Topic) -> Position | None:
        """Return the position that a topic is known to have reached; None if only the store knows it.

        This call does no I/O. If the topic is in memory without viewers, its idle time begins anew.
        """
        synced_channel = self._registry.get(topic)
        if synced_channel is None:
            return None
        synced_channel.stay()
        return synced_channel.reached

    # Viewers

    def observe(self, observer: ViewerObserver) -> None:
        """Add an observer, whose methods are called from now on."""
        self._observers.add(observer)

    async def join(
        self, topic: Topic, viewer: Viewer, after: Position | None, *, desk_fields: Mapping[str, Any] | None = None
    ) -> None:
        """Register a viewer. The viewer gets `hello`, then the changes that it missed, and then all new changes.

        `after`: the position that the viewer has; None if it has none. A viewer whose position is void, or that missed
        too many changes, gets a `reset` instead of these changes. If `leave` is called for the viewer during this call,
        the viewer isn't registered. Raises Draining if the process is about to end, NotFound if the live blog doesn't
        exist, and StoreUnavailable if the store must be read but can't be.

        `desk_fields`: further fields of `hello` for a desk stream, which no figure counts; None for other viewers.
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
                synced_channel.join(viewer, after, older, desk_fields=desk_fields)
        finally:
            self._joining.pop(viewer, None)

    def leave(self, topic: Topic, viewer: Viewer) -> None:
        """Forget a viewer. Does nothing if the hub doesn't know the viewer."""
        self._joining.pop(viewer, None)
        if (synced_channel := self._registry.get(topic)) is not None:
            synced_channel.leave(viewer)

    def resume(self, topic: Topic, viewer: Viewer) -> None:
        """Send a lagging viewer the changes that it missed. Does nothing if the viewer doesn't lag.

        Called by the viewer's subscription when the transport has drained.
        """
        if (synced_channel := self._registry.get(topic)) is not None:
            synced_channel.resume(viewer)

    def said(self, topic: Topic, viewer: Viewer, message: bytes) -> None:
        """Pass on to the observers a short text message that a viewer has sent."""
        self._observers.said(topic.slug, viewer, message)

    def asked(self, topic: Topic) -> int:
        """Return how many answers (such as confirmations) each viewer of a topic may have to send now."""
        return self._observers.asked(topic.slug)

    # Changes

    def committed(self, slug: str, position: Position) -> None:
        """Note the position of a change that this process has committed. `publish` delivers the change later.

        From now on `reached` returns no earlier position for the topic of the whole live blog. So no reader gets an
        older page from a cache.
        """
        if (synced_channel := self._registry.ready(Topic(slug), position)) is not None:
            synced_channel.note_position(position)

    def publish(self, slug: str, frame: ChangeFrame) -> None:
        """Deliver a committed change to this process's viewers, and hand it to the bus for the other nodes."""
        self._bus.publish(slug, frame)

    def received(self, topic: Topic, message: TopicMessage) -> None:
        """Handle a message of a topic. The message was published by this process or by another process."""
        if (synced_channel := self._registry.ready(topic, message)) is not None:
            synced_channel.take(message)

    def announced(self, message: bytes) -> None:
        """Handle an announcement made by a node, which may be this node itself."""
        self._counts.announced(message)
        self._observers.announced(message)

    def link_changed(self, up: bool) -> None:
        """Note that the bus is up now (True) or down (False), and poll the store at once.

        While the bus is down, polls are more frequent. When it is back, the poll finds the changes that were lost. The
        other nodes' last numbers of viewers count as announced now, so that they aren't dropped before new ones come.
        """
        self._poll.soon()
        if up:
            self._counts.renew()

    def _forget(self, topic: Topic) -> None:
        """Drop a topic from memory, and end its subscription to the bus in the background.

        Does nothing while a call of `join` for this topic is under way.
        """
        if topic not in self._joining.values():
            self._registry.drop(topic)
            # This isn't awaited: a bus that hangs must not delay the poll, which finds the changes that the bus lost.
            self._tasks.spawn(self._bus.unsubscribe(topic))
