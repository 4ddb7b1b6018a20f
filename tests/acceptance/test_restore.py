"""History replaced: a backup is taken and restored under readers, and every one of them starts afresh."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack, aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest
from sqlalchemy import text

from liveserver.client import Client, ClientError
from liveserver.domain.change import Position
from liveserver.store import Store
from liveserver.store.connections import LoopConnections
from liveserver.store.database import HISTORY_LOCK
from tests.acceptance.browsing import pages
from tests.acceptance.reading import BODIES, assert_never_reloaded, live, mark, settles, strings
from tests.acceptance.serving import Child, ForkedServer, LiveServer, eventually, run, serving, started
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_liveblog, an_entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from playwright.async_api import Browser
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tests.support.services import RedisServer

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

LIVEBLOG = {"slug": "match", "title": "Le match", "language": "fr", "timezone": "Europe/Paris"}
SOON = 8.0
"""Seconds: the poll finds a new epoch within 1.5; a machine may have much else to do."""


class Follower:
    """A reader who keeps what it is told, each message as it comes."""

    def __init__(self, client: Client, snapshot: dict[str, Any]) -> None:
        self.bodies: dict[str, str] = {}
        self.resets: list[str] = []
        self._changed = asyncio.Event()
        self._replace(snapshot)
        self.task = asyncio.create_task(self._run(client, Position(snapshot["epoch"], snapshot["seq"])))

    async def _run(self, client: Client, position: Position) -> None:
        async with aclosing(client.follow("match", position)) as messages:
            async for message in messages:
                if message["type"] == "reset":
                    self.resets.append(message["epoch"])
                    self._replace(message)
                elif message["type"] == "entry":
                    self.bodies[message["entry"]["id"]] = message["entry"]["body"]
                self._changed.set()

    def _replace(self, snapshot: dict[str, Any]) -> None:
        self.bodies = {entry["id"]: entry["body"] for entry in snapshot["entries"]}

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for a message after which `reached()` holds."""
        async with asyncio.timeout(SOON):
            while not reached():
                self._changed.clear()
                await self._changed.wait()

    async def until_it_is_longer_than(self, count: int) -> None:
        """Wait until it has more entries."""
        await self.until(lambda: len(self.bodies) > count)

    async def until_reset(self) -> None:
        """Wait until it has started afresh."""
        await self.until(lambda: bool(self.resets))

    async def until_same(self, stored: dict[str, str]) -> None:
        """Wait until it has these entries, and no others."""
        await self.until(lambda: self.bodies == stored)

    async def until_it_has(self, *bodies: str) -> None:
        """Wait until it has exactly these."""
        await self.until(lambda: sorted(self.bodies.values()) == sorted(f"<p>{body}</p>" for body in bodies))


async def follow(stack: AsyncExitStack, server: LiveServer) -> Follower:
    client = await stack.enter_async_context(Client(server.url))
    follower = Follower(client, await client.snapshot("match", limit=100))

    async def end() -> None:
        follower.task.cancel()
        with suppress(asyncio.CancelledError):
            await follower.task

    stack.push_async_callback(end)
    return follower


async def events(stack: AsyncExitStack, server: LiveServer) -> AsyncIterator[dict[str, Any]]:
    """The messages of an SSE stream."""
    http = await stack.enter_async_context(httpx2.AsyncClient(timeout=None))
    response = await stack.enter_async_context(http.stream("GET", f"{server.api}/liveblogs/match/events"))
    lines = response.aiter_lines()
    assert await anext(lines) == "retry: 3000"

    async def messages() -> AsyncIterator[dict[str, Any]]:
        async for line in lines:
            if line.startswith("data: "):
                yield orjson.loads(line.removeprefix("data: "))

    return messages()


async def entries(server: LiveServer) -> dict[str, str]:
    """The body of every published entry, by its id."""
    found: dict[str, str] = {}
    more = ""
    async with httpx2.AsyncClient() as http:
        while True:
            page = (await http.get(f"{server.api}/liveblogs/match/entries?limit=100{more}")).json()
            found |= {entry["id"]: entry["body"] for entry in page["items"]}
            if page["next_cursor"] is None:
                return found
            more = f"&cursor={page['next_cursor']}"


async def status(server: LiveServer, slug: str) -> int:
    """Of a live blog's page, which the server may have kept."""
    async with httpx2.AsyncClient() as http:
        return (await http.get(f"{server.url}/live/{slug}")).status_code


