"""One message as bytes: each encoding is made at most once, on first need, and shared by every viewer."""

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
"""Bytes below which a message is sent as it is: deflating it would make it longer or hardly shorter."""

BUS_MESSAGE_MAX = 64 * 1024
"""Above this many bytes a change travels on the bus as its position alone, and is read from the store."""


def deflate_extension() -> PerMessageDeflate:
    """Make permessage-deflate without context takeover (RFC 7692, 7.1.1): one message serves all viewers."""
    return PerMessageDeflate(True, True, 15, 15)


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
    def ws(self) -> bytes:
        """A WebSocket text frame (RFC 6455, 5.2)."""
        return _Frame(Opcode.TEXT, self.message).serialize(mask=False)

    @cached_property
    def ws_deflated(self) -> bytes:
        """The same, deflated without context takeover (RFC 7692, 7.2.1), so that it decodes by itself for everyone."""
        if len(self.message) < DEFLATE_MIN:
            return self.ws
        deflate = deflate_extension()
        return _Frame(Opcode.TEXT, self.message).serialize(mask=False, extensions=[deflate])

    @cached_property
    def sse(self) -> bytes:
        """The event of a text/event-stream (HTML, 9.2.5)."""
        head = b"" if self.event_id is None else b"id: %s\n" % str(self.event_id).encode()
        return head + b"data: " + self.message + b"\n\n"


class ChangeDetails(NamedTuple):
    """What a change's message says that partners' topics depend on."""

    tags: tuple[str, ...] | None = None
    """The entry's; None for any change but that of an entry."""
    confirm_within: int | None = None
    """The milliseconds that viewers have to confirm a deletion; None if they aren't asked to."""


class ChangeFrame(Frame):
    """The message of one change, with what the hub must know of it."""

    def __init__(self, position: Position, key: str, message: bytes, details: ChangeDetails | None = None) -> None:
        """Without `details`, those are read from `message` when they are needed first."""
        super().__init__(message, position)
        self.position = position
        self.key = key
        """The entry's id, or `liveblog`: a change makes earlier ones with the same key superfluous."""
        if details is not None:
            self.details = details

    @cached_property
    def details(self) -> ChangeDetails:
        """What the message says that partners' topics depend on."""
        message: Any = orjson.loads(self.message)
        tags = tuple(message["entry"]["tags"]) if message["type"] == "entry" else None
        return ChangeDetails(tags, message["confirm"]["within"] if "confirm" in message else None)

    @property
    def seq(self) -> int:
        """The change's number."""
        return self.position.seq

    @property
    def deletes(self) -> bool:
        """Whether it takes an entry away."""
        return self.message.startswith(b'{"type":"delete",')

    def withdrawn(self) -> ChangeFrame:
        """This change as a deletion that nobody is asked to confirm, for viewers that may not see the entry."""
        return ChangeFrame(self.position, self.key, messages.delete_message(self.seq, self.key), ChangeDetails())


def pack(frame: ChangeFrame) -> bytes:
    """A change as it travels on the bus: `epoch-seq key`, a line break, its JSON; too large, `epoch-seq` alone."""
    if len(frame.message) > BUS_MESSAGE_MAX:
        return str(frame.position).encode()
    return b"%s %s\n%s" % (str(frame.position).encode(), frame.key.encode(), frame.message)


def unpack(data: bytes) -> ChangeFrame | Position | None:
    """The change that `pack` packed, or its position alone; None for anything else."""
    head, separator, message = data.partition(b"\n")
    words = head.decode("ascii", "replace").split(" ")
    position = Position.parse(words[0])
    if position is None or len(words) > 2 or bool(separator) != (len(words) == 2):
        return None
    return ChangeFrame(position, words[1], message) if separator else position
