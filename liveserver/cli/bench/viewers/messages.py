"""The parser of a viewer's data: it reads WebSocket frames or server-sent events, and the messages in them. No I/O.

All viewers of a stream get the same bytes, so the parser keeps no state of a viewer. `read_frames` and `read_events`
get the data that isn't parsed yet. They return the complete messages in this data, and how many bytes these messages
occupy. The caller keeps the bytes of an incomplete message for the next call.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

import orjson

from liveserver.cli.bench.errors import Broken

MESSAGE_MAX = 16 * 1024 * 1024
"""The greatest number of bytes of a WebSocket frame, an HTTP chunk or an unfinished server-sent event. A server that
sends more bytes breaks the protocol."""

_MARK = re.compile(rb"bench-([0-9a-f]{8})-([0-9]{7})-([0-9]{15})")
_EVENT_END = re.compile(rb"\n\n|\r\n\r\n|\r\r")

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_FIN, _DEFLATED, _RESERVED = 0x80, 0x40, 0x30


class Mark(NamedTuple):
    """The mark in the text of a benchmark's entry: the run, the entry's number, and when the entry was sent."""

    run: str
    """The run's id: eight hexadecimal digits."""
    number: int
    """The number of the entry in its run, from 0 on."""
    sent: float
    """When the request to publish the entry was sent, in seconds of the monotonic clock. All processes of a Linux
    machine have the same monotonic clock (clock_gettime(2))."""

    def __str__(self) -> str:
        return f"bench-{self.run}-{self.number:07d}-{round(self.sent * 1e6):015d}"

    @classmethod
    def find(cls, text: bytes) -> Mark | None:
        """Return the first mark in a text; None if there is none."""
        match = _MARK.search(text)
        return None if match is None else cls(match[1].decode(), int(match[2]), int(match[3]) / 1e6)


class Hello(NamedTuple):
    """The first message of a stream. The server may send it again later, before a replay.

    `epoch` and `seq`: the live blog's present position. `resumed`: True if the changes after the viewer's position, up
    to `seq`, follow as a replay. The seqs in a replay may have gaps.
    """

    epoch: str
    seq: int
    resumed: bool


class Change(NamedTuple):
    """A message with a change: an entry, a deletion, or the live blog's own fields."""

    seq: int
    mark: Mark | None
    """The mark in the entry's text, if a benchmark published the entry; None for any other change."""


class Reset(NamedTuple):
    """The message that tells a viewer that the stream can't continue from the viewer's position. `epoch` and `seq`: the
    live blog's present position."""

    epoch: str
    seq: int


class Farewell(NamedTuple):
    """The message `reconnect`: the server is about to end. `after`: in how many seconds the viewer is to connect
    again."""

    after: float


class Ping(NamedTuple):
    """A ping frame. The viewer has to answer with the same payload."""

    payload: bytes


class End(NamedTuple):
    """The end of the stream: a close frame, or the end of an SSE body. If a close frame has no code, `code` is 1005
    (RFC 6455, 7.4.1)."""

    code: int


Message = Hello | Change | Reset | Farewell | Ping | End


def read_frames(data: bytes) -> tuple[list[Message], int]:
    """Read the complete WebSocket messages at the beginning of `data` (RFC 6455, 5).

    Returns the messages that a benchmark needs, with pings and close frames, and how many bytes of `data` were read.
    Messages may be deflated, without context takeover (RFC 7692, 7.2.2). Raises Broken if the data breaks the protocol.
    """
    messages: list[Message] = []
    consumed = 0
    while True:
        read, end = _read_one(data, consumed)
        if end == consumed:
            return messages, consumed
        messages += read
        consumed = end


def _read_one(data: bytes, start: int) -> tuple[list[Message], int]:
    """Read the message or control frame that begins at the index `start` of the data.

    Returns a list, and the index of the first byte that wasn't read. The list has the message or frame, and the pings
    and close frames between the message's fragments. It leaves out pongs, and messages that a benchmark doesn't need.
    If not all bytes are there yet, returns an empty list and `start`. Raises Broken if the data breaks the protocol.
    """
    messages: list[Message] = []
    fragments: list[bytes] = []
    deflated = False
    at = start
    while True:
        frame = _frame(data, at)
        if frame is None:
            return [], start
        first, payload, at = frame
        opcode = first & 0x0F
        if opcode >= _CLOSE:
            messages += _control(opcode, payload)
            if not fragments:
                return messages, at
            continue
        if bool(fragments) != (opcode == _CONTINUATION):
            raise Broken("a fragment is out of place")
        if not fragments:
            deflated = bool(first & _DEFLATED)
        fragments.append(payload)
        if first & _FIN:
            message = b"".join(fragments)
            messages += meaning(_inflate(message) if deflated else message)
            return messages, at


