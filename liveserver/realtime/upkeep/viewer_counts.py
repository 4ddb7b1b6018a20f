"""The numbers of viewers on this node and on all nodes, and their announcement to the other nodes and to viewers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from liveserver.realtime.synced_channel import now
from liveserver.realtime.upkeep import announced_counts
from liveserver.utils.background import Periodic

if TYPE_CHECKING:
    from liveserver.realtime.channel_registry import ChannelRegistry
    from liveserver.realtime.topics.topic_bus import TopicBus

log = structlog.get_logger(__name__)


class ViewerCounts:
    """The number of viewers of each live blog.

    This node's numbers are announced to the other nodes. Viewers get the number for all nodes with each heartbeat.
    """

    def __init__(self, registry: ChannelRegistry, bus: TopicBus, node: str, *, heartbeat: float) -> None:
        """`node`: this node's id. `heartbeat`: seconds between heartbeats."""
        self._registry = registry
        self._bus = bus
        self._announced = announced_counts.AnnouncedCounts(node)
        self._heartbeats = Periodic(
            self._beat, lambda: heartbeat, log=log, failure_event="hub.beat_broken", wait_first=True
        )
        self._announcements = Periodic(
            self._announce, lambda: announced_counts.INTERVAL, log=log, failure_event="hub.announce_broken"
        )

    def here(self, slug: str) -> int:
        """Return how many viewers of a live blog and of its editions are connected to this process.

        Desk streams aren't counted.
        """
        return sum(synced_channel.channel.readers for synced_channel in self._registry.of(slug))

    def everywhere(self, slug: str) -> int:
        """Return how many viewers a live blog has on all nodes. The other nodes' numbers may be some seconds old."""
        return self.here(slug) + self._announced.elsewhere(slug)

    def announce(self) -> None:
        """Announce this node's numbers of viewers to the other nodes. Does nothing while the bus is down."""
        if self._bus.up:
            self._announced.forget(now() - announced_counts.LIFETIME)
            counts = {slug: count for slug in self._registry.liveblogs() if (count := self.here(slug))}
            for message in self._announced.announcements(counts):
                self._bus.announce(message)

    def announced(self, message: bytes) -> None:
        """Keep the numbers in an announcement made by another node. This node's own announcements are ignored."""
        self._announced.take(message, now())

    def renew(self) -> None:
        """Treat the other nodes' last numbers as new. While the bus was down, no newer numbers could come."""
        self._announced.renew(now())

    async def run_heartbeats(self) -> None:
        """Send heartbeats again and again, until the task that runs this method is cancelled."""
        await self._heartbeats.run()

    async def run_announcements(self) -> None:
        """Announce this node's numbers again and again, until the task that runs this method is cancelled."""
        await self._announcements.run()

    async def _announce(self) -> None:
        self.announce()

    async def _beat(self) -> None:
        for synced_channel in self._registry:
            elsewhere = self.everywhere(synced_channel.liveblog) - synced_channel.channel.readers
            try:
                synced_channel.beat(elsewhere)
            except Exception:
                # If one channel fails, the other channels still need their heartbeat.
                log.exception("hub.beat_broken", liveblog=synced_channel.liveblog)
