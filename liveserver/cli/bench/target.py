"""The server that a benchmark connects to."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from liveserver.cli.bench.errors import Refused


@dataclass(frozen=True)
class Target:
    """A server that the user named, looked up once for all viewers."""

    url: str
    """The URL without a trailing slash."""
    authority: str
    """Host and port, as in the Host header."""
    prefix: str
    """The URL's own path, which comes before the server's paths; usually empty."""
    address: tuple[str, int]
    tls_name: str | None
    """The name that the server's certificate must have; None: no TLS."""

    @classmethod
    async def find(cls, url: str) -> Target:
        """Look up the host of a URL. Raises Refused."""
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
        # IPv4 first: its loopback network has many source addresses, that of IPv6 only one.
        addresses.sort(key=lambda info: info[0] != socket.AF_INET if host == "localhost" else False)
        address = (str(addresses[0][4][0]), port)
        tls_name = host if parts.scheme == "https" else None
        return cls(url.rstrip("/"), parts.netloc, parts.path.rstrip("/"), address, tls_name)