async def test_under_two_servers_that_run(
    tmp_path: Path, browser: Browser, postgres_url: str, redis_server: RedisServer
) -> None:
    """PostgreSQL and Redis: readers over WebSocket and SSE and a page are reset, and end with what the store has."""
    shared = {"database_url": postgres_url, "redis_url": redis_server.url, "redis_prefix": tmp_path.name}
    async with AsyncExitStack() as stack:
        here, there = await asyncio.gather(
            *(stack.enter_async_context(serving(tmp_path / name, **shared)) for name in ("here", "there"))
        )
        newsroom = await stack.enter_async_context(Client(here.url, await here.key()))
        await newsroom.create_liveblog(LIVEBLOG)
        for body in ("Un", "Deux"):
            await newsroom.publish("match", {"body": f"<p>{body}</p>"})
        backup = await here.run("backup", "backup.zip")
        assert (backup.status, backup.stderr) == (0, "")
        assert "to backup.zip: 1 live blog and 2 entries" in backup.stdout

        await newsroom.create_liveblog({**LIVEBLOG, "slug": "tard"})
        await newsroom.publish("match", {"body": "<p>Trois</p>"})
        old = await newsroom.snapshot("match")
        old_position = Position(old["epoch"], old["seq"])
        followers = [await follow(stack, server) for server in (here, there)]
        stream = await events(stack, there)
        assert (await anext(stream))["type"] == "hello"
        page = await (await stack.enter_async_context(pages(browser)))(f"{there.url}/live/match")
        await live(page)
        await mark(page)
        late_reader = await stack.enter_async_context(Client(there.url))
        empty = await late_reader.snapshot("tard")
        late = asyncio.create_task(anext(late_reader.follow("tard", Position(empty["epoch"], 0))))
        await settles(partial(strings, page, BODIES), ["Trois", "Deux", "Un"])
        assert [await status(server, "tard") for server in (here, there)] == [200, 200]

        refused = await here.run("restore", "backup.zip")
        assert refused.status == 1
        assert "holds 2 live blogs and 3 entries" in refused.stderr
        assert "--force" in refused.stderr
        restored = await here.run("restore", "backup.zip", "--force")
        assert restored.status == 0, restored.stderr

        async with asyncio.timeout(SOON):
            while (message := await anext(stream))["type"] == "heartbeat":
                pass
            assert message["type"] == "reset"
            with pytest.raises(ClientError, match="no live blog tard"):
                await late
        for follower in followers:
            await follower.until_it_has("Un", "Deux")
            assert follower.resets == [message["epoch"]]
        await settles(partial(strings, page, BODIES), ["Deux", "Un"], seconds=SOON)
        for server in (here, there):
            await settles(partial(status, server, "tard"), 404, seconds=SOON)

        entry = await newsroom.publish("match", {"body": "<p>Quatre</p>"})
        assert entry["seq"] == message["seq"] + 1 == old["seq"]
        for follower in followers:
            await follower.until_it_has("Un", "Deux", "Quatre")
            assert len(follower.resets) == 1
        await settles(partial(strings, page, BODIES), ["Quatre", "Deux", "Un"], seconds=SOON)
        await assert_never_reloaded(page)
        # The old position has the very number that the new history has reached.
        for server in (here, there):
            reader = await stack.enter_async_context(Client(server.url))
            assert (await reader.changes("match", old_position))["reset"] is True
            comes_back = await stack.enter_async_context(aclosing(reader.follow("match", old_position)))
            assert (await anext(comes_back))["type"] == "reset"


async def test_while_it_is_published(tmp_path: Path, postgres_url: str, redis_server: RedisServer) -> None:
    """An entry answered 2xx is in the store unless it was before the restore; readers hold nothing else."""
    shared = {"database_url": postgres_url, "redis_url": redis_server.url, "redis_prefix": tmp_path.name}
    async with AsyncExitStack() as stack:
        servers = await asyncio.gather(
            *(stack.enter_async_context(serving(tmp_path / name, **shared)) for name in ("a", "b"))
        )
        key = await servers[0].key()
        newsroom = [await stack.enter_async_context(Client(server.url, key)) for server in servers]
        await newsroom[0].create_liveblog(LIVEBLOG)
        await newsroom[0].publish("match", {"body": "<p>Premier</p>"})
        assert (await servers[0].run("backup", "backup.zip")).status == 0
        followers = [await follow(stack, server) for server in servers]
        enough = asyncio.Event()
        answered: list[str] = []

        async def publish(client: Client, name: str) -> None:
            number = 0
            while not enough.is_set():
                body = f"<p>{name} {number}</p>"
                answered.append((await client.publish("match", {"body": body}))["id"])
                number += 1

        publisher = [asyncio.create_task(publish(client, name)) for client, name in zip(newsroom, "ab", strict=True)]
        for follower in followers:
            await follower.until_it_is_longer_than(10)
        restored = await servers[0].run("restore", "backup.zip", "--force")
        assert restored.status == 0, restored.stderr
        before = len(answered)
        for follower in followers:
            await follower.until_reset()
        await eventually(lambda: len(answered) > before + 10)
        enough.set()
        await asyncio.gather(*publisher)

        stored = await entries(servers[1])
        assert set(answered[before + len(newsroom) :]) <= set(stored)
        assert len(set(stored) - set(answered)) == 1, "the one of the backup"
        for follower in followers:
            await follower.until_same(stored)
            assert len(follower.resets) == 1


