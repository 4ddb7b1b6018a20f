"""Real servers to be harmed: one embedded server on SQLite, or three nodes on PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from liveserver.store import migrate
from tests.acceptance.serving import Child, LiveServer
from tests.faults.calendar import Calendar
from tests.faults.relay import Relay
from tests.support.services import PostgresServer, RedisServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

HEARTBEAT = 2
LAG_TIMEOUT = 4
NODES = 3
DISK_MEGABYTES = 256
"""Half an hour of publishing takes some 130 of them."""

SETTINGS = {
    "heartbeat": str(HEARTBEAT),
    "lag_timeout": str(LAG_TIMEOUT),
    "drain": "2",
    "graceful_timeout": "3",
    # Small, so that coming back often needs the store.
    "recent_changes": "50",
    "public_url": "https://live.example.org",
    "log_format": "json",
}

DEFECTS = ("hub.poll_broken", "bus.broken", "scheduler.broken", "request.failed")
"""Events in a server's log when it has met something that nobody thought of."""


class Node(LiveServer):
    """A server, the network between it and its viewers, and that between it and what it needs."""

    def __init__(self, name: str, directory: Path, **settings: str) -> None:
        super().__init__(directory, **{**SETTINGS, **settings})
        self.name = name
        self.way = Relay(self.port)
        """For viewers who don't come straight."""
        self.to_database: Relay | None = None
        self.to_redis: Relay | None = None
        self.refused_at = float("-inf")
        """`time.monotonic()` when it last refused to write."""
        self.defects: list[str] = []

    async def start(self) -> None:
        """Start it, again and again as an init system does, until it runs: it doesn't start without its database."""
        while True:
            await Child.start(self)
            with suppress(AssertionError):
                await self.logged("server.started")
                return
            self.note_defects()
            if self.running:
                await self.kill()

    def note_defects(self) -> None:
        """Keep what its log says of defects; a log lasts from one start to the next."""
        for event in DEFECTS:
            self.defects += [f"{self.name}: {line}" for line in self.log(event)]
        if "Traceback (most recent call last)" in self.stderr:
            self.defects.append(f"{self.name}: {self.stderr[-2000:]}")

    def use(self, **settings: str) -> None:
        """More settings, before it is started."""
        self.settings.update(settings)


@dataclass
class Setup:
    """The servers that run, and their faults."""

    name: str
    nodes: list[Node]
    database_url: str
    """The database without the harness's network between."""
    calendar: Calendar = field(default_factory=Calendar)
    redis: RedisServer | None = None
    postgres: PostgresServer | None = None
    sqlite: Path | None = None
    disk: Path | None = None
    """A small file system that holds the database, and can be filled."""
    key: str = ""


@contextmanager
def a_directory() -> Iterator[Path]:
    """A directory that PostgreSQL's user may enter, for as long as the block runs."""
    directory = Path(tempfile.mkdtemp(prefix="liveserver-faults-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def embedded(directory: Path) -> AsyncIterator[Setup]:
    """One server with its own file. On a small disk, where one can be mounted."""
    async with AsyncExitStack() as stack:
        disk = directory / "disk"
        disk.mkdir()
        mounted = _mount(disk)
        if mounted:
            stack.callback(partial(subprocess.run, ["umount", str(disk)], check=True))
        database = disk / "live.db"
        node = Node("node 0", directory / "node", database_url=f"sqlite:///{database}")
        setup = Setup("embedded", [node], f"sqlite:///{database}", sqlite=database, disk=disk if mounted else None)
        await _run(setup, stack)
        yield setup


@asynccontextmanager
async def cluster(directory: Path, postgres_cluster: Path) -> AsyncIterator[Setup]:
    """Three nodes on one PostgreSQL and one Redis, each by a network of its own."""
    async with AsyncExitStack() as stack:
        redis = RedisServer(directory / "redis")
        stack.callback(redis.kill)
        redis.start()
        postgres = PostgresServer(postgres_cluster, directory / "postgres")
        stack.callback(postgres.kill)
        postgres.start()
        database = postgres.create_database()
        await migrate(postgres.url(database))
        setup = Setup("cluster", [], postgres.url(database), redis=redis, postgres=postgres)
        for number in range(NODES):
            node = Node(f"node {number}", directory / f"node-{number}")
            node.to_database, node.to_redis = Relay(postgres.port), Relay(redis.port)
            for relay in (node.to_database, node.to_redis):
                await relay.start()
                stack.push_async_callback(relay.close)
            node.use(
                database_url=f"postgresql://{postgres.user}@127.0.0.1:{node.to_database.port}/{database}",
                redis_url=f"redis://127.0.0.1:{node.to_redis.port}/0",
            )
            setup.nodes.append(node)
        await _run(setup, stack)
        yield setup


async def _run(setup: Setup, stack: AsyncExitStack) -> None:
    for node in setup.nodes:
        await node.way.start()
        stack.push_async_callback(node.way.close)
        stack.push_async_callback(_end, node)
    await asyncio.gather(*(node.start() for node in setup.nodes))
    setup.key = await setup.nodes[0].key()
    async with httpx2.AsyncClient() as http:
        for node in setup.nodes:
            assert (await http.get(f"{node.url}/readyz")).status_code == 200


async def _end(node: Node) -> None:
    if node.running:
        await node.kill()


def _mount(directory: Path) -> bool:
    """A small file system there. False: not allowed to."""
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=755", "tmpfs", str(directory)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
