"""Three nodes behind a balancer are restarted one after the other, while a newsroom publishes and readers follow."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import AsyncExitStack, aclosing, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson
import pytest

from liveserver.client import Client, Step, Tracker
from liveserver.domain.change import Position
from tests.acceptance.balancer import Balancer
from tests.acceptance.serving import ForkedServer, eventually, started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.services import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIVEBLOG = {"slug": "relais", "title": "Le relais", "language": "fr", "timezone": "Europe/Paris"}
WEBSOCKETS = 40
EVENT_STREAMS = 20
DRAIN = 2.5
SLICE = 0.2
PAUSE = 0.05
"""Seconds between entries."""


class Follower(ABC):
    """A reader: what it got, and when it came back."""

    def __init__(self, url: str) -> None:
        self.seqs: list[int] = []
        self.ids: list[str] = []
        self.live_at: list[float] = []
        self._url = url

    def _take(self, message: dict[str, Any]) -> None:
        assert message["type"] == "entry", message
        self.seqs.append(message["seq"])
        self.ids.append(message["entry"]["id"])

    def _is_live(self) -> None:
        self.live_at.append(asyncio.get_running_loop().time())

    @abstractmethod
    async def follow(self, start: Position) -> None:
        """Go on until cancelled."""


class WebSocketFollower(Follower):
    """With the client that comes with the server."""

    async def follow(self, start: Position) -> None:
        def on_state(state: str) -> None:
            if state == "live":
                self._is_live()

        async with Client(self._url) as client, aclosing(client.follow("relais", start, on_state=on_state)) as changes:
            async for message in changes:
                self._take(message)


class EventFollower(Follower):
    """As a browser's EventSource does it: it knows nothing of `reconnect`, and comes back with its last id."""

    async def follow(self, start: Position) -> None:
        last_id = str(start)
        tracker = Tracker(start)
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                parts = urlsplit(self._url)
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
                try:
                    path = "/api/v1/liveblogs/relais/events"
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {last_id}\r\n\r\n".encode())
                    head = await reader.readuntil(b"\r\n\r\n")
                    if b" 200 " in head.partition(b"\r\n")[0]:
                        self._is_live()
                    while True:
                        block = (await reader.readuntil(b"\n\n")).decode().splitlines()
                        fields = dict(line.split(": ", 1) for line in block if line)
                        last_id = fields.get("id", last_id)
                        if "data" in fields:
                            self._step(tracker, orjson.loads(fields["data"]))
                finally:
                    writer.transport.abort()
            await asyncio.sleep(0.1)

    def _step(self, tracker: Tracker, message: dict[str, Any]) -> None:
        step = tracker.step(message)
        # Its id says where it stands: there is nothing to be asked for, and nothing comes twice.
        assert step is (Step.APPLY if message["type"] == "entry" else Step.IGNORE), message
        if step is Step.APPLY:
            self._take(message)


@pytest.mark.timeout(180)
async def test_rolling_restart(tmp_path: Path, postgres_url: str, redis_server: RedisServer) -> None:
    """Nothing lost, nothing twice, and readers that have to leave a node come back one by one."""
    shared = {
        "database_url": postgres_url,
        "redis_url": redis_server.url,
        "redis_prefix": f"test-{tmp_path.name}",
        "drain": str(DRAIN),
    }
    nodes = [ForkedServer(tmp_path / str(number), **shared) for number in range(3)]
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(started(node)) for node in nodes))
        balancer = await stack.enter_async_context(Balancer([node.port for node in nodes]))
        newsroom = await stack.enter_async_context(Client(balancer.url, await nodes[0].key()))
        await newsroom.create_liveblog(LIVEBLOG)
        snapshot = await newsroom.snapshot("relais")
        start = Position(snapshot["epoch"], snapshot["seq"])
        followers: list[Follower] = [
            *(WebSocketFollower(balancer.url) for _ in range(WEBSOCKETS)),
            *(EventFollower(balancer.url) for _ in range(EVENT_STREAMS)),
        ]
        following = [asyncio.create_task(follower.follow(start)) for follower in followers]
        published: list[str] = []
        told_to_stop = asyncio.Event()

        async def publish() -> None:
            while not told_to_stop.is_set():
                entry = await newsroom.publish("relais", {"body": f"<p>Tour {len(published)}</p>"})
                published.append(entry["id"])
                await asyncio.sleep(PAUSE)

        await eventually(lambda: all(follower.live_at for follower in followers), what="the readers")
        publisher = asyncio.create_task(publish())
        clock = asyncio.get_running_loop().time
        for node in nodes:
            before, had = clock(), balancer.connections[node.port]
            assert had >= 10, "each has its share of the readers"
            assert await node.end() == 0
            assert clock() - before < DRAIN + 5
            _assert_spread([at for follower in followers for at in follower.live_at if at > before], had)
            assert "Traceback" not in node.stderr
            await node.start()
        # Not cancelled: a request under way might then be served after the last entry.
        told_to_stop.set()
        await publisher
        last = (await newsroom.publish("relais", {"body": "<p>Arrivée</p>"}))["id"]
        broken = [task for task in following if task.done()]
        assert broken == []
        await eventually(
            lambda: all(follower.ids[-1:] == [last] for follower in followers), seconds=20, what="the last entry"
        )
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        total = (await newsroom.snapshot("relais"))["seq"]
        assert total == len(published) + 1
        for follower in followers:
            assert follower.seqs == list(range(1, total + 1))
            assert len(set(follower.ids)) == total
            assert set(published) < set(follower.ids)


def _assert_spread(returns: list[float], had: int) -> None:
    """No slice of time, and no second, in which a large part of a node's readers came back."""
    assert len(returns) >= had * 0.9
    slices = Counter(int((at - min(returns)) / SLICE) for at in returns)
    # Evenly spread they would be a twelfth of them, and two fifths; a machine that stops for a while bunches some.
    assert max(slices.values()) <= had / 2, slices
    assert max(sum(slices[number + i] for i in range(5)) for number in slices) <= 0.8 * had, slices
