"""Accepting connections whose first bytes are a TLS handshake: from the first moment on each is one of those there are.

The event loops' own TLS servers tell their protocol of a connection when its handshake is complete. Until then nobody
counts it, and peers that never begin one take all descriptors. So we accept ourselves.

Nor do they tell of what a peer sends that carries nothing for the protocol. So we read ourselves, too: between the
socket and TLS stands a `RecordGate`.
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
"""Connections accepted in one turn of the event loop."""

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What the kernel says to `accept` when the process, or the machine, can have no more connections."""

EXHAUSTED_SECONDS = 0.1
"""Seconds until another is accepted then: the listening socket stays ready all the while."""

READ_SIZE = 16 * 1024
"""Bytes read of a connection in one turn of the event loop, as many as a record holds."""


class Terms(NamedTuple):
    """What holds for all TLS connections of a server. Times are in seconds."""

    context: SSLContext
    handshake_seconds: float
    shutdown_seconds: float


class Handshake:
    """A connection that was accepted and isn't encrypted yet."""

    __slots__ = ("_sock", "address", "records")

    def __init__(self, sock: socket, address: str) -> None:
        self._sock = sock
        self.address = address
        self.records = RecordBudget(asyncio.get_running_loop().time())

    def give_way(self) -> None:
        """End: another connection needs the place."""
        refusals.note(Reason.GAVE_WAY, address=self.address)
        self.shutdown()

    def shutdown(self) -> None:
        """End without a word."""
        with suppress(OSError):
            self._sock.shutdown(SHUT_RDWR)


class Places(Protocol):
    """The connections that there are, and how many there may be."""

    def take(self, handshake: Handshake) -> bool:
        """Whether there is room for one more, which is kept until `leave`, or until another needs it more."""
        ...

    def leave(self, handshake: Handshake) -> None:
        """It has ended; nothing happens if it left before."""
        ...


class RecordGate(asyncio.BufferedProtocol):
    """Stands between a socket's transport and the event loop's TLS, and counts what comes before it costs anything."""

    __slots__ = ("_address", "_buffer", "_loop", "_records", "_tls", "_transport", "_waiting")

    def __init__(self, handshake: Handshake) -> None:
        self._address = handshake.address
        self._records = handshake.records
        self._loop = asyncio.get_running_loop()
        self._tls: asyncio.BufferedProtocol | None = None
        self._waiting: bytes | None = b""
        """What comes while TLS can't take it; None: it can."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection was accepted."""
        self._transport = cast("asyncio.Transport", transport)

    def stand_before(self) -> None:
        """Take the place of TLS, which the transport has been given, and which is told of it right after this."""
        tls = self._transport.get_protocol()
        if tls is not None:
            self._tls = cast("asyncio.BufferedProtocol", tls)
            self._transport.set_protocol(self)
            self._loop.call_soon(self._open)

    def _open(self) -> None:
        """Pass on what has come."""
        waiting, self._waiting = self._waiting, None
        if waiting and not self._transport.is_closing():
            assert self._tls is not None
            size = len(waiting)
            memoryview(self._tls.get_buffer(size))[:size] = waiting
            self._tls.buffer_updated(size)
            self._transport.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        """A place for what comes next: that of TLS, but for so much that it can be counted before more comes."""
        tls = self._tls
        if tls is None or self._waiting is not None:
            self._buffer = memoryview(bytearray(READ_SIZE))
        else:
            self._buffer = memoryview(tls.get_buffer(READ_SIZE))[:READ_SIZE]
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Pass on what has come, unless that is too many records: then it is the end, without a word."""
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
            # There may be more: others come first. (TLS may wait for its own reader.)
            if nbytes == READ_SIZE and self._transport.is_reading():
                self._transport.pause_reading()
                self._loop.call_soon(self._transport.resume_reading)

    def eof_received(self) -> bool | None:
        """The peer has ended it."""
        return None if self._tls is None else self._tls.eof_received()

    def pause_writing(self) -> None:
        """The peer reads slowly."""
        if self._tls is not None:
            self._tls.pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        if self._tls is not None:
            self._tls.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        if self._tls is not None:
            self._tls.connection_lost(exc)


class EarlyData(asyncio.Protocol):
    """Holds what comes before the protocol is told of its connection: with the last of a handshake, on some loops."""

    def __init__(self) -> None:
        self.data = b""

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self.data += data


class TlsListener:
    """One listening socket, as far as uvicorn needs `asyncio.Server`.

    `made`: the protocol that follows a handshake; it is told of the connection when that is complete.
    """

    def __init__(
        self,
        made: Callable[[Handshake], asyncio.Protocol],
        terms: Terms,
        places: Places,
        tasks: set[asyncio.Task[None]],
        sock: socket,
    ) -> None:
        """`tasks`: they hold on to handshakes that are under way."""
        self.sockets = (sock,)
        self._made = made
        self._terms = terms
        self._places = places
        self._tasks = tasks
        self._sock = sock
        self._again: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._listen()

    def close(self) -> None:
        """Accept no more. The socket is its owner's."""
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._sock)

    async def wait_closed(self) -> None:
        """Return at once."""

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
            if not self._places.take(handshake):
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
            # Before `start_tls` has its own called: the transport's protocol is another by then, and nothing was read.
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
            # TLS holds back what the socket doesn't take: a second buffer of 64 KB for each peer that doesn't read.
            raw.set_write_buffer_limits(0)
            protocol = self._made(handshake)
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            if early.data:
                protocol.data_received(early.data)
        except OSError:
            # It speaks no TLS, or none that we do, or nothing at all; it was told so as far as TLS tells.
            pass
        finally:
            self._places.leave(handshake)
