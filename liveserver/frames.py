"""One message as bytes: each encoding is made at most once, on first need, and shared by every viewer."""

from __future__ import annotations

from functools import cached_property

from liveserver.model import Position

BUS_MESSAGE_MAX = 64 * 1024
"""Above this many bytes a change travels on the bus as its position alone, and is read from the store."""


class Frame:
    """A stream message and its encodings.

    `message` is the JSON in UTF-8, on one line (orjson escapes line breaks), as SSE needs it.
    """

    def __init__(self, message: bytes, event_id: Position | None = None) -> None:
        self.message = message
        self.event_id = event_id
        """The position that a viewer has reached with this message. None for messages that move nobody."""

    @cached_property
    def text(self) -> str:
        """The payload of a WebSocket text message."""
        return self.message.decode()

    @cached_property
    def sse(self) -> bytes:
        """The event of a text/event-stream (HTML, 9.2.5)."""
        head = b"" if self.event_id is None else b"id: %s\n" % str(self.event_id).encode()
        return head + b"data: " + self.message + b"\n\n"


class ChangeFrame(Frame):
    """The message of one change, with what the hub must know of it."""

    def __init__(self, position: Position, key: str, message: bytes) -> None:
        super().__init__(message, position)
        self.position = position
        self.key = key
        """What a later change with the same key replaces: the entry's id, or `liveblog`."""

    @property
    def seq(self) -> int:
        """The change's number."""
        return self.position.seq


def pack(frame: ChangeFrame) -> bytes:
    """A change as it travels on the bus: `epoch-seq key`, a line break, its JSON; too large, `epoch-seq` alone."""
    if len(frame.message) > BUS_MESSAGE_MAX:
        return str(frame.position).encode()
    return b"%s %s\n%s" % (str(frame.position).encode(), frame.key.encode(), frame.message)


def unpack(data: bytes) -> ChangeFrame | Position | None:
    """What `pack` made: the change, or its position alone; None for anything else."""
    head, separator, message = data.partition(b"\n")
    words = head.decode("ascii", "replace").split(" ")
    position = Position.parse(words[0])
    if position is None or len(words) > 2 or bool(separator) != (len(words) == 2):
        return None
    return ChangeFrame(position, words[1], message) if separator else position
