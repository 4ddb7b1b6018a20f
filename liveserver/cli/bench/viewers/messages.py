"""What a viewer reads from its connection: WebSocket frames or server-sent events, and what they say. Pure.

All viewers of a stream get the same bytes. So what bytes mean is a function of the bytes alone: `read_frames` and
`read_events` take what has come and return the messages that are complete, and how many bytes they were. Nothing is
consumed of a message that isn't complete.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

import orjson

from liveserver.cli.bench.errors import Broken

MESSAGE_MAX = 16 * 1024 * 1024
"""Bytes of one message, beyond which the server is taken to be broken."""

_MARK = re.compile(rb"bench-([0-9a-f]{8})-([0-9]{7})-([0-9]{15})")
_EVENT_END = re.compile(rb"\n\n|\r\n\r\n|\r\r")

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_FIN, _DEFLATED, _RESERVED = 0x80, 0x40, 0x30


class Mark(NamedTuple):
    """What an entry of a benchmark carries in its text: whose it is, and when its request was sent."""

    run: str
    """Eight hexadecimal digits."""
    number: int
    sent: float
    """Seconds on this machine's monotonic clock, which on Linux all processes share (clock_gettime(2))."""

    def __str__(self) -> str:
        return f"bench-{self.run}-{self.number:07d}-{round(self.sent * 1e6):015d}"

    @classmethod
    def find(cls, text: bytes) -> Mark | None:
        """The first mark in the text."""
        found = _MARK.search(text)
        return None if found is None else cls(found[1].decode(), int(found[2]), int(found[3]) / 1e6)


class Hello(NamedTuple):
    """The stream's first message, and one before changes that may skip."""

    epoch: str
    seq: int
    resumed: bool


class Change(NamedTuple):
    """An entry, a deletion or a change of the live blog."""

    seq: int
    mark: Mark | None


class Reset(NamedTuple):
    """The position is void."""

    epoch: str
    seq: int


class Farewell(NamedTuple):
    """The server is going away; come back after so many seconds."""

    after: float


class Ping(NamedTuple):
    """To be answered with the same payload."""

    payload: bytes


class End(NamedTuple):
    """The WebSocket's close frame; 1005 if it gives no code (RFC 6455, 7.4.1)."""

    code: int


Message = Hello | Change | Reset | Farewell | Ping | End


def read_frames(data: bytes) -> tuple[list[Message], int]:
    """The messages of the whole WebSocket messages at the beginning of `data` (RFC 6455, 5), and their length in bytes.

    Frames may be deflated without context takeover (RFC 7692, 7.2.2). Raises Broken.
    """
    messages: list[Message] = []
    consumed = 0
    while True:
        found, end = _read_one(data, consumed)
        if end == consumed:
            return messages, consumed
        messages += found
        consumed = end


def _read_one(data: bytes, start: int) -> tuple[list[Message], int]:
    """One message with the control frames that came between its fragments; nothing and `start` if it isn't whole."""
    found: list[Message] = []
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
            found += _control(opcode, payload)
            if not fragments:
                return found, at
            continue
        if bool(fragments) != (opcode == _CONTINUATION):
            raise Broken("a fragment is out of place")
        if not fragments:
            deflated = bool(first & _DEFLATED)
        fragments.append(payload)
        if first & _FIN:
            message = b"".join(fragments)
            found += meaning(_inflate(message) if deflated else message)
            return found, at


def _frame(data: bytes, at: int) -> tuple[int, bytes, int] | None:
    """A frame's first byte, its payload, and where it ends; None if it isn't whole."""
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
    """The messages of the whole events at the beginning of `data` (HTML, 9.2.6), and their length in bytes.

    Raises Broken.
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
    """What the whole chunks at the beginning of `data` carry (RFC 9112, 7.1), and their length.

    Also returns whether the last of them ends the body. Raises Broken.
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
    """What a JSON message of the stream says; nothing for types that don't matter here. Raises Broken."""
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
