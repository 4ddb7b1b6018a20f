"""deploy/tls.conf in a real nginx with our configuration, and the file by which compose mounts it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import ssl
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from tests.project.test_deploy import SERVICES, Upstream, nginx
from tests.support.certificates import self_signed
from tests.support.checkout import ROOT
from tests.support.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Secured(NamedTuple):
    """A running nginx with both files, before an Upstream."""

    plain: int
    port: int
    upstream: Upstream
    trusting: ssl.SSLContext

    async def send(self, request: str, *headers: str, secure: bool = True) -> Connection:
        """Send a request's head; what comes back is for the caller to read."""
        reader, writer = await asyncio.open_connection(
            "localhost", self.port if secure else self.plain, ssl=self.trusting if secure else None
        )
        lines = [f"{request} HTTP/1.1", "Host: live.example.org:8443", *headers, "", ""]
        writer.write("\r\n".join(lines).encode())
        return reader, writer

    async def get(self, path: str, *, secure: bool = True) -> bytes:
        """The whole answer to a GET."""
        reader, writer = await self.send(f"GET {path}", "Connection: close", secure=secure)
        with contextlib.closing(writer):
            return await reader.read()


def _snippet(folder: Path, port: int) -> str:
    """deploy/tls.conf with this machine's port and paths."""
    text = (ROOT / "deploy/tls.conf").read_text()
    assert text.count("\nlisten 443 ssl ") == 1
    return text.replace("listen 443 ssl ", f"listen 127.0.0.1:{port} ssl ").replace("/etc/nginx/tls/", f"{folder}/tls/")


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    upstream, port = Upstream(), free_port()
    made = await self_signed(tmp_path)
    for folder in ("tls", "liveserver.d"):
        (tmp_path / folder).mkdir()
    shutil.copy(made.certificate, tmp_path / "tls/fullchain.pem")
    shutil.copy(made.key, tmp_path / "tls/privkey.pem")
    (tmp_path / "liveserver.d/tls.conf").write_text(_snippet(tmp_path, port))
    trusting = ssl.create_default_context(cafile=str(made.certificate))
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(await asyncio.start_server(upstream, "127.0.0.1", 0))
        plain = await stack.enter_async_context(nginx(tmp_path, [server.sockets[0].getsockname()[1]]))
        stack.callback(upstream.go_on.set)
        yield Secured(plain, port, upstream, trusting)


async def test_http_leads_to_https(secured: Secured) -> None:
    """To the same path and query, with what was sent; no node hears of it."""
    answer = await secured.get("/live/storm?tag=a%20b", secure=False)
    assert answer.startswith(b"HTTP/1.1 308 ")
    assert b"\r\nLocation: https://live.example.org/live/storm?tag=a%20b\r\n" in answer
    for path in ("/api/v1/media", "/api/v1/liveblogs/storm/ws", "/desk/api/v1/liveblogs/storm/stream", "/metrics"):
        assert (await secured.get(path, secure=False)).startswith(b"HTTP/1.1 308 ")
    assert secured.upstream.requests == []


async def test_a_page(secured: Secured) -> None:
    """A node hears that it is HTTPS; the metrics stay inside."""
    assert b"200 OK" in await secured.get("/live/storm")
    ((_, headers),) = secured.upstream.requests
    assert headers["x-forwarded-proto"] == "https"
    assert headers["host"] == "live.example.org:8443"
    assert b"404 Not Found" in await secured.get("/metrics")


async def test_streams(secured: Secured) -> None:
    """A WebSocket passes, both ways, and events aren't held back."""
    reader, writer = await secured.send(
        "GET /api/v1/liveblogs/storm/ws?after=x-1", "Upgrade: websocket", "Connection: Upgrade"
    )
    with contextlib.closing(writer):
        assert b"101 Switching" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
    reader, writer = await secured.send("GET /api/v1/liveblogs/storm/events")
    with contextlib.closing(writer):
        assert b"data: one\n\n" in await reader.readuntil(b"data: one\n\n")
        secured.upstream.go_on.set()
        assert b"data: two\n\n" in await reader.readuntil(b"data: two\n\n")


async def test_what_is_spoken(secured: Secured) -> None:
    """HTTP/2 with clients that can; TLS 1.2 at least, without the ciphers of old."""
    secured.trusting.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("localhost", secured.port, ssl=secured.trusting)
    with contextlib.closing(writer):
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    secured.trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    secured.trusting.set_ciphers("AES128-GCM-SHA256:AES128-SHA")
    with pytest.raises(ssl.SSLError, match=r"HANDSHAKE_FAILURE"):
        await asyncio.open_connection("localhost", secured.port, ssl=secured.trusting)


class _Override(yaml.SafeLoader):
    """A loader of compose's files that takes values meant to replace others' too."""


def _sequence(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> list[Any]:
    found: list[Any] = loader.construct_sequence(node)
    return found


_Override.add_constructor("!override", _sequence)


def test_compose() -> None:
    """It changes nginx only: the ports, and what is mounted, where the snippet looks for it."""
    # A subclass of the safe one.
    content: dict[str, Any] = yaml.load((ROOT / "deploy/docker-compose.tls.yml").read_text(), Loader=_Override)
    assert set(content) == {"services"}
    assert set(content["services"]) == {"nginx"}
    assert "nginx" in SERVICES
    nginx_service = content["services"]["nginx"]
    assert nginx_service["ports"] == ["80:80", "443:443"]
    snippet, keys = nginx_service["volumes"]
    source, target, mode = snippet.split(":")
    assert (ROOT / source).is_file()
    assert (target, mode) == ("/etc/nginx/liveserver.d/tls.conf", "ro")
    assert "include /etc/nginx/liveserver.d/*.conf;" in (ROOT / "deploy/nginx.conf").read_text()
    assert keys.endswith(":/etc/nginx/tls:ro")
    named = set(re.findall(r"/etc/nginx/tls/([\w.]+);", (ROOT / "deploy/tls.conf").read_text()))
    assert named == {"fullchain.pem", "privkey.pem"}
