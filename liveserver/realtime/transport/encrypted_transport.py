"""A TLS transport that encrypts no more than its peer takes: what waits beyond are the bytes that viewers share.

TLS encrypts at once whatever it is given, for each connection anew, and two layers buffer it: with 64 KB in each,
viewers that don't read took 130 KB and more apiece, and the C library's heap kept that. Here TLS is given another piece
when the socket has taken the one before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

PIECE = 16 * 1024
"""Bytes that are encrypted at once: the most that a record holds (RFC 8446, 5.1)."""

WAITING_MAX = 128 * 1024
"""Bytes that wait unencrypted before the viewer is told to pause: as many as the two layers of TLS held.

They are the hub's own, which all viewers of an encoding share: here they cost a reference."""

ANY = 1
"""The high-water mark of TLS: it pauses when the socket doesn't take everything. (With 0 it would always do so.)"""


class EncryptedTransport(asyncio.Transport, asyncio.Protocol):
    """Stands between a TLS transport and its protocol, and is either's other side."""

    __slots__ = ("_closing", "_paused", "_protocol", "_telling", "_tls", "_waiting", "_waiting_bytes")

    def __init__(self, tls: asyncio.Transport, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._tls = tls
        self._protocol = protocol
        self._waiting: deque[memoryview[Any]] | None = None
        """What TLS wasn't given yet; None as long as there never was any: an empty one takes 700 bytes."""
        self._waiting_bytes = 0
        self._telling = False
        """The protocol was told to pause."""
        self._closing = False
        """The transport is closed when nothing waits any more."""
        self._paused = tls.get_write_buffer_size() > ANY
        """TLS takes nothing until it says so."""
        tls.set_protocol(self)
        tls.set_write_buffer_limits(ANY)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """See asyncio.WriteTransport."""
        view = memoryview(data)
        if self._closing or not view:
            return
        if not self._waiting:
            view = self._encrypt(view)
        if view:
            if self._waiting is None:
                self._waiting = deque()
            self._waiting.append(view)
            self._waiting_bytes += len(view)
            if self._waiting_bytes > WAITING_MAX and not self._telling:
                self._telling = True
                self._protocol.pause_writing()

    def close(self) -> None:
        """See asyncio.BaseTransport."""
        self._closing = True
        if not self._waiting:
            self._tls.close()

    def abort(self) -> None:
        """See asyncio.WriteTransport."""
        self._closing = True
        self._forget()
        self._tls.abort()

    def is_closing(self) -> bool:
        """See asyncio.BaseTransport."""
        return self._closing or self._tls.is_closing()

    def get_write_buffer_size(self) -> int:
        """See asyncio.WriteTransport."""
        return self._waiting_bytes + self._tls.get_write_buffer_size()

    def write_eof(self) -> None:
        """Raise NotImplementedError: under TLS no direction ends by itself."""
        raise NotImplementedError

    def can_write_eof(self) -> bool:
        """See asyncio.WriteTransport."""
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See asyncio.BaseTransport."""
        return self._tls.get_extra_info(name, default)

    def is_reading(self) -> bool:
        """See asyncio.ReadTransport."""
        return self._tls.is_reading()

    def pause_reading(self) -> None:
        """See asyncio.ReadTransport."""
        self._tls.pause_reading()

    def resume_reading(self) -> None:
        """See asyncio.ReadTransport."""
        self._tls.resume_reading()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """See asyncio.BaseTransport."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See asyncio.BaseTransport."""
        self._protocol = cast("asyncio.Protocol", protocol)

    def data_received(self, data: bytes) -> None:
        """Pass on what the peer says."""
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on that the peer says nothing more."""
        return self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on that the connection has ended; nothing waits any more."""
        self._closing = True
        self._forget()
        self._protocol.connection_lost(exc)
        # What is in a circle waits for the garbage collector.
        del self._protocol

    def pause_writing(self) -> None:
        """TLS holds something that the socket doesn't take."""
        self._paused = True

    def resume_writing(self) -> None:
        """The socket has taken it: encrypt more of what waits."""
        self._paused = False
        waiting = self._waiting
        while waiting and not self._paused:
            view = waiting[0]
            rest = self._encrypt(view)
            self._waiting_bytes -= len(view) - len(rest)
            if rest:
                waiting[0] = rest
            else:
                waiting.popleft()
        if waiting:
            return
        self._waiting = None
        if self._closing:
            self._tls.close()
        elif self._telling:
            self._telling = False
            self._protocol.resume_writing()

    def _encrypt(self, view: memoryview[Any]) -> memoryview[Any]:
        """Give TLS as much as it takes; the rest."""
        while view and not self._paused:
            self._tls.write(view[:PIECE])
            view = view[PIECE:]
        return view

    def _forget(self) -> None:
        self._waiting, self._waiting_bytes = None, 0
