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
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9a-z_.-]+))(?::[0-9]{0,5})?", re.ASCII | re.IGNORECASE)
"""An IPv6 address, or an IPv4 one or a name; and a port (RFC 9110, 7.2)."""
SHOWN = 100
"""Characters of a Host that get into the log, and into the answer."""


class Hosts:
    """ASGI middleware: answers 421 to requests and handshakes for other hosts than `allowed` (RFC 9110, 15.5.20)."""

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] in {"http", "websocket"} and not self._is_ours(scope):
            await _refuse(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        named = [value for name, value in scope["headers"] if name == b"host"]
        # One, and one only: with two, who reads the other one would have been told something else.
        if len(named) == 1 and self._allows(named[0].decode("latin-1")):
            return True
        return scope["path"] in HEALTH

    def _allows(self, host: str) -> bool:
        """Whether a Host header has one of the names, or an IP address, in it, with a port or without."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        address, name = found.groups()
        if name is not None and name.lower() in self._allowed:
            return True
        try:
            return bool(ipaddress.ip_address(address or name))
        except ValueError:
            return False


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    host = ", ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"host")[:SHOWN]
    client = scope.get("client")
    refusals.note(Reason.HOST, address=client[0] if client else None, host=host, path=scope["path"])
    # In ASCII: nobody is shown a name that looks like another one.
    detail = f"this server doesn't answer for the host {host!a}: LIVESERVER_ALLOWED_HOSTS says for which it does"
    response = problem(MISDIRECTED, detail, instance=scope["path"])
    if scope["type"] == "http":
        await response(scope, receive, send)
        return
    await deny(scope, receive, send, response)
