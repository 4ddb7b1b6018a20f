"""HTTPS without a proxy: pages, the API and streams, with one process and with two; and a certificate's renewal."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import ssl
from contextlib import AsyncExitStack, aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from websockets.asyncio.client import connect

from liveserver.client import Client, tls_context
from liveserver.server.protocols.tls_records import RECORDS
from tests.acceptance.serving import START_SECONDS, Child, ForkedServer, eventually, run, started
from tests.support.certificates import SelfSigned, self_signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.services import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIVEBLOG = {"slug": "regate", "title": "La régate", "language": "fr", "timezone": "Europe/Paris"}
STREAM = "/api/v1/liveblogs/regate"


class SecureServer(ForkedServer):
    """A server that speaks HTTPS, and whose address is what it makes of its settings."""

    def __init__(self, directory: Path, files: SelfSigned, **settings: str) -> None:
        chosen = {"tls_certificate": str(files.certificate), "tls_key": str(files.key), "public_url": ""}
        super().__init__(directory, **chosen, **settings)
        self.url = f"https://localhost:{self.port}"

    async def start(self) -> None:
        await Child.start(self)
        count = int(self.settings.get("workers", "1"))
        await eventually(
            lambda: len(self.log("server.started")) == count, seconds=START_SECONDS, what="the start of all"
        )

    async def certificate(self) -> str:
        """The certificate that it shows to a client that connects now."""
        return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", self.port))


@pytest.fixture
async def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SelfSigned]:
    """A certificate that clients here trust, and those of other tests don't."""
    made = await self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    tls_context._trusting.cache_clear()
    yield made
    tls_context._trusting.cache_clear()


@pytest.mark.parametrize("workers", [1, 2])
async def test_over_tls(tmp_path: Path, files: SelfSigned, request: pytest.FixtureRequest, workers: int) -> None:
    """A published entry reaches a WebSocket, deflated or not, and an event stream; links are HTTPS's."""
    settings: dict[str, str] = {}
    if workers > 1:
        redis: RedisServer = request.getfixturevalue("redis_server")
        settings = {"workers": str(workers), "redis_url": redis.url, "redis_prefix": f"test-{tmp_path.name}"}
    server = SecureServer(tmp_path / "server", files, **settings)
    async with started(server), Client(server.url, await server.key()) as newsroom:
        await newsroom.create_liveblog(LIVEBLOG)
        socket = f"{server.url.replace('https', 'wss')}{STREAM}/ws"
        async with (
            connect(socket) as deflated,
            connect(socket, compression=None) as plain,
            httpx2.AsyncClient(base_url=server.url) as http,
            http.stream("GET", f"{STREAM}/events") as events,
        ):
            lines: Any = events.aiter_lines()
            async with aclosing(lines):
                async with asyncio.timeout(START_SECONDS):
                    await _until(lines, "hello")
                for number in range(20):
                    await newsroom.publish("regate", {"body": f"<p>Bouée {number}</p>" + "<p>Vent.</p>" * 200})
                async with asyncio.timeout(START_SECONDS):
                    for number in range(20):
                        for websocket in (deflated, plain):
                            await _until(websocket, f"Bouée {number}<")
                        await _until(lines, f"Bouée {number}<")
            page = await http.get("/live/regate")
            assert page.status_code == 200
            # There is no public URL, and nothing to be promised of a name like localhost.
            assert "strict-transport-security" not in page.headers
            assert f'<link rel="canonical" href="{server.url}/live/regate">' in page.text
            pong = await deflated.ping()
            await asyncio.wait_for(pong, START_SECONDS)
        with pytest.raises(httpx2.RemoteProtocolError):
            async with httpx2.AsyncClient() as http:
                await http.get(server.url.replace("https", "http"))
        assert await server.end() == 0


async def _until(stream: Any, word: str) -> None:
    async for said in stream:
        if word in said:
            return
    raise AssertionError(f"it ended without {word}")


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_certificate_is_renewed(
    tmp_path: Path, files: SelfSigned, request: pytest.FixtureRequest, workers: int
) -> None:
    """By SIGHUP, in every process; connected clients stay. A bad one is told in the log, and the old one goes on."""
    settings: dict[str, str] = {}
    if workers > 1:
        redis: RedisServer = request.getfixturevalue("redis_server")
        settings = {"workers": str(workers), "redis_url": redis.url, "redis_prefix": f"test-{tmp_path.name}"}
    server = SecureServer(tmp_path / "server", files, **settings)
    renewed = await self_signed(tmp_path, "renewed")
    old = files.certificate.read_text()
    async with started(server), Client(server.url, await server.key()) as newsroom:
        await newsroom.create_liveblog(LIVEBLOG)
        assert await server.certificate() == old
        async with connect(f"{server.url.replace('https', 'wss')}{STREAM}/ws") as websocket:
            await _until(websocket, "hello")
            shutil.copy(renewed.certificate, files.certificate)
            _signal(server)
            await eventually(lambda: len(server.log("certificate.refused")) == workers, what="the refusal")
            assert await server.certificate() == old
            shutil.copy(renewed.key, files.key)
            _signal(server)
            await eventually(lambda: len(server.log("certificate.read")) == workers, what="the renewal")
            for _ in range(4):
                assert await server.certificate() == renewed.certificate.read_text()
            # As in a new process, which reads the certificates that it trusts.
            tls_context._trusting.cache_clear()
            async with Client(server.url, await server.key()) as again:
                await again.publish("regate", {"body": "<p>Après</p>"})
            async with asyncio.timeout(START_SECONDS):
                await _until(websocket, "Après")
        assert server.running


