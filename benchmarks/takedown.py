"""A benchmark of a takedown: how soon many viewers have confirmed it, and what that costs the server.

    python -m benchmarks.takedown --viewers 10000 --leave 0.1 --silent 0.05

Starts a liveserver with a new database, connects viewers by WebSocket, and deletes an entry with `confirm`. Each viewer
answers as the reader's page does: at a random moment within the time that the message names. Some viewers disconnect
instead, and some never answer. Meanwhile, requests to /healthz show for how long the server doesn't answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from liveserver.access.api_keys import new_key
from liveserver.client import Client
from liveserver.domain.people.rights import SCOPES
from liveserver.protocol.messages import gone_answer
from liveserver.store import Store
from tests.support.principals import NEWSROOM

SLUG = "takedown"
HANDSHAKE = (
    "GET /api/v1/liveblogs/{slug}/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PROBE = 0.01
"""Seconds between two requests to /healthz, which show for how long the server doesn't answer."""
TICKS = os.sysconf("SC_CLK_TCK")


class Viewer(asyncio.Protocol):
    """A viewer. When it is asked to confirm a deletion, it answers, disconnects or does nothing (`behaviour`)."""

    def __init__(self, behaviour: str, greeted: asyncio.Semaphore) -> None:
        self.behaviour = behaviour
        self.asked = False
        self._greeted = greeted
        self._welcome = True
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake that opens the live blog's stream."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(HANDSHAKE.format(slug=SLUG).encode())

    def data_received(self, data: bytes) -> None:
        """Take note of `hello`, and later react to the deletion. Each message comes whole, as it is small."""
        if self._welcome and b'"hello"' in data:
            self._welcome = False
            self._greeted.release()
        start = data.find(b'{"type":"delete"')
        if start >= 0:
            message = json.loads(data[start:])
            self.asked = "confirm" in message
            if self.behaviour == "silent" or not self.asked:
                return
            wait = random.uniform(0, message["confirm"]["within"] / 1000)
            asyncio.get_running_loop().call_later(wait, self._react, message["id"])

    def leave(self) -> None:
        """Disconnect without a closing handshake."""
        assert self._transport is not None
        self._transport.abort()

    def _react(self, entry_id: str) -> None:
        if self.behaviour == "leave":
            self.leave()
            return
        payload = gone_answer(entry_id, had=True)
        assert self._transport is not None
        # The mask 0, which RFC 6455 permits.
        self._transport.write(b"\x81" + bytes([0x80 | len(payload)]) + bytes(4) + payload)


async def _probe(port: int, longest: list[float]) -> None:
    """Send a request to /healthz again and again, and append the seconds that each answer took to `longest`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        begun = time.perf_counter()
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        longest.append(time.perf_counter() - begun)
        await asyncio.sleep(PROBE)


def _cpu(pid: int) -> float:
    """Return the processor time that a process has used so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def _key(database: str) -> str:
    store = await Store.open(database)
    stored, shown = new_key("benchmark", SCOPES)
    await store.keys.add(stored, NEWSROOM)
    await store.close()
    return shown


async def measure(viewers: int, leave: float, silent: float, port: int) -> None:
    """Start a server, measure one takedown, and print the figures.

    `viewers`: the number of viewers. `leave`, `silent`: the parts of them (0 to 1) that disconnect instead of
    answering, and that never answer. `port`: the server's port.
    """
    with tempfile.TemporaryDirectory() as directory:
        database = f"sqlite:///{directory}/live.db"
        key = await _key(database)
        server = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "liveserver", "serve", "--port", str(port), "--database", database, "--heartbeat", "300"),
            *("--log-level", "warning", "--drain", "0.2"),
        )
        try:
            async with Client(f"http://127.0.0.1:{port}", key) as client:
                await _measure(client, server.pid, viewers, leave, silent, port)
        finally:
            server.terminate()
            await server.wait()


async def _connect(viewer: Viewer, port: int) -> None:
    await asyncio.get_running_loop().create_connection(lambda: viewer, "127.0.0.1", port)


async def _measure(client: Client, pid: int, viewers: int, leave: float, silent: float, port: int) -> None:
    await client.create_liveblog({"slug": SLUG, "title": "Takedown", "language": "en", "timezone": "UTC"})
    entry = await client.publish(SLUG, {"body": "<p>To be taken down.</p>"})
    greeted = asyncio.Semaphore(0)
    behaviours = ["leave"] * round(viewers * leave) + ["silent"] * round(viewers * silent)
    behaviours += ["answer"] * (viewers - len(behaviours))
    random.shuffle(behaviours)
    audience = []
    for start in range(0, viewers, 100):
        batch = [Viewer(behaviour, greeted) for behaviour in behaviours[start : start + 100]]
        await asyncio.gather(*(_connect(viewer, port) for viewer in batch))
        audience += batch
    for _ in range(viewers):
        await greeted.acquire()
    answers: list[float] = []
    probe = asyncio.create_task(_probe(port, answers))
    await asyncio.sleep(2)
    idle, idle_cpu = max(answers), _cpu(pid)
    answers.clear()
    begun = time.perf_counter()
    found = await client.take_down(SLUG, entry["id"])
    answered = time.perf_counter() - begun
    expected = viewers - behaviours.count("silent")
    while found is not None and found["confirmed"] + found["gone"] < expected:
        await asyncio.sleep(0.1)
        found = await client.takedown(SLUG, entry["id"])
    assert found is not None
    seconds, cpu = time.perf_counter() - begun, _cpu(pid) - idle_cpu
    probe.cancel()
    with suppress(asyncio.CancelledError):
        await probe
    print(f"viewers {viewers}, told {sum(viewer.asked for viewer in audience)}")
    print({name: found[name] for name in ("asked", "had", "confirmed", "gone", "waiting")})
    print(f"the editor was answered after {answered * 1e3:.0f} ms, all had confirmed or left after {seconds:.1f} s")
    print(f"the server's CPU meanwhile: {cpu:.2f} s, {cpu / viewers * 1e6:.0f} µs a viewer")
    print(f"longest answer of /healthz: {max(answers) * 1e3:.0f} ms (before, at rest: {idle * 1e3:.0f} ms)")


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--viewers", type=int, default=10_000)
    parser.add_argument("--leave", type=float, default=0.1, help="the part that leaves instead of answering")
    parser.add_argument("--silent", type=float, default=0.05, help="the part that never answers")
    parser.add_argument("--port", type=int, default=8099)
    given = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(measure(given.viewers, given.leave, given.silent, given.port))


if __name__ == "__main__":
    main()
