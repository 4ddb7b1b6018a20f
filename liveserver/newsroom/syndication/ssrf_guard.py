"""A guard for connections to servers that users have named. Permits only public addresses, and limits answers' size.

Without the guard, a user could make this server send requests to addresses that only this server can reach: a
database's port, a cloud's metadata (https://owasp.org/www-community/attacks/Server_Side_Request_Forgery). The guard
looks up the host's name, and the connection goes to the very address that the guard has checked: a second look-up could
return another address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING

import httpx2
import structlog

from liveserver.client.tls_context import client_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOKUP_SECONDS = 5.0
HEAD_SECONDS = 20.0
"""Seconds within which the head of an answer must have come. Otherwise a server could send interim answers (RFC 9110,
15.2) for ever."""
PIECE_LEAST = 256
"""The number of bytes that limits the pieces of an answer: if the answer may have N bytes, it may come in at most
N / PIECE_LEAST pieces. A piece needs about 50 µs of work, even if it is one byte."""
PIECES_AT_ONCE = 100
"""The number of pieces of an answer after which other tasks of the event loop may run."""

log = structlog.get_logger(__name__)

WEB_PORTS = frozenset({80, 443})
UNPRIVILEGED = 1024
"""The lowest port that every user of a machine may listen on. Servers for mail, remote shells or directories use lower
ports, and might act on an HTTP request. So only WEB_PORTS are permitted among the lower ports."""


class Forbidden(OSError):
    """The error of a connection that the guard doesn't permit, because of the connection's host or port."""


class SsrfGuard:
    """A guard that permits only connections to public addresses, at WEB_PORTS or at ports from UNPRIVILEGED on.

    `private`: True to permit every address and every port. `most`: the greatest size of an answer in bytes.
    """

    def __init__(self, *, private: bool, most: int) -> None:
        self._private = private
        self._most = most

    async def address(self, host: str, port: int) -> str:
        """Look up a host, and return the address to connect to.

        Raises Forbidden if the port isn't permitted, or if the host has no permitted address.
        Raises OSError if the look-up fails, and TimeoutError if it takes longer than LOOKUP_SECONDS.
        """
        if not self._private and port < UNPRIVILEGED and port not in WEB_PORTS:
            raise Forbidden(f"no web server of {host}'s is at port {port}")
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(LOOKUP_SECONDS):
            try:
                infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except UnicodeError:
                raise Forbidden(f"{host} is no name of a host") from None
        addresses = [str(sockaddr[0]) for *_, sockaddr in infos]
        allowed = [address for address in addresses if self._private or is_public(address)]
        if not allowed:
            # Only the log names the addresses, not the error: they would tell an editor about the operator's network.
            log.info("outgoing.private", host=host, addresses=sorted(set(addresses)))
            raise Forbidden(f"{host} is at a private address")
        return allowed[0]

    def transport(self) -> httpx2.AsyncBaseTransport:
        """Return a transport for an HTTP client. Every connection and answer of the client passes the guard."""
        return _Guarded(self, self._most)


def is_public(address: str) -> bool:
    """True if an IP address is in the public internet. Raises ValueError if `address` isn't an IP address."""
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address):
        if number in _MAPPED or number in _NAT64:
            # The last four bytes of such an address are an IPv4 address, and the system, or a gateway, connects to it.
            return is_public(str(ipaddress.IPv4Address(int(number) & 0xFFFF_FFFF)))
        return number in _UNICAST and not any(number in special for special in _SPECIAL_IPV6)
    return not any(number in special for special in _SPECIAL_IPV4)


_SPECIAL_IPV4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        # Azure's address for metadata and secrets. Other clouds' addresses for metadata are in the networks above.
        "168.63.129.16/32",
    )
)
"""The IPv4 networks that aren't public: special-purpose (RFC 6890), multicast (RFC 5771), and one address of Azure's.

IANA's registry calls some special-purpose networks globally reachable. They aren't public for us: they have services of
the internet itself, and no web servers.
We don't use Python's `is_global`, as its result differs between releases of Python.
"""

_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All IPv6 addresses that are assigned for the public internet (RFC 4291, 2.4)."""

_SPECIAL_IPV6 = tuple(
    ipaddress.IPv6Network(network)
    # In this order: protocols (also Teredo's tunnels), documentation, 6to4's tunnels, AS 112, documentation.
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
"""The networks within `_UNICAST` that are in IANA's registry of special-purpose IPv6 addresses."""

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
"""IPv6 addresses that contain an IPv4 address. A connection to such an address goes to the IPv4 address (RFC 4291,
2.5.5.2)."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv6 addresses that contain an IPv4 address. In a network without IPv4, a connection to such an address goes
through a gateway to the IPv4 address (RFC 6052)."""


class _Guarded(httpx2.AsyncBaseTransport):
    def __init__(self, gate: SsrfGuard, most: int) -> None:
        self._gate = gate
        self._most = most
        self._inner = httpx2.AsyncHTTPTransport(verify=client_context("https", trust_env=False), trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            address = await self._gate.address(host, port)
        except (OSError, TimeoutError) as error:
            raise httpx2.ConnectError(str(error) or f"{host} can't be looked up") from error
        # The request's Host header still names the host, and the server's certificate is checked for the host's name.
        request.url = request.url.copy_with(host=address)
        request.extensions = {**request.extensions, "sni_hostname": host}
        # The answer must not be compressed: a small compressed answer can be huge when it is unpacked.
        request.headers["Accept-Encoding"] = "identity"
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                response = await self._inner.handle_async_request(request)
        except TimeoutError:
            raise httpx2.DecodingError(f"the answer doesn't begin within {HEAD_SECONDS:g} seconds") from None
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.DecodingError("the answer is compressed, which wasn't asked for")
        response.stream = _Bounded(response.stream, self._most)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, most: int) -> None:
        self._inner = inner
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = count = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > self._most:
                raise httpx2.DecodingError(f"the answer has more than {self._most} bytes")
            count += 1
            if count % PIECES_AT_ONCE == 0:
                if count * PIECE_LEAST > self._most:
                    raise httpx2.DecodingError(f"the answer comes in more than {count} pieces")
                await asyncio.sleep(0)
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
