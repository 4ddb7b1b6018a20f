"""A viewer's link to the hub: what its connection reports to, and all that it knows of the hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liveserver.domain.change import Position
    from liveserver.domain.topic import Topic
    from liveserver.realtime.hub import Hub
    from liveserver.realtime.viewer import Viewer
    from liveserver.utils.limits.concurrency_limiter import Permit


class Subscription:
    """One viewer's subscription to a topic. Implements the transports' `ViewerEvents`."""

    __slots__ = ("_hub", "permit", "topic")

    def __init__(self, hub: Hub, topic: Topic) -> None:
        self._hub = hub
        self.topic = topic
        """What the viewer follows."""
        self.permit: Permit | None = None
        """Released when the viewer goes."""

    async def enter(self) -> None:
        """Have the topic in memory. Raises Draining, NotFound and StoreUnavailable."""
        await self._hub.enter(self.topic)

    async def join(self, viewer: Viewer, after: Position | None, /) -> None:
        """Let the viewer in. Raises NotFound, StoreUnavailable and Draining."""
        await self._hub.join(self.topic, viewer, after)

    def writable(self, viewer: Viewer, /) -> None:
        """The viewer had refused a message, and can be written to again."""
        self._hub.resume(self.topic, viewer)

    def said(self, viewer: Viewer, message: bytes, /) -> None:
        """The viewer sent a short text message."""
        self._hub.said(self.topic, viewer, message)

    def asked(self) -> int:
        """The number of answers that each viewer was asked for of late: it may send so many more messages."""
        return self._hub.asked(self.topic)

    def gone(self, viewer: Viewer, /) -> None:
        """The viewer's connection has ended."""
        self._hub.leave(self.topic, viewer)
        permit, self.permit = self.permit, None
        if permit is not None:
            permit.release()
