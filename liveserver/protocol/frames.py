"""Frames: messages as bytes. Each encoding is made at most once, when it is first needed, for all viewers."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import orjson
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame as _Frame
from websockets.frames import Opcode

from liveserver.domain.change import Position
from liveserver.protocol import messages

DEFLATE_MIN = 128
"""Bytes below which a message isn't deflated: that would make it longer, or hardly shorter."""

BUS_MESSAGE_MAX = 64 * 1024
"""Bytes above which only a change's position travels on the bus; the change is read from the store."""


def deflate_extension() -> PerMessageDeflate:
    """Make permessage-deflate without context takeover (RFC 7692, 7.1.1): one deflated message serves all viewers."""
    return PerMessageDeflate(True, True, 15, 15)


class Frame:
    """A message of the stream, and its encodings.

    `message`: the JSON in UTF-8, on one line, as SSE needs it (orjson escapes line breaks).
    """

    def __init__(self, message: bytes, event_id: Position | None = None) -> None:
        self.message = message
        self.event_id = event_id
        """The position that a viewer has reached with this message; None if the message doesn't change it."""

    @cached_property
    def text(self) -> str:
        """The payload of a WebSocket text message."""
        return self.message.decode()

    @cached_property
    def ws(self) -> bytes:
        """The message as a WebSocket text frame (RFC 6455, 5.2)."""
        return _Frame(Opcode.TEXT, self.message).serialize(mask=False)

    @cached_property
    def ws_deflated(self) -> bytes:
        """The message as a deflated WebSocket text frame, which can be inflated by itself (RFC 7692, 7.2.1)."""
        if len(self.message) < DEFLATE_MIN:
            return self.ws
        deflate = deflate_extension()
        return _Frame(Opcode.TEXT, self.message).serialize(mask=False, extensions=[deflate])

    @cached_property
    def sse(self) -> bytes:
        """The message as an event of a text/event-stream (HTML, 9.2.5)."""
        head = b"" if self.event_id is None else b"id: %s\n" % str(self.event_id).encode()
        return head + b"data: " + self.message + b"\n\n"


class ChangeDetails(NamedTuple):
    """The details of a change that editions depend on."""

    tags: tuple[str, ...] | None = None
    """The entry's tags; None if the change isn't one of an entry's content."""
    confirm_within: int | None = None
    """The milliseconds that viewers have to confirm a deletion; None if they aren't asked to."""


class ChangeFrame(Frame):
    """The frame of a change, with the facts that the hub needs."""

    def __init__(self, position: Position, key: str, message: bytes, details: ChangeDetails | None = None) -> None:
        """`details`: None to read them from `message` when they are first needed."""
        super().__init__(message, position)
        self.position = position
        self.key = key
        """The entry's id, or `liveblog`: a change makes earlier ones with the same key superfluous."""
        if details is not None:
            self.details = details

    @cached_property
    def details(self) -> ChangeDetails:
        """The details that editions depend on, read from the message."""
        message: Any = orjson.loads(self.message)
        tags = tuple(message["entry"]["tags"]) if message["type"] == "entry" else None
        return ChangeDetails(tags, message["confirm"]["within"] if "confirm" in message else None)

    @property
    def seq(self) -> int:
        """The seq of the change."""
        return self.position.seq

    @property
    def deletes(self) -> bool:
        """True if the change deletes an entry."""
        return self.message.startswith(b'{"type":"delete",')

    def withdrawn(self) -> ChangeFrame:
        """Return this change as a deletion without confirmation, for viewers that may not see the entry."""
        return ChangeFrame(self.position, self.key, messages.delete_message(self.seq, self.key), ChangeDetails())


def pack(frame: ChangeFrame) -> bytes:
    """Encode a change for the bus: `epoch-seq key`, a line break, its JSON; only `epoch-seq` if it is too large."""
    if len(frame.message) > BUS_MESSAGE_MAX:
        return str(frame.position).encode()
    return b"%s %s\n%s" % (str(frame.position).encode(), frame.key.encode(), frame.message)


def unpack(data: bytes) -> ChangeFrame | Position | None:
    """Decode a message that `pack` made: the change, or its position alone; None if it can't be read."""
    head, separator, message = data.partition(b"\n")
    fields = head.decode("ascii", "replace").split(" ")
    position = Position.parse(fields[0])
    if position is None or len(fields) > 2 or bool(separator) != (len(fields) == 2):
        return None
    return ChangeFrame(position, fields[1], message) if separator else position