async def test_a_handshake_that_does_not_come_is_awaited_no_longer(tmp_path: Path, files: SelfSigned) -> None:
    """Nor is half of one; nothing is said, nothing logged as a defect, and others are served meanwhile."""
    server = SecureServer(tmp_path / "server", files, head_timeout="1")
    async with started(server), AsyncExitStack() as stack:
        peers = []
        for sent in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            stack.callback(writer.transport.abort)
            writer.write(sent)
            peers.append((reader, writer))
        async with httpx2.AsyncClient() as http:
            assert (await http.get(f"{server.url}/healthz")).status_code == 200
        async with asyncio.timeout(START_SECONDS):
            for reader, _ in peers:
                with suppress(ConnectionResetError):
                    assert await reader.read() == b""
        assert "Traceback" not in server.stderr + server.stdout
        assert await server.end() == 0


async def test_a_connection_that_begins_no_handshake_gives_way(tmp_path: Path, files: SelfSigned) -> None:
    """However many there are: each newcomer who asks for something is served."""
    server = SecureServer(tmp_path / "server", files, max_connections="20", log_format="json")
    async with started(server), AsyncExitStack() as stack:
        for _ in range(60):
            stack.enter_context(await asyncio.to_thread(socket.create_connection, ("127.0.0.1", server.port)))
        for _ in range(3):
            async with httpx2.AsyncClient() as http:
                assert (await http.get(f"{server.url}/healthz")).status_code == 200
        assert (await server.logged("refused"))["reason"] == "gave-way"
        assert "Traceback" not in server.stderr + server.stdout
        assert await server.end() == 0


async def test_records_that_carry_little_are_bounded(tmp_path: Path, files: SelfSigned) -> None:
    """Short requests may come as fast as they are answered. Smaller records are the end; others are served."""
    server = SecureServer(tmp_path / "server", files, log_format="json")
    async with started(server), asyncio.timeout(3 * START_SECONDS):
        context = ssl.create_default_context(cafile=str(files.certificate))
        reader, writer = await asyncio.open_connection("localhost", server.port, ssl=context)
        for _ in range(2 * RECORDS):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            await reader.readexactly(int(re.findall(rb"content-length: (\d+)", head)[0]))
        assert server.log("refused") == []
        writer.write(b"GET /")
        for _ in range(2 * RECORDS):
            if writer.transport.is_closing():
                break
            writer.write(b"a")
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        refused = await server.logged("refused")
        assert (refused["reason"], refused["address"]) == ("too-many-records", "127.0.0.1")
        async with httpx2.AsyncClient() as http:
            assert (await http.get(f"{server.url}/healthz")).status_code == 200
        assert "Traceback" not in server.stderr + server.stdout
        assert await server.end() == 0


async def test_a_viewer_is_sent_off(tmp_path: Path, files: SelfSigned) -> None:
    """With a close frame, then the end of TLS, then that of the connection: no client takes it for an attack."""
    server = SecureServer(tmp_path / "server", files, drain="0")
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    async with started(server), Client(server.url, await server.key()) as newsroom:
        await newsroom.create_liveblog(LIVEBLOG)
        # The standard library's own: asyncio's takes an end without close_notify for one with it.
        connection = await asyncio.to_thread(_secured, server.port, files)
        with connection:
            connection.sendall(f"GET {STREAM}/ws HTTP/1.1\r\nHost: localhost\r\n{upgrade}{key}\r\n".encode())
            read = partial(asyncio.to_thread, connection.recv, 65_536)
            received = b""
            while b'"hello"' not in received:
                received += await read()
            ending = asyncio.create_task(server.end())
            received = b""
            while b"\x88" not in received:
                received += await read()
            close = received[received.index(b"\x88") :]
            assert close[0] == 0x88
            connection.sendall(b"\x88\x82\0\0\0\0\x03\xe9")
            # Raises SSLEOFError if the connection ends before TLS does.
            assert await read() == b""
        assert await ending == 0
        assert "Traceback" not in server.stderr + server.stdout


def _secured(port: int, files: SelfSigned) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(files.certificate))
    connection = socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS)
    return context.wrap_socket(connection, server_hostname="localhost", suppress_ragged_eofs=False)


def _signal(server: SecureServer) -> None:
    os.kill(server.pid, signal.SIGHUP)


async def test_files_that_are_no_use(tmp_path: Path, files: SelfSigned) -> None:
    """One line, before anything has begun."""
    other = await self_signed(tmp_path, "other")
    for certificate, key, said in (
        (files.certificate, other.key, "is not that of the certificate"),
        (tmp_path / "nothing.pem", files.key, "can't read the TLS certificate"),
    ):
        finished = await run("serve", cwd=tmp_path, tls_certificate=str(certificate), tls_key=str(key), port="0")
        assert finished.status != 0
        assert finished.stderr.startswith("liveserver: ")
        assert said in finished.stderr
        assert finished.stderr.count("\n") == 1
