"""Two servers that share one PostgreSQL and one Redis: what is published on one is on the viewers of the other."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from liveserver.client import Client
from liveserver.domain.change import Position
from tests.acceptance.browsing import pages
from tests.acceptance.reading import BODIES, assert_never_reloaded, live, mark, settles, strings
from tests.acceptance.serving import LiveServer, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser

    from tests.support.services import StartRedis

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIVEBLOG = {"slug": "match", "title": "Le match", "language": "fr", "timezone": "Europe/Paris"}
BLINK = 5.0
"""Seconds: generous for a message on the bus, and far below the poll of the server that reads along."""


async def test_published_here_and_read_there(
    tmp_path: Path, browser: Browser, postgres_url: str, start_redis: StartRedis
) -> None:
    """The bus carries it at once; without Redis the poll finds it; with Redis back, the bus carries it again."""
    redis = start_redis()
    shared = {"database_url": postgres_url, "redis_url": redis.url, "poll": "60", "poll_fast": "0.2"}
    async with AsyncExitStack() as stack:
        here, there = await asyncio.gather(
            *(stack.enter_async_context(serving(tmp_path / name, **shared)) for name in ("here", "there"))
        )
        newsroom = await stack.enter_async_context(Client(here.url, await here.key()))
        await newsroom.create_liveblog(LIVEBLOG)
        await newsroom.publish("match", {"body": "<p>Avant</p>"})
        reader = await stack.enter_async_context(Client(there.url))
        snapshot = await reader.snapshot("match")
        assert [entry["body"] for entry in snapshot["entries"]] == ["<p>Avant</p>"]
        position = Position(snapshot["epoch"], snapshot["seq"])
        follower = await stack.enter_async_context(aclosing(reader.follow("match", position)))
        open_page = await stack.enter_async_context(pages(browser))
        page = await open_page(f"{there.url}/live/match")
        await live(page)
        await mark(page)

        # The first message may come by the joining itself; the second proves the bus.
        for body in ("<p>Premier but</p>", "<p>Deuxième but</p>"):
            await newsroom.publish("match", {"body": body})
            assert (await _next(follower))["entry"]["body"] == body
        await settles(partial(strings, page, BODIES), ["Deuxième but", "Premier but", "Avant"], seconds=BLINK)

        redis.stop()
        await settles(partial(_bus, here), "down")
        await settles(partial(_bus, there), "down")
        published = await newsroom.publish("match", {"body": "<p>Mi-temps</p>"})
        assert (await _next(follower))["entry"]["id"] == published["id"]
        await newsroom.delete("match", published["id"])
        assert await _next(follower) == {"type": "delete", "seq": published["seq"] + 1, "id": published["id"]}
        await settles(partial(strings, page, BODIES), ["Deuxième but", "Premier but", "Avant"], seconds=BLINK)

        redis.start()
        await settles(partial(_bus, here), "up")
        await settles(partial(_bus, there), "up")
        await newsroom.publish("match", {"body": "<p>Troisième but</p>"})
        assert (await _next(follower))["entry"]["body"] == "<p>Troisième but</p>"
        await settles(
            partial(strings, page, BODIES), ["Troisième but", "Deuxième but", "Premier but", "Avant"], seconds=BLINK
        )
        await assert_never_reloaded(page)


async def _next(follower: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    async with asyncio.timeout(BLINK):
        return await anext(follower)


async def _bus(server: LiveServer) -> str:
    async with httpx2.AsyncClient() as http:
        return str((await http.get(f"{server.url}/readyz")).json()["bus"])
