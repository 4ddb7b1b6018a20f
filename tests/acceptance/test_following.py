"""One server follows another's live blog, while either dies, or is restored: no entry twice, none lost."""

from __future__ import annotations

import asyncio
import random
import re
import sqlite3
import time
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest

from liveserver.client import Client, ClientError
from tests.acceptance.serving import LiveServer, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests.support.services import RedisServer

pytestmark = pytest.mark.timeout(240)

LIVEBLOG = {"slug": "match", "title": "Le match", "language": "fr", "timezone": "Europe/Paris"}
SOON = 40.0
"""Seconds: a source that was away is asked again after 30 at the latest."""
TAKEN_OVER = 10.0
"""Seconds in which another node goes on following."""
SAME = ("heading", "body", "published_at", "updated_at", "corrections", "tags")


class Desk:
    """Publishes, edits and deletes at the source, again and again, as chance has it."""

    def __init__(self, client: Client, seed: int) -> None:
        self.client = client
        self.done = 0
        self._chance = random.Random(seed)
        self._known: list[str] = []

    async def write(self) -> None:
        what = self._chance.random()
        if what < 0.5 or not self._known:
            entry = await self.client.publish("match", {"body": f"Entrée {self.done}", "tags": ["direct"]})
            self._known.append(entry["id"])
        elif what < 0.8:
            patch = {"body": f"Modifiée {self.done}", "correction": f"Note {self.done}"}
            await self.client.edit("match", self._chance.choice(self._known), patch)
        else:
            entry_id = self._known.pop(self._chance.randrange(len(self._known)))
            try:
                await self.client.delete("match", entry_id)
            except ClientError as error:
                # A lost answer: it was deleted the first time.
                if error.status != 410:
                    raise
        self.done += 1

    async def wrote(self, more: int) -> None:
        """Return once so many more have been written."""
        enough = self.done + more

        async def written() -> bool:
            return self.done >= enough

        await soon(written)

    async def run(self) -> None:
        while True:
            try:
                await self.write()
            except ClientError as error:
                if error.status != 0:
                    raise
            await asyncio.sleep(0.05)


async def stop(writing: asyncio.Task[None]) -> None:
    """End it; raises what it failed with."""
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing


async def restore(server: LiveServer, backup: Path) -> None:
    """Replace all that the server holds, as operators of an SQLite file do."""
    await server.end()
    assert (await server.run("restore", str(backup), "--force")).status == 0
    await server.start()


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[LiveServer]:
    async with serving(tmp_path / "source") as server:
        async with Client(server.url, await server.key()) as client:
            await client.create_liveblog(LIVEBLOG)
        yield server


@pytest.fixture
async def mirror(tmp_path: Path, source: LiveServer) -> AsyncIterator[LiveServer]:
    async with serving(tmp_path / "mirror", follow_private="true") as server:
        await begin(server, source)
        yield server


async def begin(server: LiveServer, source: LiveServer) -> None:
    """Have the server's live blog follow the source's, by the command."""
    async with Client(server.url, await server.key()) as client:
        await client.create_liveblog(LIVEBLOG)
    followed = await server.run("follow", "match", f"{source.url}/live/match", "--credit", "La source")
    assert (followed.status, followed.stderr) == (0, "")


