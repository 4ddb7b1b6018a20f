"""A viewer of server-sent events (text/event-stream)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.realtime.transport import viewer_budget
from liveserver.realtime.transport.socket_viewer import SocketViewer, State

if TYPE_CHECKING:
    from liveserver.protocol.frames import Frame


class EventStreamViewer(SocketViewer):
    """A viewer of server-sent events. Its stream is the answer to an HTTP request, and ends with the connection."""

    __slots__ = ()

    @staticmethod
    def encoded(frame: Frame) -> bytes:
        """Return the message as an event of a text/event-stream."""
        return frame.sse

    def close(self, code: int) -> None:
        """End the stream once all written messages are sent. SSE has no close code, so `code` isn't sent."""
        if self._state is not State.CLOSED:
            self.open()
            self._ended()
            self._close_when_read()

    def data_received(self, data: bytes) -> None:
        """Throw away data from the client. If the client exceeds its budget (`viewer_budget`), end the connection.

        An HTTP client shouldn't send anything on the connection of an event stream.
        """
        if self._state is State.CLOSED:
            self._came_late(len(data))
        elif not self._affords(viewer_budget.weight(1, len(data))):
            self._dismiss()
