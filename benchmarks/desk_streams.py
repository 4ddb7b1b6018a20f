"""A benchmark of editors: what many desk streams of a live blog cost its readers.

    python -m benchmarks.desk_streams --streams 200 --viewers 2000 --rounds 5

Starts a liveserver with a new database. `liveserver bench` measures readers of one live blog: in turn alone, with more
readers, and with the desk streams of as many editors. The further readers and the desk streams are held by this
process, which takes a part of the machine, too. Each editor says every ten seconds where they are; every third time
that is another entry. Prints the medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import sys
import tempfile
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.takedown import _key
from liveserver.client import Client
from liveserver.domain.ids import new_id
from liveserver.store import Store
from tests.support.desk_streams import Editor, signed_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SLUG = "desk"
SAYS = 10.0
"""Seconds between two words of an editor."""
STAYS = 3
"""So many words name the same entry."""
READ, WORK = f"/api/v1/liveblogs/{SLUG}/ws", f"/desk/api/v1/liveblogs/{SLUG}/stream"
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n{headers}\r\n"
)


class DeskStreamClient(asyncio.Protocol):
    """The editor's end of a desk stream, which throws away what it is told, so that it costs this machine little."""

    def __init__(self, editor: Editor, origin: str, path: str) -> None:
        self._path = path
        self.opened = asyncio.get_running_loop().create_future()
        self._words = random.randrange(STAYS)
        self._entry = new_id()
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in editor.headers(origin).items())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(HANDSHAKE.format(path=self._path, headers=self._headers).encode())

    def data_received(self, data: bytes) -> None:
        """Take note that the stream is open, and begin to speak."""
        if not self.opened.done() and b" 101 " in data:
            self.opened.set_result(None)
            if self._path == WORK:
                asyncio.get_running_loop().call_later(random.uniform(0, SAYS), self._say)

    def _say(self) -> None:
        if not self.transport.is_closing():
            if self._words % STAYS == 0:
                self._entry = new_id()
            self._words += 1
            word = b'{"type":"presence","entry":"%s","state":"writing"}' % self._entry.encode()
            # The mask 0, which RFC 6455 permits.
            self.transport.write(b"\x81" + bytes([0x80 | len(word)]) + bytes(4) + word)
            asyncio.get_running_loop().call_later(SAYS, self._say)


@asynccontextmanager
async def _connected(editors: list[Editor], port: int, path: str) -> AsyncIterator[None]:
    clients = [DeskStreamClient(editor, f"http://127.0.0.1:{port}", path) for editor in editors]
    for client in clients:
        await asyncio.get_running_loop().create_connection(partial(_same, client), "127.0.0.1", port)
        await client.opened
    yield
    for client in clients:
        assert not client.transport.is_closing(), "the server has ended a stream"
        client.transport.abort()
    await asyncio.sleep(1)


def _same(client: DeskStreamClient) -> DeskStreamClient:
    return client


async def _bench(port: int, key: str, pid: int, viewers: int, directory: str) -> dict[str, Any]:
    report = Path(directory) / "bench.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "liveserver", "bench", "--url", f"http://127.0.0.1:{port}", "--slug", SLUG, "--key", key),
        *("--viewers", str(viewers), "--rate", "5", "--duration", "10", "--pid", str(pid), "--json", str(report)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    found: dict[str, Any] = json.loads(report.read_text())
    return found


async def measure(count: int, viewers: int, rounds: int, port: int) -> None:
    """Start a server, measure, and print the figures.

    `count`: the number of desk streams. `viewers`: the number of readers. `rounds`: how often both are measured.
    `port`: the server's port.
    """
    with tempfile.TemporaryDirectory() as directory:
        database = f"sqlite:///{directory}/live.db"
        key = await _key(database)
        server = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "liveserver", "serve", "--port", str(port), "--database", database),
            *("--public-url", f"http://127.0.0.1:{port}", "--log-level", "warning", "--drain", "0.2"),
        )
        try:
            async with Client(f"http://127.0.0.1:{port}", key) as client:
                await client.create_liveblog({"slug": SLUG, "title": "Desk", "language": "en", "timezone": "UTC"})
            store = await Store.open(database)
            editors = [await signed_in(store, f"Editor {number}") for number in range(count)]
            await store.close()
            alone, with_readers, with_streams = [], [], []
            for _ in range(rounds):
                alone.append(await _bench(port, key, server.pid, viewers, directory))
                async with _connected(editors, port, READ):
                    with_readers.append(await _bench(port, key, server.pid, viewers, directory))
                async with _connected(editors, port, WORK):
                    with_streams.append(await _bench(port, key, server.pid, viewers, directory))
            _print(f"{viewers} readers", alone)
            _print(f"{viewers} readers, and {count} more", with_readers)
            _print(f"{viewers} readers, and {count} desk streams", with_streams)
        finally:
            server.terminate()
            await server.wait()


def _print(name: str, runs: list[dict[str, Any]]) -> None:
    cpu = median(run["server"]["cpu_us_per_delivery"] for run in runs)
    typical, slow = (median(run["latency_ms"][key] for run in runs) for key in ("p50", "p99"))
    print(f"{name}: {cpu:.2f} µs of CPU a delivery to a reader, p50 {typical:.1f} ms, p99 {slow:.1f} ms")


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--viewers", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--port", type=int, default=8098)
    given = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(measure(given.streams, given.viewers, given.rounds, given.port))


if __name__ == "__main__":
    main()
