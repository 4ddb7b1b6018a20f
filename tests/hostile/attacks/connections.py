"""Attacks on the places of connections, by hundreds that begin something and don't end it."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from tests.hostile.attacks.registry import attack
from tests.hostile.enemy import get, request, together

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hostile.enemy import Enemy

LARGE_FILE = "/static/docs/swagger-ui-bundle.js"
"""1.4 MB, for everybody."""


async def _linger(enemy: Enemy, begin: Callable[[], bytes], drip: bytes, *, clients: int = 200) -> None:
    """Connections by the hundred that begin something, and send a little of it now and then."""

    async def one() -> None:
        async with enemy.link() as link:
            reading = asyncio.ensure_future(link.drop())
            try:
                await link.send(begin())
                while not reading.done():
                    await asyncio.sleep(1.0)
                    await link.send(drip)
                enemy.done["closed"] += 1
            finally:
                reading.cancel()

    await enemy.repeat(one, clients=clients, pause=1.0)


@attack
async def silent(enemy: Enemy) -> None:
    """200 connections that say nothing."""
    await _linger(enemy, lambda: b"", b"")


@attack
async def half_heads(enemy: Enemy) -> None:
    """200 requests whose heads don't end."""
    await _linger(enemy, lambda: get("/live")[:-2], b"X: a\r\n")


@attack
async def half_bodies(enemy: Enemy) -> None:
    """200 requests whose bodies don't end: with and without a good key, of a known length and in chunks."""

    def begin() -> bytes:
        key = random.choice([f"Bearer {enemy.ground.key}", "Bearer no"])
        path, sort = f"/api/v1/liveblogs/{enemy.ground.own}/entries", "application/json"
        if random.random() < 0.5:
            return request("POST", path, Authorization=key, Content_Type=sort, Content_Length="50000")
        return request("POST", path, Authorization=key, Content_Type=sort, Transfer_Encoding="chunked")

    await _linger(enemy, begin, b"1\r\n \r\n")


@attack
async def slow_receivers(enemy: Enemy) -> None:
    """100 viewers, 100 readers of large pages and 50 of a part of a file, who read nothing."""
    whole = f"?after={enemy.ground.epoch}-1"

    async def viewer() -> None:
        async with enemy.stream(random.choice(["ws", "deflated", "events"]), whole, buffer=4096):
            await asyncio.sleep(15)

    async def reader() -> None:
        async with enemy.link(buffer=4096) as link:
            link.writer.write(get(f"{enemy.ground.api}/snapshot?limit=100") * 100)
            await asyncio.sleep(15)

    async def reader_of_a_part() -> None:
        async with enemy.link(buffer=4096) as link:
            link.stop_reading()
            link.writer.write(get(LARGE_FILE, Range="bytes=1-"))
            await asyncio.sleep(15)

    many = ((viewer, 100), (reader, 100), (reader_of_a_part, 50))
    await together(enemy.repeat(act, clients=clients, pause=1.0) for act, clients in many)
