"""The numbers of viewers, here and on all nodes, and their announcement to other nodes and to viewers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from liveserver.realtime.synced_channel import now
from liveserver.realtime.upkeep import presence
from liveserver.utils.background import Periodic

if TYPE_CHECKING:
    from liveserver.realtime.channel_registry import ChannelRegistry
    from liveserver.realtime.topics.topic_bus import TopicBus

log = structlog.get_logger(__name__)


class ViewerCounts:
    """The viewer counts of live blogs, announced to the other nodes, and to viewers with each heartbeat."""

    def __init__(self, registry: ChannelRegistry, bus: TopicBus, node: str, *, heartbeat: float) -> None:
        """`node`: this node's id. `heartbeat`: seconds between heartbeats."""
        self._registry = registry
        self._bus = bus
        self._presence = presence.Presence(node)
        self._heartbeats = Periodic(
            self._beat, lambda: heartbeat, log=log, failure_event="hub.beat_broken", wait_first=True
        )
        self._announcements = Periodic(
            self._announce, lambda: presence.INTERVAL, log=log, failure_event="hub.announce_broken"
        )

    def here(self, slug: str) -> int:
        """Return the number of a live blog's viewers that are connected here, those of its editions included."""
        return sum(synced_channel.channel.count for synced_channel in self._registry.of(slug))

    def everywhere(self, slug: str) -> int:
        """Return the number of a live blog's viewers on all nodes; it may be some seconds old."""
        return self.here(slug) + self._presence.elsewhere(slug)

    def announce(self) -> None:
        """Announce the viewer counts of this node to the others, if the bus is up."""
        if self._bus.up:
            self._presence.forget(now() - presence.LIFETIME)
            counts = {slug: count for slug in self._registry.liveblogs() if (count := self.here(slug))}
            for message in self._presence.announcements(counts):
                self._bus.announce(message)

    def announced(self, message: bytes) -> None:
        """Take the announcement of a node, perhaps this one."""
        self._presence.take(message, now())

    def renew(self) -> None:
        """Keep the other nodes' counts for a while longer: while the bus was down, none could be announced."""
        self._presence.renew(now())

    async def run_heartbeats(self) -> None:
        """Send heartbeats until cancelled."""
        await self._heartbeats.run()

    async def run_announcements(self) -> None:
        """Announce the viewer counts to the other nodes until cancelled."""
        await self._announcements.run()

    async def _announce(self) -> None:
        self.announce()

    async def _beat(self) -> None:
        for synced_channel in self._registry:
            elsewhere = self.everywhere(synced_channel.liveblog) - synced_channel.channel.count
            try:
                synced_channel.beat(elsewhere)
            except Exception:
                # If a single channel fails, the others still need their heartbeat.
                log.exception("hub.beat_broken", liveblog=synced_channel.liveblog)
