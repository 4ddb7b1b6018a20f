"""Connections to servers that somebody named: to public addresses only, and with bounds on what they answer.

Else whoever may name a server could have this one ask what only it can reach: a database's port, a cloud's metadata
(https://owasp.org/www-community/attacks/Server_Side_Request_Forgery). The name is looked up here, and the connection
made to the address that was judged: a second look-up could have another answer.
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
"""Seconds until an answer's head must be there: interim ones before it (RFC 9110, 15.2) may go on for ever."""
PIECE_LEAST = 256
"""Bytes that the pieces of an answer have at least, on the average: each is some 50 µs of work, were it of one."""
PIECES_AT_ONCE = 100
"""Pieces after which the event loop has its turn, however many are there."""

log = structlog.get_logger(__name__)

WEB_PORTS = frozenset({80, 443})
UNPRIVILEGED = 1024
"""The first of the ports that anybody may listen on. Below are the servers of mail, shells and directories, which
might make something of a request."""


class Forbidden(OSError):
    """The host has no address, or not at this port, that may be connected to."""


class SsrfGuard:
    """Lets connections out to web servers at public addresses. `private`: to all others; `most`: bytes of an answer."""

    def __init__(self, *, private: bool, most: int) -> None:
        self._private = private
        self._most = most

    async def address(self, host: str, port: int) -> str:
        """The address to connect to. Raises Forbidden, OSError and TimeoutError."""
        if not self._private and port < UNPRIVILEGED and port not in WEB_PORTS:
            raise Forbidden(f"no web server of {host}'s is at port {port}")
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(LOOKUP_SECONDS):
            try:
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except UnicodeError:
                raise Forbidden(f"{host} is no name of a host") from None
        addresses = [str(sockaddr[0]) for *_, sockaddr in found]
        allowed = [address for address in addresses if self._private or is_public(address)]
        if not allowed:
            # Which address that is, is for who runs the server: an editor would learn what is in its network.
            log.info("outgoing.private", host=host, addresses=sorted(set(addresses)))
            raise Forbidden(f"{host} is at a private address")
        return allowed[0]

    def transport(self) -> httpx2.AsyncBaseTransport:
        """The transport of HTTP requests that keeps to the guard."""
        return _Guarded(self, self._most)


def is_public(address: str) -> bool:
    """Whether an address is on the open internet, as far as its number tells."""
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address):
        if number in _MAPPED or number in _NAT64:
            # The system, or a gateway, makes the IPv4 address of it that it ends with.
            return is_public(str(ipaddress.IPv4Address(int(number) & 0xFFFF_FFFF)))
        return number in _UNICAST and not any(number in special for special in _SPECIAL_IPV6)
    return not any(number in special for special in _SPECIAL_IPV4)


_SPECIAL_IPV4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        # What Azure's machines ask for their metadata and secrets. The other clouds' are in one of the others.
        "168.63.129.16/32",
    )
)
"""All that IANA's registry of special-purpose addresses names (RFC 6890), and multicast (RFC 5771).

Those among them that it calls reachable are anycast services of the network's own, and no web servers. `is_global` of
Python's own differs between its releases.
"""

_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that is given out for the open internet (RFC 4291, 2.4); whatever lies outside is for something else."""

_SPECIAL_IPV6 = tuple(
    ipaddress.IPv6Network(network)
    # Protocols' own, Teredo's tunnels among them; documentation; 6to4's tunnels; AS 112; documentation once more.
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
"""The special-purpose networks within that, by IANA's registry."""

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
"""An IPv4 address in the form that a socket of both kinds takes (RFC 4291, 2.5.5.2)."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""An IPv4 address as a network without IPv4 reaches it (RFC 6052)."""


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
        # The Host header was made with the request, and stays; the certificate is that of the name.
        request.url = request.url.copy_with(host=address)
        request.extensions = {**request.extensions, "sni_hostname": host}
        # What is packed can be small and huge.
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
