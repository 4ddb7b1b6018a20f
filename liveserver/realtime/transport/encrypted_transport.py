"""A TLS transport that encrypts only as much as its peer takes; the rest waits as the bytes that viewers share.

TLS encrypts everything at once, for each connection anew, and two layers buffer the result. With 64 KB in each, a
viewer that doesn't read took 130 KB and more, and the C library's heap kept them. Here TLS gets the next piece when the
socket has taken the one before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

PIECE = 16 * 1024
"""Bytes that are encrypted at a time: the content of a full record (RFC 8446, 5.1)."""

WAITING_MAX = 128 * 1024
"""Bytes that may wait unencrypted before the viewer is told to pause: as many as the two layers of TLS held.

The hub owns these bytes, and all viewers of an encoding share them: here they cost a reference."""

ANY = 1
"""The high-water mark of TLS, in bytes: it pauses if the socket doesn't take everything. (With 0 it always would.)"""


class EncryptedTransport(asyncio.Transport, asyncio.Protocol):
    """A layer between a TLS transport and its protocol: the transport of the one, and the protocol of the other."""

    __slots__ = ("_closing", "_paused", "_protocol", "_tls", "_told_to_pause", "_waiting", "_waiting_bytes")

    def __init__(self, tls: asyncio.Transport, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._tls = tls
        self._protocol = protocol
        self._waiting: deque[memoryview[Any]] | None = None
        """Data that TLS wasn't given yet; None if there is none: an empty deque takes 700 bytes."""
        self._waiting_bytes = 0
        self._told_to_pause = False
        """True while the protocol is told to pause."""
        self._closing = False
        """True if the transport is closed, or is to be closed once nothing waits."""
        self._paused = tls.get_write_buffer_size() > ANY
        """True while TLS takes no more data."""
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
            if self._waiting_bytes > WAITING_MAX and not self._told_to_pause:
                self._told_to_pause = True
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
        """Pass on data from the peer."""
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on that the peer sends nothing more."""
        return self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop waiting data, and pass on that the connection has ended."""
        self._closing = True
        self._forget()
        self._protocol.connection_lost(exc)
        # A reference cycle would stay in memory until the garbage collector runs.
        del self._protocol

    def pause_writing(self) -> None:
        """Note that TLS holds data that the socket doesn't take."""
        self._paused = True

    def resume_writing(self) -> None:
        """Encrypt more of the waiting data: the socket has taken everything."""
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
        elif self._told_to_pause:
            self._told_to_pause = False
            self._protocol.resume_writing()

    def _encrypt(self, view: memoryview[Any]) -> memoryview[Any]:
        """Give TLS as much as it takes, and return the rest."""
        while view and not self._paused:
            self._tls.write(view[:PIECE])
            view = view[PIECE:]
        return view

    def _forget(self) -> None:
        self._waiting, self._waiting_bytes = None, 0
