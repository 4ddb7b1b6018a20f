"""The poll of the store, which finds changes that the bus has lost.

Each poll also drops topics that nobody follows, and closes viewers that have lagged for too long.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from liveserver.domain.errors import StoreUnavailable
from liveserver.protocol import close_codes
from liveserver.realtime.synced_channel import now
from liveserver.utils.background import Periodic

if TYPE_CHECKING:
    from collections.abc import Callable

    from liveserver.domain.topic import Topic
    from liveserver.realtime.channel_registry import ChannelRegistry
    from liveserver.realtime.ports import History
    from liveserver.realtime.topics.topic_bus import TopicBus

IDLE_KEEP = 60.0
"""How long, in seconds, a topic without viewers stays in memory. So a reloaded page finds its topic still in memory."""

log = structlog.get_logger(__name__)


class StorePoll:
    """The periodic check of all open channels. It looks for changes that a channel lacks, and for lagging viewers."""

    def __init__(
        self,
        registry: ChannelRegistry,
        history: History,
        bus: TopicBus,
        forget: Callable[[Topic], None],
        *,
        interval: float,
        interval_without_bus: float,
        lag_timeout: float,
    ) -> None:
        """`forget`: a function that drops a topic from memory. `interval`: seconds between two polls.

        `interval_without_bus`: seconds between two polls while the bus is down. `lag_timeout`: seconds after which the
        connection of a lagging viewer is closed.
        """
        self._registry = registry
        self._history = history
        self._bus = bus
        self._forget = forget
        self._lag_timeout = lag_timeout
        self._wake = asyncio.Event()
        self._is_failing = False
        # The poll finds changes that the bus has lost. So it must go on after any error, as a `Periodic` does.
        self._periodic = Periodic(
            self._poll,
            lambda: interval if bus.up else interval_without_bus,
            log=log,
            failure_event="hub.poll_broken",
            wake=self._wake,
            wait_first=True,
        )

    async def run(self) -> None:
        """Poll again and again, until the task that runs this method is cancelled."""
        await self._periodic.run()

    def soon(self) -> None:
        """Let the next poll begin at once. The hub calls this when the bus has gone down, or is back."""
        self._wake.set()

    async def _poll(self) -> None:
        self._end_laggards_and_idle()
        try:
            await self._compare()
        except StoreUnavailable as error:
            if not self._is_failing:
                log.warning("hub.poll_failed", error=str(error))
            self._is_failing = True
        else:
            self._is_failing = False

    def _end_laggards_and_idle(self) -> None:
        """Close viewers that have lagged for more than `lag_timeout` seconds, and forget idle topics.

        A topic is idle if it has had no viewers for more than IDLE_KEEP seconds.
        """
        moment = now()
        for synced_channel in self._registry:
            for viewer in synced_channel.channel.overdue(moment - self._lag_timeout):
                synced_channel.close(viewer, close_codes.CLOSE_TOO_SLOW)
            if synced_channel.idle_since is not None and synced_channel.idle_since < moment - IDLE_KEEP:
                self._forget(synced_channel.channel.topic)

    async def _compare(self) -> None:
        """Compare the positions of all channels with the store. A channel that lacks changes begins to read them.

        If a channel's live blog doesn't exist any more, the connections of the channel's viewers are closed, and the
        channel is dropped.
        """
        topics = [synced_channel.channel.topic for synced_channel in self._registry]
        if not topics:
            return
        positions = await self._history.positions({*topics, *self._bus.origins(topics)})
        self._bus.check(positions)
        for topic in topics:
            synced_channel = self._registry.get(topic)
            if synced_channel is None:
                continue
            position = positions.get(topic)
            if position is None:
                # A backup was restored that is older than the live blog.
                for viewer in synced_channel.channel.everyone():
                    synced_channel.close(viewer, close_codes.CLOSE_NO_SUCH_LIVEBLOG)
                self._forget(topic)
            else:
                synced_channel.check(position)
