"""Where the server is."""

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
    """Without a trailing slash."""
    authority: str
    """Host and port as the Host header has them."""
    prefix: str
    """The URL's own path, in front of the server's paths; mostly empty."""
    address: tuple[str, int]
    tls_name: str | None
    """The name that its certificate must bear; None: no TLS."""

    @classmethod
    async def find(cls, url: str) -> Target:
        """Look the URL's host up. Raises Refused."""
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
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Refused(f"can't find {host}: {error.strerror}") from None
        # The loopback network has many source addresses in IPv4, and one in IPv6.
        found.sort(key=lambda info: info[0] != socket.AF_INET if host == "localhost" else False)
        address = (str(found[0][4][0]), port)
        tls_name = host if parts.scheme == "https" else None
        return cls(url.rstrip("/"), parts.netloc, parts.path.rstrip("/"), address, tls_name)
