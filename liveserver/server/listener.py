"""The listening socket, which all processes of a server share."""

from __future__ import annotations

import errno
import os
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from liveserver.domain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liveserver.settings import Settings

BACKLOG = 4096
SEND_BUFFER = 64 * 1024
"""The size in bytes of the kernel's send buffer for each connection. Linux doubles this size, to have
room for its own bookkeeping."""


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """Yield a socket that listens at the address in the settings, and close it afterwards.

    Raises SettingsError if the process can't listen at this address.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit these options. SO_SNDBUF: the kernel's buffer is a queue, too. If it grew to megabytes, it
        # would hide a slow viewer's lag. TCP_USER_TIMEOUT: the kernel cuts off a peer that has read nothing for the lag
        # timeout. Without it, a transport that was told to close would wait until the peer has read its buffer.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if sys.platform == "linux":
            patience = round(settings.lag_timeout * 1000)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience)
        try:
            listener.bind((settings.host, settings.port))
            listener.listen(BACKLOG)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                reason = f"{reason}: give another port with --port (LIVESERVER_PORT)"
                # Make says so to its children.
                reason += ", or after `make run`, with PORT=…" if os.environ.get("MAKELEVEL") else ""
            raise SettingsError(f"can't listen on {settings.host}:{settings.port}: {reason}") from None
        listener.setblocking(False)
        yield listener


def address_of(settings: Settings) -> str:
    """Return the host and the port of the settings as they are written in a URL: `127.0.0.1:8000`, `[::1]:8000`."""
    return f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
