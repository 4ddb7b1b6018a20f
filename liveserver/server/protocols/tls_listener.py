"""Accepting TLS connections, which count toward the server's limit of connections even before their TLS handshake.

The event loops' own TLS servers report a connection only when its handshake is complete. Until then the connection
wouldn't be counted, and peers that never begin a handshake could use up all descriptors. So this module accepts
connections itself.

Also, the event loops' servers don't report TLS records without content. So this module counts all records itself, in a
`RecordGate` between the socket and the event loop's TLS.
"""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from liveserver.server.protocols.tls_records import RecordBudget
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket
    from ssl import SSLContext

ACCEPTED = 16
"""The greatest number of connections that one `TlsListener` accepts in one turn of the event loop."""

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""The error numbers of `accept` if the process or the machine can't have any more connections."""

EXHAUSTED_SECONDS = 0.1
"""How long, in seconds, no connection is accepted after one of the errors in `EXHAUSTED`.

Without this pause, the event loop would be busy all the time, since the listening socket stays ready."""

READ_SIZE = 16 * 1024
"""The greatest number of bytes that are read from a connection in one turn of the event loop.

This is the size of a full TLS record."""


class Terms(NamedTuple):
    """The settings of all TLS connections of a server. Times are in seconds."""

    context: SSLContext
    handshake_seconds: float
    shutdown_seconds: float


class Handshake:
    """A connection that was accepted, and whose TLS handshake isn't complete yet."""

    __slots__ = ("_sock", "address", "records")

    def __init__(self, sock: socket, address: str) -> None:
        self._sock = sock
        self.address = address
        self.records = RecordBudget(asyncio.get_running_loop().time())

    def give_way(self) -> None:
        """End the connection to make room for another one, and count a refusal."""
        refusals.note(Reason.GAVE_WAY, address=self.address)
        self.shutdown()

    def shutdown(self) -> None:
        """End the connection without an answer."""
        with suppress(OSError):
            self._sock.shutdown(SHUT_RDWR)


class HandshakePlaces(Protocol):
    """The interface by which `TlsListener` asks for room for connections in their TLS handshake."""

    def take(self, handshake: Handshake) -> bool:
        """Add a handshake if there is room for it. Returns False if there is no room.

        The handshake may be ended later to make room for another connection.
        """
        ...

    def leave(self, handshake: Handshake) -> None:
        """Remove a handshake that has ended. Does nothing if it was removed before."""
        ...