async def test_under_a_file(tmp_path: Path, browser: Browser) -> None:
    """SQLite: backed up while the server runs, restored while it doesn't; the page that comes back starts afresh."""
    server = ForkedServer(tmp_path / "server")
    async with AsyncExitStack() as stack:
        open_page = await stack.enter_async_context(pages(browser))
        async with started(server):
            newsroom = await stack.enter_async_context(Client(server.url, await server.key()))
            await newsroom.create_liveblog(LIVEBLOG)
            for body in ("Un", "Deux"):
                await newsroom.publish("match", {"body": f"<p>{body}</p>"})
            assert (await server.run("backup", "backup.zip")).status == 0
            again = await server.run("backup", "backup.zip")
            assert (again.status, again.stdout) == (1, "")
            assert "--force" in again.stderr
            await newsroom.publish("match", {"body": "<p>Trois</p>"})
            page = await open_page(f"{server.url}/live/match", outages=True)
            await live(page)
            await mark(page)
            await settles(partial(strings, page, BODIES), ["Trois", "Deux", "Un"])
            refused = await server.run("restore", "backup.zip", "--force")
            assert refused.status == 2
            assert "a server runs on" in refused.stderr
            await server.end()
            damaged = await server.run("restore", "stdout", "--force")
            assert damaged.status == 1
            assert damaged.stderr.startswith("liveserver: stdout is no backup of liveserver's")
            assert (await server.run("restore", "backup.zip", "--force")).status == 0
            await server.start()
            await settles(partial(strings, page, BODIES), ["Deux", "Un"])
            await newsroom.publish("match", {"body": "<p>Quatre</p>"})
            await settles(partial(strings, page, BODIES), ["Quatre", "Deux", "Un"])
            await assert_never_reloaded(page)


async def test_interrupted(tmp_path: Path, postgres_url: str) -> None:
    """Ctrl+C, or a SIGTERM: no unfinished file is left, nothing half restored, and no lock."""
    store = await Store.open(postgres_url)
    writer = store._database.writer
    assert isinstance(writer, LoopConnections)
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    done = await run("backup", "backup.zip", cwd=tmp_path, database_url=postgres_url)
    assert done.status == 0
    before = await store.changes.positions(["match"])
    forever = text("SET LOCAL idle_in_transaction_session_timeout = 0")
    for number, sign in enumerate((signal.SIGINT, signal.SIGTERM)):
        directory = tmp_path / f"backup-{number}"
        backup = Child(directory, "backup", "backup.zip", database_url=postgres_url)
        restore = Child(directory / "restore", "restore", "../../backup.zip", "--force", database_url=postgres_url)
        async with writer._engine.begin() as connection:
            await connection.execute(forever)
            await connection.execute(text("LOCK TABLE entries IN ACCESS EXCLUSIVE MODE"))
            await backup.start()
            await eventually(partial(_has_unfinished, directory))
            assert await backup.end(sign) == 130
        async with writer._engine.begin() as connection:
            await connection.execute(forever)
            await connection.execute(text(f"SELECT pg_advisory_xact_lock_shared({HISTORY_LOCK})"))
            await restore.start()
            await settles(partial(_waiting, connection), 1)
            assert await restore.end(sign) == 130
        assert [file.name for file in directory.glob("*backup*")] == []
        assert await store.changes.positions(["match"]) == before
        await store.entries.create("match", an_entry(), by=NEWSROOM)
        before = await store.changes.positions(["match"])
    await store.close()


async def _waiting(connection: AsyncConnection) -> int:
    query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    return int(await connection.scalar(query) or 0)


def _has_unfinished(directory: Path) -> bool:
    return bool(list(directory.glob(".backup.zip.*")))