def _frame(data: bytes, at: int) -> tuple[int, bytes, int] | None:
    """Read the WebSocket frame that begins at the index `at` of the data.

    Returns the frame's first byte, its payload, and the index of the first byte after the frame; or None if not all
    bytes of the frame are there yet. Raises Broken if the frame breaks the protocol.
    """
    if len(data) - at < 2:
        return None
    first, length = data[at], data[at + 1]
    at += 2
    if length & 0x80:
        raise Broken("a frame from the server is masked")
    if first & _RESERVED or (first & 0x0F) not in {_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG}:
        raise Broken(f"a frame begins with {first:#04x}")
    if length > 125:
        size = 2 if length == 126 else 8
        if len(data) - at < size:
            return None
        length = int.from_bytes(data[at : at + size], "big")
        at += size
    if length > MESSAGE_MAX:
        raise Broken(f"a frame of {length} bytes")
    if len(data) - at < length:
        return None
    return first, data[at : at + length], at + length


def _control(opcode: int, payload: bytes) -> list[Message]:
    if opcode == _PING:
        return [Ping(payload)]
    if opcode == _CLOSE:
        return [End(int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005)]
    return []


def _inflate(payload: bytes) -> bytes:
    try:
        return zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff", MESSAGE_MAX)
    except zlib.error as error:
        raise Broken(f"a frame can't be inflated: {error}") from None


def read_events(data: bytes) -> tuple[list[Message], int]:
    """Read the complete server-sent events at the beginning of `data` (HTML Standard, 9.2.6).

    Returns the messages in the events, and how many bytes of `data` the events occupy. Raises Broken if the data breaks
    the protocol.
    """
    messages: list[Message] = []
    consumed = 0
    while (end := _EVENT_END.search(data, consumed)) is not None:
        lines = data[consumed : end.start()].splitlines()
        consumed = end.end()
        values = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
        if values:
            messages += meaning(b"\n".join(values))
    if len(data) - consumed > MESSAGE_MAX:
        raise Broken("an event that doesn't end")
    return messages, consumed


def read_chunks(data: bytes) -> tuple[bytes, int, bool]:
    """Read the complete HTTP chunks at the beginning of `data` (RFC 9112, 7.1).

    Returns the content of the chunks, how many bytes of `data` the chunks occupy, and True if the body has ended (with
    an empty chunk). Raises Broken if the data breaks the protocol.
    """
    content: list[bytes] = []
    consumed = 0
    while (line := data.find(b"\r\n", consumed)) >= 0:
        try:
            size = int(data[consumed:line].partition(b";")[0], 16)
        except ValueError:
            raise Broken("a chunk without its size") from None
        if not 0 <= size <= MESSAGE_MAX:
            raise Broken(f"a chunk of {size} bytes")
        end = line + 2 + size + 2
        if len(data) < end:
            break
        content.append(data[line + 2 : end - 2])
        consumed = end
        if size == 0:
            return b"".join(content), consumed, True
    return b"".join(content), consumed, False


def meaning(text: bytes) -> list[Message]:
    """Parse a JSON message of the stream, and return a list that contains it.

    The list is empty if the message has a type that a benchmark doesn't need, such as `heartbeat`. Raises Broken if the
    text isn't a message of a live stream.
    """
    try:
        message = orjson.loads(text)
        match message["type"]:
            case "entry" | "delete" | "liveblog":
                return [Change(message["seq"], Mark.find(text))]
            case "hello":
                return [Hello(message["epoch"], message["seq"], message["resumed"])]
            case "reset":
                return [Reset(message["epoch"], message["seq"])]
            case "reconnect":
                return [Farewell(message["after_ms"] / 1000)]
            case _:
                return []
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Broken(f"not a message of a live stream: {text[:80]!r}") from None