class RecordGate(asyncio.BufferedProtocol):
    """A gate between a socket's transport and the event loop's TLS.

    The gate counts the TLS records that come, before TLS spends time on these records.
    """

    __slots__ = ("_address", "_buffer", "_loop", "_records", "_tls", "_transport", "_waiting")

    def __init__(self, handshake: Handshake) -> None:
        self._address = handshake.address
        self._records = handshake.records
        self._loop = asyncio.get_running_loop()
        self._tls: asyncio.BufferedProtocol | None = None
        self._waiting: bytes | None = b""
        """The data that has come before TLS was ready for data; None once TLS is ready."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of an accepted connection."""
        self._transport = cast("asyncio.Transport", transport)

    def stand_before(self) -> None:
        """Become the transport's protocol in place of TLS, so that data comes to this gate first.

        Call this after TLS has become the transport's protocol, and before the `connection_made` of TLS is called.
        """
        tls = self._transport.get_protocol()
        if tls is not None:
            self._tls = cast("asyncio.BufferedProtocol", tls)
            self._transport.set_protocol(self)
            self._loop.call_soon(self._open)

    def _open(self) -> None:
        """Give TLS the data that has come so far, and go on reading."""
        waiting, self._waiting = self._waiting, None
        if waiting and not self._transport.is_closing():
            assert self._tls is not None
            size = len(waiting)
            memoryview(self._tls.get_buffer(size))[:size] = waiting
            self._tls.buffer_updated(size)
            self._transport.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return a buffer of at most `READ_SIZE` bytes, into which the transport puts the next data.

        Once TLS is ready for data, this buffer is a part of TLS's own buffer.
        """
        tls = self._tls
        if tls is None or self._waiting is not None:
            self._buffer = memoryview(bytearray(READ_SIZE))
        else:
            self._buffer = memoryview(tls.get_buffer(READ_SIZE))[:READ_SIZE]
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Count the records in the `nbytes` bytes that have come into the buffer, and give the bytes to TLS.

        Until TLS is ready for data, the bytes are kept. If the connection's `RecordBudget` is exceeded, the connection
        is ended without an answer.
        """
        data = self._buffer[:nbytes]
        del self._buffer
        if not self._records.came(data, self._loop.time()):
            refusals.note(Reason.TOO_MANY_RECORDS, address=self._address)
            self._transport.abort()
        elif self._waiting is not None:
            self._waiting += data
            self._transport.pause_reading()
        elif self._tls is not None:
            self._tls.buffer_updated(nbytes)
            # There may be more to read, but other connections come first. (TLS may have paused reading itself.)
            if nbytes == READ_SIZE and self._transport.is_reading():
                self._transport.pause_reading()
                self._loop.call_soon(self._transport.resume_reading)

    def eof_received(self) -> bool | None:
        """Tell TLS that the peer sends nothing more. Returns True if TLS still needs the transport open."""
        return None if self._tls is None else self._tls.eof_received()

    def pause_writing(self) -> None:
        """Tell TLS to send no more for now, because the peer reads slowly."""
        if self._tls is not None:
            self._tls.pause_writing()

    def resume_writing(self) -> None:
        """Tell TLS that it may send again, because the peer has read enough."""
        if self._tls is not None:
            self._tls.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell TLS that the connection has ended."""
        if self._tls is not None:
            self._tls.connection_lost(exc)


class EarlyData(asyncio.Protocol):
    """The first protocol of a TLS connection. It keeps the data that comes before the HTTP protocol takes over.

    A client may send data together with the end of its handshake, and some event loops deliver this data at once.
    """

    def __init__(self) -> None:
        self.data = b""

    def data_received(self, data: bytes) -> None:
        """Keep data for the HTTP protocol."""
        self.data += data


class TlsListener:
    """A listening socket for TLS connections. The class has the methods of `asyncio.Server` that uvicorn needs.

    `make_protocol` is called when a handshake is complete. It returns the protocol that gets the connection.
    """

    def __init__(
        self,
        make_protocol: Callable[[Handshake], asyncio.Protocol],
        terms: Terms,
        room: HandshakePlaces,
        tasks: set[asyncio.Task[None]],
        sock: socket,
    ) -> None:
        """Begin to listen on `sock`. `tasks`: a set in which the tasks of handshakes are kept until they end."""
        self.sockets = (sock,)
        self._make_protocol = make_protocol
        self._terms = terms
        self._room = room
        self._tasks = tasks
        self._sock = sock
        self._again: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._listen()

    def close(self) -> None:
        """Accept no more connections. The listening socket stays open; its owner closes it."""
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._sock)

    async def wait_closed(self) -> None:
        """Return at once: there is nothing to wait for."""

    def _listen(self) -> None:
        self._again = None
        self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTED):
            try:
                sock, peer = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                refusals.note(Reason.TOO_MANY_CONNECTIONS, why=error.strerror)
                self._loop.remove_reader(self._sock)
                self._again = self._loop.call_later(EXHAUSTED_SECONDS, self._listen)
                return
            sock.setblocking(False)
            handshake = Handshake(sock, peer[0])
            if not self._room.take(handshake):
                sock.close()
                continue
            task = self._loop.create_task(self._encrypt(sock, handshake))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _encrypt(self, sock: socket, handshake: Handshake) -> None:
        terms, loop = self._terms, self._loop
        gate, early = RecordGate(handshake), EarlyData()
        try:
            raw, _ = await loop.connect_accepted_socket(lambda: gate, sock)
            if raw.is_closing():
                return
            # This call is scheduled before `start_tls` schedules anything. So when it runs, TLS is the transport's
            # protocol, and no data was read yet.
            loop.call_soon(gate.stand_before)
            transport = await loop.start_tls(
                raw,
                early,
                terms.context,
                server_side=True,
                ssl_handshake_timeout=terms.handshake_seconds,
                ssl_shutdown_timeout=terms.shutdown_seconds,
            )
            if transport is None or transport.is_closing() or raw.is_closing():
                return
            # TLS has a buffer for unsent data. The socket's transport needn't have a second one, which would take 64 KB
            # for each peer that doesn't read.
            raw.set_write_buffer_limits(0)
            protocol = self._make_protocol(handshake)
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            if early.data:
                protocol.data_received(early.data)
        except OSError:
            # The peer doesn't speak TLS, or no version that we accept, or sends nothing at all. TLS has sent an alert
            # if it could.
            pass
        finally:
            self._room.leave(handshake)
