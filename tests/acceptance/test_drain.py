"""SIGTERM: not ready at once, readers sent off one by one, requests finished, and an end in time whatever they do."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from liveserver.client import Client
from tests.acceptance.reading import settles
from tests.acceptance.serving import LiveServer, eventually, serving, started
from tests.acceptance.test_slow import EVENTS, LARGE, WEBSOCKET, stalled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.services import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The stalled readers of test_slow.py ask for this one.
LIVEBLOG = {"slug": "slow", "title": "Le départ", "language": "fr", "timezone": "Europe/Paris"}
PATH = "/api/v1/liveblogs/slow"
READERS = 20
DRAIN = 3.0
A_FEW_SECONDS = 4.0


class Reader:
    """A WebSocket reader: its messages, when it was told to leave, and how it ended."""

    def __init__(self, connection: ClientConnection) -> None:
        self.messages: list[dict[str, Any]] = []
        self.code: int | None = None
        self.told_at = self.left_at = 0.0
        self.reading = asyncio.create_task(self._read(connection))

    @property
    def after_ms(self) -> int:
        [ms] = [message["after_ms"] for message in self.messages if message["type"] == "reconnect"]
        return int(ms)

    @property
    def seqs(self) -> list[int]:
        return [message["seq"] for message in self.messages if message["type"] == "entry"]

    async def _read(self, connection: ClientConnection) -> None:
        try:
            while True:
                message = orjson.loads(await connection.recv())
                self.messages.append(message)
                if message["type"] == "reconnect":
                    self.told_at = time.monotonic()
        except ConnectionClosed as error:
            self.left_at = time.monotonic()
            self.code = error.rcvd.code if error.rcvd else None


async def readers(server: LiveServer, count: int) -> list[Reader]:
    url = f"{server.url.replace('http', 'ws')}{PATH}/ws"
    found = [Reader(await connect(url)) for _ in range(count)]
    await eventually(lambda: all(reader.messages for reader in found), what="hello")
    return found


async def status(server: LiveServer, path: str) -> int:
    async with httpx2.AsyncClient() as http:
        return (await http.get(f"{server.url}{path}")).status_code


@asynccontextmanager
async def beginning_to_publish(
    server: LiveServer, key: str, body: bytes
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A publish whose body is yet to come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"POST {PATH}/entries HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    await writer.drain()
    yield reader, writer
    writer.transport.abort()


async def test_readers_leave_one_by_one(tmp_path: Path) -> None:
    """Each is told its own moment at once, gets what is published until then, and is closed at it with 1012."""
    async with serving(tmp_path, drain=str(DRAIN)) as server, AsyncExitStack() as stack:
        key = await server.key()
        client = await stack.enter_async_context(Client(server.url, key))
        await client.create_liveblog(LIVEBLOG)
        present = await readers(server, READERS)
        body = b'{"body": "<p>En route</p>"}'
        answer, request = await stack.enter_async_context(beginning_to_publish(server, key, body))

        begun = time.monotonic()
        ending = asyncio.create_task(server.end())
        await settles(partial(status, server, "/readyz"), 503, seconds=1)
        assert await status(server, "/healthz") == 200
        assert await status(server, f"{PATH}/events") == 503
        await eventually(lambda: all(reader.told_at for reader in present), seconds=1, what="reconnect")
        # A client that publishes is still served, on a connection that is not to be used again.
        last = (await client.publish("slow", {"body": "<p>Encore</p>"}))["seq"]
        assert last == 1
        request.write(body)
        finished = await asyncio.wait_for(answer.read(), 10)
        assert b" 201 " in finished.partition(b"\r\n")[0]
        assert b"\r\nconnection: close\r\n" in finished

        assert await ending == 0
        assert time.monotonic() - begun < DRAIN + A_FEW_SECONDS
        await asyncio.gather(*(reader.reading for reader in present))
        assert [reader.code for reader in present] == [1012] * READERS
        times = sorted(reader.after_ms for reader in present)
        assert len(set(times)) == READERS
        assert times[0] < 0.1 * 1000 * DRAIN
        assert times[-1] > 0.9 * 1000 * DRAIN
        for reader in present:
            assert reader.left_at - reader.told_at == pytest.approx(reader.after_ms / 1000, abs=0.8)
        latest = max(present, key=lambda reader: reader.after_ms)
        assert latest.seqs == [1, 2]
        assert "Traceback" not in server.stderr


async def test_stalled_readers_do_not_hold_up_the_end(tmp_path: Path) -> None:
    """A stalled reader is cut off after the window: neither the lag's patience nor the kernel's is waited for."""
    patient = {"drain": "1", "lag_timeout": "60", "graceful_timeout": "30"}
    with ExitStack() as stack:
        async with serving(tmp_path, **patient) as server, Client(server.url, await server.key()) as client:
            await client.create_liveblog(LIVEBLOG)
            for request in [WEBSOCKET, EVENTS] * 5:
                stack.enter_context(stalled(server.port, request))
            [healthy] = await readers(server, 1)
            for _ in range(30):
                await client.publish("slow", {"body": LARGE})
            begun = time.monotonic()
            assert await server.end() == 0
            assert time.monotonic() - begun < 1 + A_FEW_SECONDS
            await healthy.reading
            assert healthy.code == 1012


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_it_at_once(tmp_path: Path, second: signal.Signals) -> None:
    """A second signal ends the server whatever is under way; the readers are closed in order all the same."""
    async with serving(tmp_path, drain="60") as server, AsyncExitStack() as stack:
        key = await server.key()
        async with Client(server.url, key) as client:
            await client.create_liveblog(LIVEBLOG)
        present = await readers(server, 3)
        answer, _ = await stack.enter_async_context(beginning_to_publish(server, key, b"{}"))
        ending = asyncio.create_task(server.end())
        await eventually(lambda: all(reader.told_at for reader in present), what="reconnect")
        begun = time.monotonic()
        assert await server.end(second) == 0
        assert time.monotonic() - begun < 3
        assert await ending == 0
        await asyncio.gather(*(reader.reading for reader in present))
        assert {reader.code for reader in present} == {1012}
        assert b" 201 " not in await asyncio.wait_for(answer.read(), 5)


async def test_ctrl_c_does_not_make_anybody_wait(tmp_path: Path) -> None:
    """Somebody sits at the terminal: the window is a second, and nothing if nobody reads."""
    async with serving(tmp_path, drain="60") as server:
        async with Client(server.url, await server.key()) as client:
            await client.create_liveblog(LIVEBLOG)
        [reader] = await readers(server, 1)
        begun = time.monotonic()
        assert await server.end(signal.SIGINT) == 0
        assert time.monotonic() - begun < 1 + A_FEW_SECONDS
        await reader.reading
        assert (reader.after_ms <= 1000, reader.code) == (True, 1012)
    async with serving(tmp_path, drain="60") as server:
        begun = time.monotonic()
        assert await server.end() == 0
        assert time.monotonic() - begun < A_FEW_SECONDS


async def test_a_worker_that_hangs_is_killed(tmp_path: Path, redis_server: RedisServer) -> None:
    """The others end in order; the supervisor waits for the window, and some seconds."""
    server = LiveServer(tmp_path, workers="2", redis_url=redis_server.url, drain="0.2", graceful_timeout="1")
    async with started(server):
        await eventually(lambda: len(server.log("server.started")) == 2, what="the start of both")
        hanging = server.log("server.started")[0]["pid"]
        os.kill(hanging, signal.SIGSTOP)
        begun = time.monotonic()
        try:
            assert await server.end() == 0
        finally:
            with suppress(ProcessLookupError):
                os.kill(hanging, signal.SIGKILL)
        assert 5 < time.monotonic() - begun < 10
        assert [line["pid"] for line in server.log("worker.killed")] == [hanging]
