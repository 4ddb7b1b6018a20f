"""The server that a benchmark connects to."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from liveserver.cli.bench.errors import Refused


@dataclass(frozen=True)
class Target:
    """The server that the operator named. The IP address of the server's host is looked up once, for all viewers."""

    url: str
    """The server's URL without a trailing slash."""
    authority: str
    """The server's host and port, as the Host header has them."""
    prefix: str
    """The path of the URL, which comes before the paths of the API; usually empty."""
    address: tuple[str, int]
    """The server's IP address and port."""
    tls_name: str | None
    """The name that the server's certificate must have; None if the server is reached without TLS."""

    @classmethod
    async def find(cls, url: str) -> Target:
        """Return the server at a URL. Raises Refused if the server's host isn't found, or if `url` can't be a server's
        URL: it isn't HTTP or HTTPS, has no host, or has a user, a query or a fragment."""
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            parts, port = urlsplit(""), 0
        host = parts.hostname
        if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or parts.username:
            raise Refused(f"not a server's URL: {url} (it is like https://live.example.org)")
        loop = asyncio.get_running_loop()
        try:
            addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Refused(f"can't find {host}: {error.strerror}") from None
        # For `localhost`, IPv4 comes first: its loopback network has many source addresses, that of IPv6 has only one.
        addresses.sort(key=lambda info: info[0] != socket.AF_INET if host == "localhost" else False)
        address = (str(addresses[0][4][0]), port)
        tls_name = host if parts.scheme == "https" else None
        return cls(url.rstrip("/"), parts.netloc, parts.path.rstrip("/"), address, tls_name)
