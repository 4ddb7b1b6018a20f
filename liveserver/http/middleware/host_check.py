"""Which hosts this server answers for, where an operator says so.

A site that has its name point to this server's address reads, with its own pages' scripts, whatever is here, as if it
were its own (DNS rebinding). The browser says in the Host header by what name it came; so other names than ours are
turned away. What comes to a bare address has come by no name, and is let through: that is how health checks, monitoring
and an operator who looks at one node come.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from liveserver.http.problems import Kind, problem
from liveserver.http.responses.prebuilt import deny
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

    from liveserver.settings import Settings

log = structlog.get_logger(__name__)

HEALTH = frozenset({"/healthz", "/readyz"})
"""Of no use to anybody else, and asked for by programs that send whatever Host, or none."""
UNATTENDED = HEALTH | {"/metrics"}
"""Paths that machines ask for, by whichever name a node has among them."""
MISDIRECTED = Kind(421, "misdirected-request", "The request is for another host")
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9a-z_.-]+))(?::[0-9]{0,5})?", re.ASCII | re.IGNORECASE)
"""An IPv6 address, or an IPv4 one or a name; and a port (RFC 9110, 7.2)."""
_NAMING = frozenset({b"host", b"x-forwarded-host"})
SHOWN = 100
"""Characters of a Host that get into the log, and into the answer."""


class PublicName:
    """Tells the log, once, that requests come by another name than the public URL's, to which all links lead.

    A proxy's word of the name by which it was asked counts, too, whoever it is from: nothing but that line comes of it.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.base_url
        self._public = urlsplit(self._url).hostname or ""
        self._allowed = settings.hosts
        self._only_names = not _is_loopback(self._public)
        """Where the public URL has a name, a request for an address is for one node; else there may be no name."""
        self._fine: bytes | None = None
        """What was named last, and was as it should be: that of most requests."""
        self._told = False

    def look(self, scope: Scope) -> None:
        """Look at whom a request is for."""
        if self._told:
            return
        for name, value in scope["headers"]:
            if name in _NAMING and value != self._fine and scope["path"] not in UNATTENDED:
                host = _name(value.decode("latin-1").partition(",")[0].strip())
                if host is None or not self._differs(host):
                    self._fine = value
                    continue
                self._told = True
                log.warning("public_url.differs", host=host[:SHOWN], public_url=self._url, set="LIVESERVER_PUBLIC_URL")
                return

    def _differs(self, host: str) -> bool:
        if host == self._public or _is_loopback(host) or (self._allowed and host not in self._allowed):
            return False
        return not (self._only_names and _address(host))


class HostCheck:
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
        return _address(address or name) is not None


def _name(host: str) -> str | None:
    """The name or address of a Host header, in lower case and without its port; None for what is none."""
    found = _HOST.fullmatch(host)
    return found and (found[1] or found[2]).lower()


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    """Whether it leads back to the machine that it is used on (RFC 6761, 6.3)."""
    address = _address(name)
    return address.is_loopback if address else name == "localhost" or name.endswith(".localhost")


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
