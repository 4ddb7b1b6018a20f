"""The faults: each harms something for as long as its block runs, and returns from healing once the thing answers.

Their names begin with the group that they harm; two of one group are never at work together.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import time
from contextlib import asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING

from tests.faults.setups import LAG_TIMEOUT
from tests.support.services import START_SECONDS

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.faults.setups import Node, Setup

    Fault = Callable[[Setup, random.Random], AbstractAsyncContextManager[None]]

ROOM = 16 * 1024 * 1024
"""Bytes that a small disk must have left, or it is full by itself."""

STOP_SECONDS = 15.0
"""Within which a server has ended after SIGTERM, whatever its viewers and its database do."""


@asynccontextmanager
async def redis_stopped(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """Shut down in order, and started again."""
    assert setup.redis is not None
    await asyncio.to_thread(setup.redis.stop)
    yield
    await asyncio.to_thread(setup.redis.start)


@asynccontextmanager
async def redis_killed(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """SIGKILL, and started again."""
    assert setup.redis is not None
    await asyncio.to_thread(setup.redis.kill)
    yield
    await asyncio.to_thread(setup.redis.start)


@asynccontextmanager
async def redis_restarted(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """Gone for a moment only."""
    assert setup.redis is not None
    await asyncio.to_thread(setup.redis.restart)
    yield


@asynccontextmanager
async def redis_paused(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """SIGSTOP: connections stay open, nothing is answered."""
    assert setup.redis is not None
    setup.redis.pause()
    yield
    setup.redis.resume()


@asynccontextmanager
async def redis_flushed(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """FLUSHALL."""
    assert setup.redis is not None
    await _redis(setup.redis.port, "FLUSHALL")
    yield


@asynccontextmanager
async def redis_subscribers_killed(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """Redis drops every subscriber, again and again, as it does with one whose buffer is full."""
    assert setup.redis is not None
    for _ in range(chance.randint(1, 4)):
        await _redis(setup.redis.port, "CLIENT KILL TYPE pubsub")
        await asyncio.sleep(chance.uniform(0, 0.4))
    yield


@asynccontextmanager
async def redis_unreachable(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """The network between some nodes and Redis swallows everything; the connections stay open until it is back."""
    relays = [node.to_redis for node in _some(setup, chance) if node.to_redis is not None]
    for relay in relays:
        relay.silence()
    yield
    for relay in relays:
        relay.cut()
        relay.flow()


@asynccontextmanager
async def database_stopped(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """PostgreSQL shut down ("fast"), and started again."""
    assert setup.postgres is not None
    with setup.calendar.out_of_order("store"):
        await asyncio.to_thread(setup.postgres.stop)
        with setup.calendar.out_of_order("store gone"):
            yield
        await asyncio.to_thread(setup.postgres.start)


@asynccontextmanager
async def database_killed(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """SIGKILL to PostgreSQL and all its children, as a power cut does, and started again."""
    assert setup.postgres is not None
    with setup.calendar.out_of_order("store"):
        await asyncio.to_thread(setup.postgres.kill)
        with setup.calendar.out_of_order("store gone"):
            yield
        await asyncio.to_thread(setup.postgres.start)


@asynccontextmanager
async def database_paused(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """SIGSTOP: connections stay open, nothing is answered."""
    assert setup.postgres is not None
    with setup.calendar.out_of_order("store", "store gone"):
        setup.postgres.pause()
        yield
        # Its parent notices by itself that its children go on.
        setup.postgres.resume()


@asynccontextmanager
async def database_connections_killed(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """An operator ends every connection to the database."""
    assert setup.postgres is not None
    statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'liveserver'"
    with setup.calendar.out_of_order("store"):
        for _ in range(chance.randint(1, 3)):
            await asyncio.to_thread(setup.postgres.sql, statement)
    yield


@asynccontextmanager
async def database_unreachable(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """The network between some nodes and PostgreSQL swallows everything, their locks with it."""
    nodes = _some(setup, chance)
    # The store is busy for the others too: a transaction that nobody ends holds its live blog's row.
    with setup.calendar.out_of_order("store", *(f"store of {node.name} gone" for node in nodes)):
        for node in nodes:
            assert node.to_database is not None
            node.to_database.silence()
        yield
        for node in nodes:
            assert node.to_database is not None
            node.to_database.cut()
            node.to_database.flow()


@asynccontextmanager
async def database_locked(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """Another program holds the SQLite file's lock."""
    assert setup.sqlite is not None
    with setup.calendar.out_of_order("store"):
        # One thread at a time: the loop goes on while the lock is waited for.
        connection = sqlite3.connect(setup.sqlite, timeout=START_SECONDS, isolation_level=None, check_same_thread=False)
        with closing(connection) as other:
            await asyncio.to_thread(other.execute, "BEGIN EXCLUSIVE")
            with setup.calendar.out_of_order("store gone"):
                yield
            other.execute("ROLLBACK")


