"""Attacks on what is kept in memory: topics, pages and answers that nobody else asks for."""

from __future__ import annotations

import asyncio
import random
from itertools import count
from typing import TYPE_CHECKING

from tests.hostile.attacks.registry import attack
from tests.hostile.enemy import get

if TYPE_CHECKING:
    from tests.hostile.enemy import Enemy


async def _invented(enemy: Enemy, kind: str) -> None:
    numbers = count(1)
    held = asyncio.Semaphore(200)

    async def one() -> None:
        async with held:
            extra = random.choice(["delay={}", "tag=t{}", "delay={}&tag=a", "x{}", "partner=p_{:012x}"])
            slug = f"{enemy.ground.slug}%3F{extra.format(next(numbers))}"
            async with enemy.stream(kind, slug=slug) as link:
                async with asyncio.timeout(20):
                    await link.drop()

    await enemy.repeat(one, clients=200, pause=2.0)


@attack
async def invented_topics_ws(enemy: Enemy) -> None:
    """Slugs that name internal views (`SLUG?delay=N`), by WebSocket: 200 at once, some 100 new ones a second."""
    await _invented(enemy, "ws")


@attack
async def invented_topics_sse(enemy: Enemy) -> None:
    """The same by server-sent events."""
    await _invented(enemy, "events")


@attack
async def page_cache(enemy: Enemy) -> None:
    """Pages with queries that nobody else has: eight at once, each a thousand different ones on one connection."""
    slug, entry = enemy.ground.slug, enemy.ground.entry
    paths = ["/", f"/live/{slug}", f"/live/{slug}/entries/{entry}", f"/live/{slug}/feed.json"]
    paths += [f"/embed/{slug}", f"/embed/{slug}/fragment", f"/embed/{slug}/shell.json", f"/embed/preview/{slug}"]
    names = ("x", "utm_source", "lang", "theme", "partner", "limit", "cursor", "q" * 500)
    numbers = count()

    async def one() -> None:
        requests = [
            get(
                f"{random.choice(paths)}?{random.choice(names)}={next(numbers)}{random.choice(['', 'b' * 1_000])}",
                Accept_Encoding=random.choice(["gzip", "identity", f"x{next(numbers)}"]),
                Accept=random.choice(["text/html", "*/*"]),
            )
            for _ in range(1_000)
        ]
        await enemy.ask(*requests)

    await enemy.repeat(one, clients=8)


def _variant(enemy: Enemy) -> bytes:
    """An answer of hundreds of entries that nobody else asks for."""
    ground = enemy.ground
    after = f"{ground.epoch}-{random.randrange(max(1, ground.seq - 300))}"
    return get(f"{ground.api}/changes?after={after}&limit={random.randrange(150, 201)}")


@attack
async def variants_left(enemy: Enemy) -> None:
    """Pages that nobody else asks for, by 200 clients of four limited addresses that ask and leave at once."""
    enemy.be_limited()

    async def one() -> None:
        async with enemy.link() as link:
            await link.send(_variant(enemy))
            await asyncio.sleep(0.02)
        enemy.done["left"] += 1

    await enemy.repeat(one, clients=200, pause=0.2)


@attack
async def variants_awaited(enemy: Enemy) -> None:
    """The same by clients that stay for what they asked for."""
    enemy.be_limited()
    await enemy.repeat(lambda: enemy.ask(_variant(enemy)), clients=200, pause=0.2)


@attack
async def variants_unread(enemy: Enemy) -> None:
    """The same by clients that stay, and read nothing of it."""
    enemy.be_limited()

    async def one() -> None:
        async with enemy.link(buffer=4096) as link:
            link.stop_reading()
            await link.send(_variant(enemy))
            await asyncio.sleep(15)

    await enemy.repeat(one, clients=100, pause=0.2)