async def published(server: LiveServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    async with httpx2.AsyncClient() as http:
        while True:
            answer = await http.get(f"{server.api}/liveblogs/match/entries", params={"limit": "100", **cursor})
            assert answer.status_code == 200, answer.text
            found += answer.json()["items"]
            if answer.json()["next_cursor"] is None:
                return found
            cursor = {"cursor": answer.json()["next_cursor"]}


async def contents(server: LiveServer) -> list[list[Any]]:
    return sorted(([entry[name] for name in SAME] for entry in await published(server)), key=str)


async def soon(check: Callable[[], Awaitable[bool]], *, seconds: float = SOON) -> float:
    """How long it took until the check held."""
    began = time.monotonic()
    while not await check():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def level(source: LiveServer, *mirrors: LiveServer) -> float:
    """Return once the mirrors show what the source shows."""

    async def same() -> bool:
        return all([await contents(mirror) == await contents(source) for mirror in mirrors])

    return await soon(same)


async def unread(server: LiveServer) -> bool:
    """Whether nobody follows the server's live blog any more."""
    async with httpx2.AsyncClient() as http:
        figures = (await http.get(f"{server.url}/metrics")).text
    return not re.search(r'^liveserver_viewers\{liveblog="match"\} [1-9]', figures, re.MULTILINE)


async def reports(server: LiveServer) -> None:
    """Return once the follower there has said anew how it stands."""

    async def heard_at() -> str:
        found: str = orjson.loads((await server.run("follow", "match")).stdout)["heard_at"]
        return found

    before = await heard_at()

    async def anew() -> bool:
        return await heard_at() != before

    await soon(anew)


def no_doubles(server: LiveServer) -> None:
    """Every entry that was ever written here is an entry of the source's, and no other is."""
    path = server.settings["database_url"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection:
        mapped = connection.execute("SELECT entry_id FROM copies WHERE NOT gone").fetchall()
        there = connection.execute("SELECT id FROM entries WHERE status = 'published'").fetchall()
        copies, distinct = connection.execute("SELECT count(*), count(DISTINCT remote_id) FROM copies").fetchone()
        entries = connection.execute("SELECT count(*) FROM entries").fetchone()[0]
    assert sorted(mapped) == sorted(there)
    assert copies == distinct == entries


async def test_either_side_is_killed_again_and_again(source: LiveServer, mirror: LiveServer) -> None:
    """SIGKILL at any moment: what the follower had begun is done or isn't, and never twice."""
    async with Client(source.url, await source.key()) as client:
        desk = Desk(client, seed=6)
        writing = asyncio.create_task(desk.run())
        for round_ in range(6):
            victim = source if round_ % 3 == 2 else mirror
            # In the middle of taking over what there was, or of following.
            await mirror.logged("syndication.state")
            await desk.wrote(3 * round_)
            await victim.kill()
            await victim.start()
        await stop(writing)
        assert desk.done > 50
    await level(source, mirror)
    no_doubles(mirror)

    async def stands_well() -> bool:
        shown = (await mirror.run("follow", "match")).stdout
        return '"behind": 0' in shown and '"error": null' in shown

    await soon(stands_well)


async def test_the_source_is_restored_from_a_backup(source: LiveServer, mirror: LiveServer, tmp_path: Path) -> None:
    """Entries made after the backup are taken away here too, deleted ones are back, changed ones are edited."""
    async with Client(source.url, await source.key()) as client:
        kept = await client.publish("match", {"body": "Gardée"})
        edited = await client.publish("match", {"body": "Avant"})
        deleted = await client.publish("match", {"body": "Revenue"})
        await level(source, mirror)
        ours = {entry["body"]: entry["id"] for entry in await published(mirror)}
        assert (await source.run("backup", str(tmp_path / "backup.zip"))).status == 0
        await client.edit("match", edited["id"], {"body": "Après"})
        await client.delete("match", deleted["id"])
        await client.publish("match", {"body": "Perdue"})
        await level(source, mirror)
        assert len(await published(mirror)) == 3
        await restore(source, tmp_path / "backup.zip")
        await level(source, mirror)
        now = {entry["body"]: entry["id"] for entry in await published(mirror)}
        assert now.keys() == {"Gardée", "Avant", "Revenue"}
        assert (now["Gardée"], now["Avant"]) == (ours["Gardée"], ours["Avant"])
        versions = {entry["body"]: entry["version"] for entry in await published(mirror)}
        assert (versions["Gardée"], versions["Avant"]) == (1, 3)
        assert kept["id"] not in now.values()
        # And it goes on from there.
        await client.publish("match", {"body": "Ensuite"})
        await level(source, mirror)


async def test_the_follower_is_restored_from_a_backup(source: LiveServer, mirror: LiveServer, tmp_path: Path) -> None:
    """It stands where it stood then, and catches up."""
    async with Client(source.url, await source.key()) as client:
        first = await client.publish("match", {"body": "Une"})
        await level(source, mirror)
        assert (await mirror.run("backup", str(tmp_path / "backup.zip"))).status == 0
        await client.edit("match", first["id"], {"body": "Une, corrigée"})
        await client.publish("match", {"body": "Deux"})
        await level(source, mirror)
        await restore(mirror, tmp_path / "backup.zip")
        await client.publish("match", {"body": "Trois"})
        await level(source, mirror)
    no_doubles(mirror)


async def test_stopping_by_the_command(source: LiveServer, mirror: LiveServer) -> None:
    async with Client(source.url, await source.key()) as client:
        await client.publish("match", {"body": "Une"})
        await level(source, mirror)
        stopped = await mirror.run("follow", "match", "--stop")
        assert stopped.stdout == "match follows nothing any more.\n"
        await soon(partial(unread, source))
        await client.publish("match", {"body": "Deux"})
        assert [entry["body"] for entry in await published(mirror)] == ["Une"]
    assert (await mirror.run("follow", "match", "--stop")).status == 1
    assert (await mirror.run("follow", "match", "--credit", "X")).status == 2


async def test_another_node_follows_when_one_dies(
    source: LiveServer, postgres_url: str, redis_server: RedisServer, tmp_path: Path
) -> None:
    """Two nodes on one PostgreSQL: one follows; killed, the other goes on within ten seconds."""
    shared = {"database_url": postgres_url, "redis_url": redis_server.url, "follow_private": "true"}
    async with serving(tmp_path / "a", **shared) as a, serving(tmp_path / "b", **shared) as b:
        await begin(a, source)
        async with Client(source.url, await source.key()) as client:
            await client.publish("match", {"body": "Une"})
            await level(source, a, b)
            following = [node for node in (a, b) if node.log("syndication.state")]
            assert len(following) == 1, "one of them follows"
            (dead,) = following
            (other,) = {a, b} - {dead}
            desk = Desk(client, seed=7)
            writing = asyncio.create_task(desk.run())
            await desk.wrote(10)
            await dead.kill()
            killed = time.monotonic()
            await other.logged("syndication.state", seconds=TAKEN_OVER)
            assert time.monotonic() - killed < TAKEN_OVER
            await dead.start()
            # It looks whether there is something to follow, twice at least, and finds it held.
            for _ in range(2):
                await reports(other)
            await stop(writing)
            await level(source, a, b)
            assert not dead.log("syndication.state"), "the other one goes on"
