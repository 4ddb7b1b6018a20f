"""The server is killed with SIGKILL while it publishes, and started again: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING

import httpx2
import pytest

from liveserver.client import Client
from liveserver.domain.change import Position
from tests.acceptance.browsing import pages
from tests.acceptance.proxy import Proxy
from tests.acceptance.reading import BODIES, assert_never_reloaded, live, mark, settles, strings
from tests.acceptance.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIVEBLOG = {"slug": "course", "title": "La course", "language": "fr", "timezone": "Europe/Paris"}
COUNT = 18
KILLS = {5: 0.004, 11: 0.0}
"""Before which entries the server is killed, and how many seconds at most after the request was begun."""


class Newsroom:
    """Publishes one entry after the other, and repeats each with its Idempotency-Key until it is answered 2xx."""

    def __init__(self, url: str, key: str) -> None:
        self._entries = f"{url}/api/v1/liveblogs/course/entries"
        self._headers = {"Authorization": f"Bearer {key}"}
        self.acknowledged: list[str] = []
        """The ids that were answered, in order."""
        self.replayed = 0
        """How many answers were those of an earlier attempt."""
        self.begun = asyncio.Condition()
        self.number = -1
        """The entry that is being published."""

    async def publish(self, count: int) -> None:
        async with httpx2.AsyncClient(headers=self._headers, timeout=5) as http:
            for number in range(count):
                async with self.begun:
                    self.number = number
                    self.begun.notify_all()
                self.acknowledged.append(await self._publish_one(http, number))

    async def reaches(self, number: int) -> None:
        """Return once that entry is being published."""
        async with self.begun:
            await self.begun.wait_for(lambda: self.number >= number)

    async def _publish_one(self, http: httpx2.AsyncClient, number: int) -> str:
        while True:
            with suppress(httpx2.TransportError):
                response = await http.post(
                    self._entries,
                    json={"body": f"<p>Tour {number}</p>"},
                    headers={"Idempotency-Key": f"tour-{number}"},
                )
                assert response.status_code in {201, 503}, response.text
                if response.is_success:
                    self.replayed += response.headers.get("idempotency-replayed") == "true"
                    return str(response.json()["id"])
            await asyncio.sleep(0.05)


@pytest.mark.timeout(120)
async def test_sigkill_while_publishing(tmp_path: Path, browser: Browser) -> None:
    """Each entry answered 2xx is there once, and the open pages catch up by themselves, by WebSocket and without."""
    chance = random.Random(20261122)
    async with (
        serving(tmp_path) as server,
        Proxy(server.port, websocket=False) as old_way,
        pages(browser) as open_page,
    ):
        key = await server.key()
        async with Client(server.url, key) as client:
            await client.create_liveblog(LIVEBLOG)
        readers = [
            await open_page(f"{server.url}/live/course", outages=True),
            await open_page(f"{old_way.url}/live/course", outages=True),
        ]
        for page in readers:
            await live(page)
            await mark(page)

        newsroom = Newsroom(server.url, key)
        publisher = asyncio.create_task(newsroom.publish(COUNT))
        for number, spread in KILLS.items():
            await newsroom.reaches(number)
            await asyncio.sleep(chance.uniform(0, spread))
            await server.kill()
            await server.start()
        await publisher

        async with Client(server.url) as client:
            snapshot = await client.snapshot("course", limit=100)
        assert [entry["id"] for entry in reversed(snapshot["entries"])] == newsroom.acknowledged
        assert snapshot["seq"] == COUNT
        expected = [f"Tour {number}" for number in reversed(range(COUNT))]
        for page in readers:
            await settles(partial(strings, page, BODIES), expected, seconds=20)
            await assert_never_reloaded(page)


async def test_killed_between_commit_and_answer(tmp_path: Path) -> None:
    """The answer is lost on the way, and the server killed: the repeated request gets the entry that is there."""
    async with serving(tmp_path) as server, Proxy(server.port) as way:
        key = await server.key()
        async with Client(server.url, key) as client:
            await client.create_liveblog(LIVEBLOG)
            empty = await client.snapshot("course")
            start = Position(empty["epoch"], empty["seq"])
            newsroom = Newsroom(way.url, key)
            way.answers.clear()
            publisher = asyncio.create_task(newsroom.publish(1))
            async with aclosing(client.follow("course", start)) as stream:
                message = await anext(stream)
            assert message["entry"]["body"] == "<p>Tour 0</p>"
            await server.kill()
            way.cut()
            way.answers.set()
            await server.start()
            await publisher
            snapshot = await client.snapshot("course")
        assert newsroom.replayed == 1
        assert [entry["id"] for entry in snapshot["entries"]] == newsroom.acknowledged
        assert snapshot["seq"] == 1
