"""Which hosts this server answers for, where an operator says so.

A site that has its name point to this server's address reads, with its own pages' scripts, whatever is here, as if it
were its own (DNS rebinding). The browser says in the Host header by what name it came; so other names than ours are
turned away. What comes to a bare address has come by no name, and is let through: that is how health checks, monitoring
and an operator who looks at one node come.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from liveserver.api.problems import Kind, problem
from liveserver.refusals import Reason, refusals
from liveserver.responding import deny

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

HEALTH = frozenset({"/healthz", "/readyz"})
"""Of no use to anybody else, and asked for by programs that send whatever Host, or none."""
MISDIRECTED = Kind(421, "misdirected-request", "The request is for another host")
_ADDRESS = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
LOGGED = 100
"""Characters of a Host that get into the log."""


class Hosts:
    """ASGI middleware: answers 421 to requests and handshakes for other hosts than `allowed` (RFC 9110, 15.5.20)."""

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = frozenset(name.encode() for name in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] in {"http", "websocket"} and not self._is_ours(scope):
            await _refuse(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        named = [value for name, value in scope["headers"] if name == b"host"]
        # One, and one only: with two, who reads the other one would have been told something else.
        if len(named) == 1 and (named[0].partition(b":")[0].lower() in self._allowed or _is_address(named[0])):
            return True
        return scope["path"] in HEALTH


def _is_address(host: bytes) -> bool:
    """Whether a Host header has an IP address in it, with a port or without (RFC 3986, 3.2.2)."""
    found = _ADDRESS.fullmatch(host.decode("latin-1"))
    try:
        return found is not None and bool(ipaddress.ip_address(found[1] or found[2]))
    except ValueError:
        return False


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    host = ", ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"host")
    client = scope.get("client")
    refusals.note(Reason.HOST, address=client[0] if client else None, host=host[:LOGGED], path=scope["path"])
    detail = "this server is not the host that the request names (LIVESERVER_ALLOWED_HOSTS)"
    response = problem(MISDIRECTED, detail, instance=scope["path"])
    if scope["type"] == "http":
        await response(scope, receive, send)
        return
    await deny(scope, receive, send, response)
