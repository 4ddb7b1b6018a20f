"""A viewer's link to the hub, to which its connection reports. The connection knows nothing else of the hub."""

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
        """The topic that the viewer follows."""
        self.permit: Permit | None = None
        """The viewer's permit within its address's limit, released when it goes; None: it has none."""

    async def enter(self) -> None:
        """Take the topic into the hub's memory. Raises Draining, NotFound and StoreUnavailable."""
        await self._hub.enter(self.topic)

    async def join(self, viewer: Viewer, after: Position | None, /) -> None:
        """Register the viewer with the hub. Raises NotFound, StoreUnavailable and Draining."""
        await self._hub.join(self.topic, viewer, after)

    def writable(self, viewer: Viewer, /) -> None:
        """Report that the viewer, which lagged, can be written to again."""
        self._hub.resume(self.topic, viewer)

    def said(self, viewer: Viewer, message: bytes, /) -> None:
        """Report a short text message of the viewer."""
        self._hub.said(self.topic, viewer, message)

    def asked(self) -> int:
        """Return the number of answers that each viewer was asked for lately; it may send as many more messages."""
        return self._hub.asked(self.topic)

    def gone(self, viewer: Viewer, /) -> None:
        """Report that the viewer's connection has ended, and release its permit."""
        self._hub.leave(self.topic, viewer)
        permit, self.permit = self.permit, None
        if permit is not None:
            permit.release()