@asynccontextmanager
async def database_disk_full(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """The disk that holds the SQLite file is full."""
    assert setup.sqlite is not None
    assert setup.disk is not None
    assert shutil.disk_usage(setup.disk).free > ROOM, "what was published has filled the disk: raise DISK_MEGABYTES"
    ballast = setup.disk / "ballast"
    with setup.calendar.out_of_order("store"):
        await asyncio.to_thread(_empty_log, setup.sqlite)
        await asyncio.to_thread(_fill, ballast)
        with setup.calendar.out_of_order("disk"):
            yield
        ballast.unlink()


def _empty_log(path: Path) -> None:
    # The part of the disk that the write-ahead log already has would go on to take writes.
    with closing(sqlite3.connect(path, timeout=2.0, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


@asynccontextmanager
async def node_killed(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """SIGKILL, and started again."""
    async with _down(setup, _some(setup, chance), signal.SIGKILL):
        yield


@asynccontextmanager
async def node_drained(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """SIGTERM, which must end it in time, and started again."""
    async with _down(setup, _some(setup, chance), signal.SIGTERM):
        yield


@asynccontextmanager
async def node_rolled(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """All of them restarted, one after the other."""
    for node in setup.nodes:
        async with _down(setup, [node], signal.SIGTERM):
            pass
    yield


@asynccontextmanager
async def node_paused(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """SIGSTOP: connections stay open, nothing is answered; it may hold locks."""
    nodes = _some(setup, chance)
    with setup.calendar.out_of_order("store", *(node.name for node in nodes)):
        for node in nodes:
            os.kill(node.pid, signal.SIGSTOP)
        yield
        for node in nodes:
            os.kill(node.pid, signal.SIGCONT)


@asynccontextmanager
async def network_cut(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """Connections between viewers and nodes are reset, again and again."""
    nodes = _some(setup, chance)
    with setup.calendar.out_of_order(*(f"way to {node.name}" for node in nodes)):
        for _ in range(chance.randint(1, 4)):
            for node in nodes:
                node.way.cut()
            await asyncio.sleep(chance.uniform(0, 0.5))
        yield


@asynccontextmanager
async def network_stalled(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """The network between viewers and nodes delivers nothing, and everything late."""
    async with _silence(setup, _some(setup, chance)):
        yield


@asynccontextmanager
async def network_swallowed(setup: Setup, chance: random.Random) -> AsyncIterator[None]:
    """The same, and what was on its way is lost with its connections."""
    nodes = _some(setup, chance)
    async with _silence(setup, nodes):
        yield
        for node in nodes:
            node.way.cut()


@asynccontextmanager
async def _silence(setup: Setup, nodes: list[Node]) -> AsyncIterator[None]:
    with setup.calendar.out_of_order(*(f"way to {node.name}" for node in nodes)):
        for node in nodes:
            node.way.silence()
        begun = time.monotonic()
        yield
        for node in nodes:
            if time.monotonic() - begun > LAG_TIMEOUT / 2:
                # By now the nodes may have given up connections without a word; nothing would ever come on them.
                node.way.cut()
            node.way.flow()


@asynccontextmanager
async def _down(setup: Setup, nodes: list[Node], how: signal.Signals) -> AsyncIterator[None]:
    with setup.calendar.out_of_order(*(node.name for node in nodes)):
        await asyncio.gather(*(node.end(how, seconds=STOP_SECONDS) for node in nodes))
        for node in nodes:
            node.note_defects()
        yield
        await asyncio.gather(*(node.start() for node in nodes))


def _some(setup: Setup, chance: random.Random) -> list[Node]:
    """One node mostly, sometimes all of them."""
    return [chance.choice(setup.nodes)] if chance.random() < 0.8 else setup.nodes


async def _redis(port: int, command: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"{command}\r\n".encode())
        await reader.readline()
    finally:
        writer.close()


_ANYWHERE = {
    "node killed": node_killed,
    "node drained": node_drained,
    "node paused": node_paused,
    "network cut": network_cut,
    "network stalled": network_stalled,
    "network swallowed": network_swallowed,
}
_EMBEDDED = {"database locked": database_locked}
_SMALL_DISK = {"database disk full": database_disk_full}
_CLUSTER = {
    "redis stopped": redis_stopped,
    "redis killed": redis_killed,
    "redis restarted": redis_restarted,
    "redis paused": redis_paused,
    "redis flushed": redis_flushed,
    "redis subscribers killed": redis_subscribers_killed,
    "redis unreachable": redis_unreachable,
    "database stopped": database_stopped,
    "database killed": database_killed,
    "database paused": database_paused,
    "database connections killed": database_connections_killed,
    "database unreachable": database_unreachable,
    "node rolled": node_rolled,
}


def kinds(setup: Setup) -> dict[str, Fault]:
    """The faults that this setup can have."""
    if setup.postgres is not None:
        return {**_ANYWHERE, **_CLUSTER}
    return {**_ANYWHERE, **_EMBEDDED, **(_SMALL_DISK if setup.disk else {})}


def group(kind: str) -> str:
    """The group of a fault: the part that it harms."""
    return kind.partition(" ")[0]
