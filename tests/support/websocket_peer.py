"""A WebSocket peer's frames, right and wrong, and a transport in memory."""

from __future__ import annotations

import asyncio
import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

WAIT = 10.0
"""Seconds after which a test that awaits something has failed."""


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """A frame (RFC 6455, 5.2)."""
    size, mask = len(data), 0x80 if masked else 0
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if size < 126:
        head += bytes([mask | size])
    elif size < 65536:
        head += struct.pack("!BH", mask | 126, size)
    else:
        head += struct.pack("!BQ", mask | 127, size)
    # The mask 0, which RFC 6455 permits, spares us the work; one test uses another.
    return head + (bytes(4) if masked else b"") + data


def close(code: int, reason: bytes = b"") -> bytes:
    """A close frame."""
    return frame(CLOSE, struct.pack("!H", code) + reason)


def fragments(opcode: int, data: bytes, size: int, *, rsv: int = 0) -> list[bytes]:
    """A message in frames of so many bytes."""
    starts = range(0, max(1, len(data)), size)
    return [
        frame(opcode if at == 0 else CONT, data[at : at + size], fin=at == starts[-1], rsv=rsv if at == 0 else 0)
        for at in starts
    ]


def chopped(data: bytes, size: int) -> Iterator[bytes]:
    """The bytes in packets of a size."""
    return (data[at : at + size] for at in range(0, len(data), size))


def deflated(data: bytes, level: int = -1) -> bytes:
    """A message as permessage-deflate packs it (RFC 7692, 7.2.1)."""
    deflate = zlib.compressobj(level, wbits=-15)
    return (deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def inflated(data: bytes) -> bytes:
    """A message unpacked (RFC 7692, 7.2.2)."""
    return zlib.decompressobj(wbits=-15).decompress(data + b"\0\0\xff\xff")


def answers(written: Iterable[bytes]) -> list[tuple[int, bytes]]:
    """The server's frames: first byte and payload of each."""
    data, found = b"".join(written), []
    while data:
        assert not data[1] & 0x80, "a server doesn't mask"
        length, head = data[1], 2
        if length == 126:
            [length], head = struct.unpack("!H", data[2:4]), 4
        elif length == 127:
            [length], head = struct.unpack("!Q", data[2:10]), 10
        assert len(data) >= head + length
        found.append((data[0], data[head : head + length]))
        data = data[head + length :]
    return found


class Transport(asyncio.Transport):
    """Takes everything, and notes it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.wrote = asyncio.Event()
        self.ended = asyncio.Event()
        self.aborted = asyncio.Event()
        self.reading = True
        self.waiting = 0
        """Bytes that the peer hasn't taken."""
        self.over = ""
        self.eof = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """There is no socket."""
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Note it."""
        assert not self.over, "nothing is written after the end"
        assert not self.eof, "nothing is written after the end"
        self.written.append(bytes(data))
        self.wrote.set()

    def get_write_buffer_size(self) -> int:
        """Nothing waits, unless the test says so."""
        return self.waiting

    def is_closing(self) -> bool:
        """Whether it was closed or aborted."""
        return bool(self.over)

    def close(self) -> None:
        """Note it."""
        self.over = self.over or "closed"
        self.ended.set()

    def abort(self) -> None:
        """Note it."""
        self.over = "aborted"
        self.ended.set()
        self.aborted.set()

    def can_write_eof(self) -> bool:
        """It can."""
        return True

    def write_eof(self) -> None:
        """Note it."""
        self.eof = True
        self.ended.set()

    def pause_reading(self) -> None:
        """Note it."""
        self.reading = False

    def resume_reading(self) -> None:
        """Note it."""
        self.reading = True
