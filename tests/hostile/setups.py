"""The servers under attack: one alone, two nodes behind the shipped nginx.conf, two workers on PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
import subprocess
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from liveserver.server.app import create_app
from liveserver.settings import Settings
from liveserver.store import migrate
from liveserver.store.connections import PATIENCE
from liveserver.store.database import Database
from liveserver.store.database_url import parse_url
from liveserver.store.repositories import entries, liveblogs
from tests.acceptance.serving import START_SECONDS, LiveServer, eventually, started
from tests.faults.setups import DEFECTS
from tests.hostile.enemy import Ground
from tests.hostile.routes import templates
from tests.project.test_deploy import local_configuration
from tests.support.principals import NEWSROOM, named
from tests.support.services import PostgresServer, RedisServer, free_port, initialise_cluster, required
from tests.support.store_samples import a_liveblog, an_entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from sqlalchemy import Connection

    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog

ServerType = TypeVar("ServerType", RedisServer, PostgresServer)

NO_FILE: dict[str, Any] = {"_env_file": None}

SLUG = "direct"
"""The live blog that everybody reads."""
OWN = "autre"
"""One of the attackers' own."""
EXEMPT = "127.0.0.0/9,::1"
"""The range of addresses without limits: that of viewers and most attackers, so that no limit ends an attack. Some
attackers, and a reader, have addresses beyond it."""
HISTORY = 1_100
"""Entries that it has at first: more than a replay gives."""
TEXT = "<p>" + "Le peloton roule groupé, et la pluie menace. " * 20 + "</p>"


@dataclass
class Setup:
    """The nodes that run, and their one address."""

    nodes: list[LiveServer]
    port: int
    """Where readers, editors and attackers come in."""
    key: str
    ground: Ground

    @property
    def url(self) -> str:
        """The same, for clients."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def defects(self) -> list[str]:
        """The events in the nodes' logs that nobody had thought of."""
        found = [f"{line}" for node in self.nodes for event in DEFECTS for line in node.log(event)]
        return found + [
            node.stderr[-2000:] for node in self.nodes if "Traceback (most recent call last)" in node.stderr
        ]


@asynccontextmanager
async def alone(directory: Path) -> AsyncIterator[Setup]:
    """One server on its own SQLite file."""
    node = LiveServer(directory / "node", log_format="json", limit_exempt=EXEMPT)
    async with started(node):
        yield await _prepared([node], node.port)


@asynccontextmanager
async def behind_nginx(directory: Path) -> AsyncIterator[Setup]:
    """Two nodes on one SQLite file and one Redis, behind deploy/nginx.conf."""
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(_running(RedisServer(directory / "redis")))
        port = free_port()
        settings = {
            "database_url": f"sqlite:///{directory}/live.db",
            "public_url": f"http://127.0.0.1:{port}",
            "redis_url": redis.url,
            "log_format": "json",
            "limit_exempt": EXEMPT,
        }
        nodes = [LiveServer(directory / f"node-{number}", **settings) for number in range(2)]
        for node in nodes:
            await stack.enter_async_context(started(node))
        stack.enter_context(_nginx(directory / "nginx", port, [node.port for node in nodes]))
        yield await _prepared(nodes, port)


@asynccontextmanager
async def workers(directory: Path) -> AsyncIterator[Setup]:
    """`--workers 2` on PostgreSQL and Redis."""
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(_running(RedisServer(directory / "redis")))
        blank = directory / "cluster"
        await asyncio.to_thread(initialise_cluster, blank)
        postgres = stack.enter_context(_running(PostgresServer(blank, directory / "postgres")))
        database = postgres.url(postgres.create_database())
        await migrate(database)
        node = LiveServer(
            directory / "node",
            workers="2",
            database_url=database,
            redis_url=redis.url,
            log_format="json",
            limit_exempt=EXEMPT,
        )
        await stack.enter_async_context(started(node))
        await eventually(lambda: len(node.log("server.started")) == 2, seconds=START_SECONDS, what="both workers")
        yield await _prepared([node], node.port)


SETUPS: dict[str, Callable[[Path], AbstractAsyncContextManager[Setup]]] = {
    "alone": alone,
    "nginx": behind_nginx,
    "workers": workers,
}


async def _prepared(nodes: list[LiveServer], port: int) -> Setup:
    """With the live blog that everybody reads, one of the attackers' own, and a key for each side."""
    database = Database(parse_url(nodes[0].settings["database_url"]), pool_size=1, patience=PATIENCE)
    try:
        liveblog, entry = await database.write(_fill)
    finally:
        await database.close()
    ground = Ground(
        port=port,
        slug=SLUG,
        own=OWN,
        key=await nodes[0].key("publish"),
        manager=await nodes[0].key("manage"),
        epoch=liveblog.epoch,
        seq=liveblog.seq,
        entry=entry.id,
        routes=templates(create_app(Settings(**NO_FILE))),
    )
    return Setup(nodes, port, await nodes[0].key("publish"), ground)


def _fill(connection: Connection) -> tuple[Liveblog, Entry]:
    for slug in (SLUG, OWN):
        liveblogs.create(connection, a_liveblog(slug), NEWSROOM)
    for _ in range(HISTORY):
        entry = an_entry(body=TEXT)
        entries.create(connection, SLUG, entry, by=named("test"))
    return liveblogs.find(connection, SLUG).liveblog, entry


@contextmanager
def _running(server: ServerType) -> Iterator[ServerType]:
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def _nginx(folder: Path, port: int, upstreams: list[int]) -> Iterator[None]:
    """The shipped configuration, before these nodes."""
    folder.mkdir()
    configuration = local_configuration(
        folder, listen=port, upstreams=upstreams, changes=[("worker_processes 1;", "worker_processes auto;")]
    )
    log = folder / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [required("nginx"), "-c", configuration, "-e", "/dev/stderr", "-g", "error_log /dev/stderr notice;"],
            stderr=stderr,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while "start worker process " not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(START_SECONDS)
