"""The check of a request's Host header, and a warning in the log if the public URL has another host.

The check is for operators that list their host names. It prevents DNS rebinding. In this attack, a site makes its own
name point to this server's address. Then the scripts of the site's pages can read everything on this server, as if this
server were their own site. The browser sends the attacker's name in the Host header. So the check refuses names that
the operator hasn't listed. A bare IP address is accepted, as it is of no use to an attacker. Health checks, monitoring,
and operators that look at one node use IP addresses.
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
"""Paths that are answered for every host. Their answers are of no use to an attacker, and balancers send any Host
header, or none."""
UNATTENDED = HEALTH | {"/metrics"}
"""Paths that only machines ask for, by internal host names. Requests for them cause no warning in the log."""
MISDIRECTED = Kind(421, "misdirected-request", "The request is for another host")
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9a-z_.-]+))(?::[0-9]{0,5})?", re.ASCII | re.IGNORECASE)
"""A Host header: an IPv6 address in brackets, or an IPv4 address or a name; then possibly a port (RFC 9110, 7.2)."""
_NAMING = frozenset({b"host", b"x-forwarded-host"})
SHOWN = 100
"""At most this many characters of a Host header are shown in the log and in the answer."""


class PublicName:
    """Logs one warning if a request is for another host than the host of the public URL. All links lead to that URL.

    The header `X-Forwarded-Host` is checked as well. Any client may send this header, but the worst consequence is a
    false warning.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.base_url
        self._public = urlsplit(self._url).hostname or ""
        self._allowed = settings.hosts
        self._only_names = not _is_loopback(self._public)
        """True if requests for an IP address cause no warning, as such requests are meant for one node, and not for the
        site. False if the host of the public URL is `localhost` or another loopback address."""
        self._expected: bytes | None = None
        """The last value of a Host or X-Forwarded-Host header that needed no warning. Most requests have the same value
        again. It isn't checked a second time."""
        self._warned = False

    def observe(self, scope: Scope) -> None:
        """Check which host a request is addressed to, and warn if it isn't the host of the public URL."""
        if self._warned:
            return
        for name, value in scope["headers"]:
            if name in _NAMING and value != self._expected and scope["path"] not in UNATTENDED:
                host = _name(value.decode("latin-1").partition(",")[0].strip())
                if host is None or not self._differs(host):
                    self._expected = value
                    continue
                self._warned = True
                log.warning("public_url.differs", host=host[:SHOWN], public_url=self._url, set="LIVESERVER_PUBLIC_URL")
                return

    def _differs(self, host: str) -> bool:
        if host == self._public or _is_loopback(host) or (self._allowed and host not in self._allowed):
            return False
        return not (self._only_names and _address(host))


class HostCheck:
    """ASGI middleware: answers 421 to requests and handshakes for hosts that aren't `allowed` (RFC 9110, 15.5.20).

    Requests for IP addresses, and for the paths in `HEALTH`, are let through as well.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or the handshake of one WebSocket, or refuse it."""
        if scope["type"] in {"http", "websocket"} and not self._is_ours(scope):
            await _refuse(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        # There must be exactly one Host header: if there were two, a proxy might have checked the other one.
        if len(hosts) == 1 and self._allows(hosts[0].decode("latin-1")):
            return True
        return scope["path"] in HEALTH

    def _allows(self, host: str) -> bool:
        """True if a Host header has one of the allowed names or an IP address, with a port or without."""
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        address, name = match.groups()
        if name is not None and name.lower() in self._allowed:
            return True
        return _address(address or name) is not None


def _name(host: str) -> str | None:
    """Return the name or address in a Host header, in lower case, without a port; None if the header isn't valid."""
    match = _HOST.fullmatch(host)
    return match and (match[1] or match[2]).lower()


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    """True if the name or address is one that a machine uses for itself, such as `localhost` (RFC 6761, 6.3)."""
    address = _address(name)
    return address.is_loopback if address else name == "localhost" or name.endswith(".localhost")


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    host = ", ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"host")[:SHOWN]
    client = scope.get("client")
    refusals.note(Reason.HOST, address=client[0] if client else None, host=host, path=scope["path"])
    # The host is shown in ASCII, as other characters can look like those of another name.
    detail = f"this server doesn't answer for the host {host!a}: LIVESERVER_ALLOWED_HOSTS says for which it does"
    response = problem(MISDIRECTED, detail, instance=scope["path"])
    if scope["type"] == "http":
        await response(scope, receive, send)
        return
    await deny(scope, receive, send, response)
