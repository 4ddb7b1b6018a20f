"""Attacks on the processor: work that costs much, and work that comes very often."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import orjson

from tests.hostile.attacks.registry import attack
from tests.hostile.enemy import MEGABYTE, get, request

if TYPE_CHECKING:
    from tests.hostile.enemy import Enemy


@attack
async def quadratic_bodies(enemy: Enemy) -> None:
    """An editor, or somebody who has their key, with 100 kB of what parsers take long for: two at once."""
    bodies = [
        ("html", "<ul><li>"),
        ("html", "<b>"),
        ("html", "<table><tr><td>"),
        ("html", "<a href='x'>"),
        ("html", "<svg><p>"),
        ("html", "<!--"),
        ("html", "&amp"),
        ("markdown", "!["),
        ("markdown", "["),
        ("markdown", "*a_"),
        ("markdown", "> "),
        ("markdown", "- "),
        ("markdown", "`a``"),
        ("markdown", "<a "),
        ("markdown", "[a](<b"),
        ("markdown", "|a"),
    ]
    key = f"Bearer {enemy.ground.key}"
    path = f"/api/v1/liveblogs/{enemy.ground.own}/entries"

    async def one() -> None:
        sort, unit = random.choice(bodies)
        body = orjson.dumps({"format": sort, "body": (unit * 100_000)[:99_990] + "texte", "status": "draft"})
        await enemy.ask(request("POST", path, body, Authorization=key, Content_Type="application/json"))

    await enemy.repeat(one, clients=2)


@attack
async def connect_storm(enemy: Enemy) -> None:
    """WebSockets that are opened and closed, 32 at once, as fast as it goes."""

    async def one() -> None:
        async with enemy.stream(random.choice(["ws", "deflated"])):
            pass

    await enemy.repeat(one, clients=32)


@attack
async def sse_storm(enemy: Enemy) -> None:
    """The same by server-sent events."""

    async def one() -> None:
        async with enemy.stream("events"):
            pass

    await enemy.repeat(one, clients=32)


@attack
async def replay_storm(enemy: Enemy) -> None:
    """Viewers that come back from a thousand changes ago, each from another position: 16 at once."""

    async def one() -> None:
        after = f"?after={enemy.ground.epoch}-{max(enemy.ground.seq - random.randrange(150, 1_000), 0)}"
        async with enemy.stream(random.choice(["ws", "deflated", "events"]), after) as link:
            async with asyncio.timeout(2):
                enemy.done["replayed KB"] += len(await link.reader.read(MEGABYTE)) // 1000

    await enemy.repeat(one, clients=16)


@attack
async def failed_keys(enemy: Enemy) -> None:
    """Guesses at keys, 16 at once: of the right form with a known id, and of none."""
    path = f"/api/v1/liveblogs/{enemy.ground.own}/entries"
    body = orjson.dumps({"body": "<p>x</p>"})

    async def one() -> None:
        known = enemy.ground.key.rsplit("_", 1)[0]
        guess = random.choice([f"{known}_{random.randbytes(16).hex()}", "x" * 5_000, random.randbytes(20).hex()])
        post = request("POST", path, body, Authorization=f"Bearer {guess}", Content_Type="application/json")
        await enemy.ask(*[post] * 20)

    await enemy.repeat(one, clients=16)


@attack
async def polling(enemy: Enemy) -> None:
    """Snapshots, changes and lists as fast as they are answered, 16 connections, never with a tag."""
    api, epoch, seq = enemy.ground.api, enemy.ground.epoch, enemy.ground.seq

    def any_request() -> bytes:
        after = f"{epoch}-{random.randrange(seq)}"
        path = random.choice(["/snapshot?limit=100", f"/changes?after={after}&limit=200", "/entries?limit=100", ""])
        return get(f"{api}{path}")

    await enemy.repeat(lambda: enemy.ask(*[any_request() for _ in range(50)]), clients=16)


async def _refused(enemy: Enemy, path: str) -> None:
    enemy.be_limited()
    await enemy.repeat(
        lambda: enemy.ask(*(get(f"{path}{random.getrandbits(64):x}") for _ in range(50))), clients=200, pause=0.2
    )


@attack
async def refused_pages(enemy: Enemy) -> None:
    """Pages that don't exist, by 200 clients of four limited addresses, each again as soon as it is refused."""
    await _refused(enemy, "/live/")


@attack
async def refused_reads(enemy: Enemy) -> None:
    """The same of the API."""
    await _refused(enemy, "/api/v1/liveblogs/")
