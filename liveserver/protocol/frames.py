"""Frames: messages as bytes.

Each encoding of a message is made when the first viewer needs it. All viewers are then sent the same bytes.
"""

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
"""The size in bytes below which a message isn't deflated: deflating would make it longer, or hardly shorter."""

BUS_MESSAGE_MAX = 64 * 1024
"""The greatest size in bytes of a change's JSON on the bus.

If the JSON is larger, only the change's position is sent, and the receiving process reads the change from the store.
"""


def deflate_extension() -> PerMessageDeflate:
    """Return the extension permessage-deflate without context takeover (RFC 7692, 7.1.1).

    Without context takeover, one deflated message serves all viewers.
    """
    return PerMessageDeflate(True, True, 15, 15)


class Frame:
    """A message of the stream, and its encodings.

    `message`: the message's JSON in UTF-8. It has no line breaks, which SSE doesn't allow: orjson escapes them.
    """

    def __init__(self, message: bytes, event_id: Position | None = None) -> None:
        self.message = message
        self.event_id = event_id
        """The position that a viewer has after it received this message; None if the message changes no position."""

    @cached_property
    def text(self) -> str:
        """The message's JSON as text, for a WebSocket text message that the ASGI server makes."""
        return self.message.decode()

    @cached_property
    def ws(self) -> bytes:
        """The message as a WebSocket text frame (RFC 6455, 5.2)."""
        return _Frame(Opcode.TEXT, self.message).serialize(mask=False)

    @cached_property
    def ws_deflated(self) -> bytes:
        """The message as a deflated WebSocket text frame, which can be inflated by itself (RFC 7692, 7.2.1).

        A message of less than DEFLATE_MIN bytes isn't deflated; its frame is the same as `ws`.
        """
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
    """The details of a change that editions need: the entry's tags, and how long viewers have to confirm a deletion."""

    tags: tuple[str, ...] | None = None
    """The entry's tags; None if the change is a deletion, or concerns the live blog's own fields."""
    confirm_within: int | None = None
    """The milliseconds in which viewers are to confirm the deletion; None if they aren't asked to confirm it."""


class ChangeFrame(Frame):
    """The frame of a change, with the change's position and key, which the hub needs."""

    def __init__(self, position: Position, key: str, message: bytes, details: ChangeDetails | None = None) -> None:
        """`details`: the details of the change; None to read them from `message` when they are first needed."""
        super().__init__(message, position)
        self.position = position
        self.key = key
        """The entry's id; or `liveblog` if the live blog's own fields changed.

        A change makes all earlier changes with the same key superfluous.
        """
        if details is not None:
            self.details = details

    @cached_property
    def details(self) -> ChangeDetails:
        """The details that editions need. Unless they were given to the constructor, they are read from the message."""
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

    def as_deletion(self) -> ChangeFrame:
        """Return a deletion of this change's entry, to send to viewers in place of this change.

        The new deletion has the same position as this change. It doesn't ask viewers to confirm. Use it if viewers may
        not see the entry. In a delayed edition, also use it if this change is itself a deletion: there, an earlier
        message, the GoneNotice, asks viewers to confirm.
        """
        return ChangeFrame(self.position, self.key, messages.delete_message(self.seq, self.key), ChangeDetails())


def pack(frame: ChangeFrame) -> bytes:
    """Return a change encoded for the bus: `epoch-seq key`, a line break, and the change's JSON.

    If the JSON has more than BUS_MESSAGE_MAX bytes, the result is only `epoch-seq`.
    """
    if len(frame.message) > BUS_MESSAGE_MAX:
        return str(frame.position).encode()
    return b"%s %s\n%s" % (str(frame.position).encode(), frame.key.encode(), frame.message)


def unpack(data: bytes) -> ChangeFrame | Position | None:
    """Decode a message of the bus that `pack` made.

    Returns the change, or its position if the message has nothing else; None if the message can't be read.
    """
    head, separator, message = data.partition(b"\n")
    fields = head.decode("ascii", "replace").split(" ")
    position = Position.parse(fields[0])
    if position is None or len(fields) > 2 or bool(separator) != (len(fields) == 2):
        return None
    return ChangeFrame(position, fields[1], message) if separator else position
