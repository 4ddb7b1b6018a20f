"""A viewer of server-sent events (text/event-stream)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.realtime.transport import viewer_budget
from liveserver.realtime.transport.socket_viewer import SocketViewer, State

if TYPE_CHECKING:
    from liveserver.protocol.frames import Frame


class EventStreamViewer(SocketViewer):
    """A viewer of a text/event-stream whose end is the end of the connection."""

    __slots__ = ()

    @staticmethod
    def encoded(frame: Frame) -> bytes:
        """An event of a text/event-stream."""
        return frame.sse

    def close(self, code: int) -> None:
        """End the stream after what was written."""
        if self._state is not State.CLOSED:
            self.open()
            self._ended()
            self._part()

    def data_received(self, data: bytes) -> None:
        """An HTTP client has nothing to say while it is being answered."""
        if self._state is State.CLOSED:
            self._came_late(len(data))
        elif not self._affords(viewer_budget.weight(1, len(data))):
            self._dismiss()
