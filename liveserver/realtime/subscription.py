"""A viewer's subscription to a topic. The viewer's connection reports to the hub only through this object."""

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
        """The permit for the viewer's stream; None if there is no limit on the streams of an address.

        The stream counts towards this limit until the permit is released, when the viewer's connection ends.
        """

    async def enter(self) -> None:
        """Load the topic into the hub's memory if it isn't there yet.

        Raises Draining if the process is about to end, NotFound if the live blog doesn't exist, and StoreUnavailable.
        """
        await self._hub.enter(self.topic)

    async def join(self, viewer: Viewer, after: Position | None, /) -> None:
        """Register the viewer with the hub. `after`: the position that the viewer has; None if it has none.

        Raises Draining if the process is about to end, NotFound if the live blog doesn't exist, and StoreUnavailable.
        """
        await self._hub.join(self.topic, viewer, after)

    def writable(self, viewer: Viewer, /) -> None:
        """Report to the hub that the viewer, which lagged, can be written to again."""
        self._hub.resume(self.topic, viewer)

    def said(self, viewer: Viewer, message: bytes, /) -> None:
        """Report to the hub a short text message that the viewer has sent."""
        self._hub.said(self.topic, viewer, message)

    def asked(self) -> int:
        """Return how many answers (such as confirmations) each viewer of the topic may have to send now.

        A viewer may send this number of frames in addition to its budget.
        """
        return self._hub.asked(self.topic)

    def gone(self, viewer: Viewer, /) -> None:
        """Report to the hub that the viewer's connection has ended, and release the viewer's permit."""
        self._hub.leave(self.topic, viewer)
        permit, self.permit = self.permit, None
        if permit is not None:
            permit.release()
