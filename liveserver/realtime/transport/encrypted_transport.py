"""A TLS transport that encrypts data only when the socket accepts more. Until then the data waits unencrypted.

All viewers share the unencrypted bytes. The event loop's TLS transport encrypts all data of a connection as soon as it
is written, and buffers the result in two layers. With 64 KB in each layer, a viewer that didn't read needed 130 KB and
more, and the C library's heap kept this memory. This transport gives the TLS transport a piece of data only after the
socket has accepted the previous piece.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

PIECE = 16 * 1024
"""The greatest number of bytes that are encrypted at a time: the content of a full TLS record (RFC 8446, 5.1)."""

WAITING_MAX = 128 * 1024
"""The number of bytes that may wait unencrypted. If more wait, the protocol's `pause_writing` is called.

The event loop's own TLS transport buffers the same number of bytes in its two layers. But the bytes that wait here are
shared by all viewers with the same encoding. A transport has only references to them."""

ANY = 1
"""The high-water mark of the TLS transport, in bytes.

With 1, the TLS transport calls `EncryptedTransport.pause_writing` whenever the socket doesn't accept all data. With 0,
every write would cause this call, even if the socket accepts all data."""


class EncryptedTransport(asyncio.Transport, asyncio.Protocol):
    """A layer between a TLS transport and a connection's protocol.

    It is the protocol of the TLS transport, and the transport of the connection's protocol.
    """

    __slots__ = ("_closing", "_paused", "_protocol", "_tls", "_told_to_pause", "_waiting", "_waiting_bytes")

    def __init__(self, tls: asyncio.Transport, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._tls = tls
        self._protocol = protocol
        self._waiting: deque[memoryview[Any]] | None = None
        """The data that isn't encrypted yet; None if there is none, since an empty deque takes 700 bytes."""
        self._waiting_bytes = 0
        self._told_to_pause = False
        """True after the protocol's `pause_writing` was called, until its `resume_writing` is called."""
        self._closing = False
        """True if the connection is closed, or will be closed once all waiting data is sent."""
        self._paused = tls.get_write_buffer_size() > ANY
        """True while we give the TLS transport no data, because it still has data that the socket didn't accept."""
        tls.set_protocol(self)
        tls.set_write_buffer_limits(ANY)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send data, or let it wait while the TLS transport is paused. Does nothing if this transport is closing."""
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
        """Close the connection once all waiting data is sent."""
        self._closing = True
        if not self._waiting:
            self._tls.close()

    def abort(self) -> None:
        """Close the connection at once, and drop all waiting data."""
        self._closing = True
        self._forget()
        self._tls.abort()

    def is_closing(self) -> bool:
        """Return True if the transport is closed, or is being closed."""
        return self._closing or self._tls.is_closing()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that wait to be sent: those that wait here plus those in the TLS transport."""
        return self._waiting_bytes + self._tls.get_write_buffer_size()

    def write_eof(self) -> None:
        """Raise NotImplementedError: a TLS connection can't end in one direction only."""
        raise NotImplementedError

    def can_write_eof(self) -> bool:
        """Return False, because `write_eof` raises NotImplementedError."""
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the TLS transport's information on the connection under this name; `default` if there is none."""
        return self._tls.get_extra_info(name, default)

    def is_reading(self) -> bool:
        """Return True unless reading is paused."""
        return self._tls.is_reading()

    def pause_reading(self) -> None:
        """Read nothing from the peer until `resume_reading` is called."""
        self._tls.pause_reading()

    def resume_reading(self) -> None:
        """Read from the peer again."""
        self._tls.resume_reading()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol that this transport serves."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Serve this protocol from now on. It must be an `asyncio.Protocol`."""
        self._protocol = cast("asyncio.Protocol", protocol)

    def data_received(self, data: bytes) -> None:
        """Pass data from the peer on to the protocol."""
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """Tell the protocol that the peer sends nothing more. Returns what the protocol's `eof_received` returns."""
        return self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop all waiting data, and tell the protocol that the connection has ended."""
        self._closing = True
        self._forget()
        self._protocol.connection_lost(exc)
        # The protocol refers to this transport. This reference cycle would stay in memory until the garbage collector
        # runs.
        del self._protocol

    def pause_writing(self) -> None:
        """Give the TLS transport no more data until it calls `resume_writing`.

        Called by the TLS transport when the socket hasn't accepted all data.
        """
        self._paused = True

    def resume_writing(self) -> None:
        """Give the TLS transport more of the waiting data.

        Called by the TLS transport when the socket has accepted all data. When no data waits here any more, the
        connection is closed if `close` was called. Otherwise, if the protocol was told to pause, its `resume_writing`
        is called.
        """
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
        """Give the TLS transport data, in pieces, until the TLS transport calls `pause_writing`. Returns the rest."""
        while view and not self._paused:
            self._tls.write(view[:PIECE])
            view = view[PIECE:]
        return view

    def _forget(self) -> None:
        self._waiting, self._waiting_bytes = None, 0
