"""Accepting connections whose first bytes are a TLS handshake: from the first moment on each is one of those there are.

The event loops' own TLS servers tell their protocol of a connection when its handshake is complete. Until then nobody
counts it, and peers that never begin one take all descriptors. So we accept ourselves.
"""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from functools import partial
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, NamedTuple, Protocol

from liveserver.refusals import Reason, refusals

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


class Terms(NamedTuple):
    """What holds for all TLS connections of a server. Times are in seconds."""

    context: SSLContext
    handshake_seconds: float
    shutdown_seconds: float


class Handshake:
    """A connection that was accepted and isn't encrypted yet."""

    __slots__ = ("_sock", "address")

    def __init__(self, sock: socket, address: str) -> None:
        self._sock = sock
        self.address = address

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
        terms = self._terms
        try:
            await self._loop.connect_accepted_socket(
                partial(self._made, handshake),
                sock,
                ssl=terms.context,
                ssl_handshake_timeout=terms.handshake_seconds,
                ssl_shutdown_timeout=terms.shutdown_seconds,
            )
        except OSError:
            # It speaks no TLS, or none that we do, or nothing at all; it was told so as far as TLS tells.
            pass
        finally:
            self._places.leave(handshake)
