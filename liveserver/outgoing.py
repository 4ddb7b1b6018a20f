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

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOKUP_SECONDS = 5.0


class Forbidden(OSError):
    """The host has no address that may be connected to."""


class PublicGate:
    """Lets connections out to public addresses. `private`: to all others too. `most`: bytes of an answer."""

    def __init__(self, *, private: bool, most: int) -> None:
        self._private = private
        self._most = most

    async def address(self, host: str, port: int) -> str:
        """The address to connect to. Raises Forbidden, OSError and TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(LOOKUP_SECONDS):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(sockaddr[0]) for *_, sockaddr in found]
        allowed = [address for address in addresses if self._private or is_public(address)]
        if not allowed:
            raise Forbidden(f"{host} is at a private address: {', '.join(sorted(set(addresses)))}")
        return allowed[0]

    def transport(self) -> httpx2.AsyncBaseTransport:
        """What HTTP requests go through."""
        return _Guarded(self, self._most)


def is_public(address: str) -> bool:
    """Whether an address is on the open internet, as far as its number tells."""
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address):
        # Ways of writing an IPv4 address that a gateway would send on to it (RFC 4291, 6052, 3056, 4380).
        if number in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(number) & 0xFFFF_FFFF)))
        inner = number.ipv4_mapped or number.sixtofour or (number.teredo and number.teredo[1])
        if inner is not None:
            return is_public(str(inner))
    return number.is_global and not number.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class _Guarded(httpx2.AsyncBaseTransport):
    def __init__(self, gate: PublicGate, most: int) -> None:
        self._gate = gate
        self._most = most
        self._inner = httpx2.AsyncHTTPTransport(trust_env=False)

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
        response = await self._inner.handle_async_request(request)
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
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > self._most:
                raise httpx2.DecodingError(f"the answer has more than {self._most} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
