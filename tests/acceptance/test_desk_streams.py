"""Desk streams on three nodes with one database and one Redis: hints, people and ends of sessions reach all of them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import pytest
import pytest_asyncio

from liveserver.client import Client
from liveserver.domain.ids import now
from liveserver.newsroom.desk.presence import LIFETIME
from liveserver.protocol import close_codes
from liveserver.store import Store
from tests.acceptance.serving import ForkedServer, LiveServer, started
from tests.support.desk_streams import DeskStreamClient, desk_stream, signed_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.desk_streams import Editor
    from tests.support.services import RedisServer

PUBLIC = "http://live.example.org"
ENTRY = "0192c0de-0000-7000-8000-000000000001"
POLL = 60.0
"""Seconds: what arrives sooner came over the bus."""


class Newsroom(NamedTuple):
    """Three nodes, and the store that they share."""

    nodes: list[LiveServer]
    store: Store
    key: str

    async def liveblog(self) -> str:
        """A new live blog; its slug."""
        slug = f"direct-{uuid4().hex[:8]}"
        async with Client(self.nodes[0].url, self.key) as client:
            await client.create_liveblog({"slug": slug, "title": "D", "language": "fr", "timezone": "Europe/Paris"})
        return slug

    @asynccontextmanager
    async def desk_streams(self, slug: str, *editors: Editor) -> AsyncIterator[list[DeskStreamClient]]:
        """A desk stream at each node, one after the other; each has had its `hello`."""
        async with AsyncExitStack() as stack:
            found = []
            for node, editor in zip(self.nodes, editors, strict=False):
                url = f"ws://127.0.0.1:{node.port}"
                found.append(await stack.enter_async_context(desk_stream(url, editor, slug, origin=PUBLIC)))
                await found[-1].next()
            yield found


@pytest_asyncio.fixture
async def newsroom(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[Newsroom]:
    """Three nodes that run."""
    shared = {
        "public_url": PUBLIC,
        "database_url": f"sqlite:///{tmp_path}/live.db",
        "redis_url": redis_server.url,
        "redis_prefix": f"test-{uuid4().hex[:8]}",
        "poll": str(POLL),
    }
    nodes: list[LiveServer] = [ForkedServer(tmp_path / str(number), **shared) for number in range(3)]
    async with AsyncExitStack() as stack:
        for node in nodes:
            await stack.enter_async_context(started(node))
        store = await Store.open(shared["database_url"])
        stack.push_async_callback(store.close)
        yield Newsroom(nodes, store, await nodes[0].key())


async def test_hints_and_people_reach_the_desk_streams_of_all_nodes(newsroom: Newsroom) -> None:
    """Whichever node somebody writes at."""
    slug = await newsroom.liveblog()
    ada, bo, cy = [await signed_in(newsroom.store, name) for name in ("Ada", "Bo", "Cy")]
    async with newsroom.desk_streams(slug, ada, bo, cy) as streams:
        everybody = [("Ada", None, "here"), ("Bo", None, "here"), ("Cy", None, "here")]
        await asyncio.gather(*(one.people(*everybody) for one in streams))
        for node in newsroom.nodes:
            async with Client(node.url, newsroom.key) as client:
                draft = await client.publish(slug, {"body": "<p>Secret</p>", "status": "draft"})
            hints = await asyncio.gather(*(one.until("work") for one in streams))
            assert [(hint["id"], hint["version"], hint["status"]) for hint in hints] == [(draft["id"], 1, "draft")] * 3
        await streams[0].say(ENTRY, "writing")
        await asyncio.gather(*(one.people(("Ada", ENTRY, "writing"), *everybody[1:]) for one in streams))


async def test_a_session_that_ends_ends_its_streams_on_all_nodes(newsroom: Newsroom) -> None:
    slug = await newsroom.liveblog()
    ada, bo = [await signed_in(newsroom.store, name) for name in ("Ada", "Bo")]
    async with newsroom.desk_streams(slug, ada, ada, bo) as [one, two, other]:
        await newsroom.store.sessions.end(ada.session_id, ada.by, now())
        codes = await asyncio.gather(*(stream.end(seconds=2.0) for stream in (one, two)))
        assert codes == [close_codes.CLOSE_SESSION_ENDED] * 2
        await other.people(("Bo", None, "here"))


@pytest.mark.timeout(120)
async def test_the_people_of_a_node_that_was_killed_are_gone_in_time(newsroom: Newsroom) -> None:
    """Not sooner than LIFETIME after their last word; those who go on saying where they are stay.

    That it is no later either, the unit tests of presence tell, by a clock of their own.
    """
    slug = await newsroom.liveblog()
    ada, bo = [await signed_in(newsroom.store, name) for name in ("Ada", "Bo")]
    async with newsroom.desk_streams(slug, ada, bo) as [one, two]:
        await one.people(("Ada", None, "here"), ("Bo", None, "here"))
        await two.say(ENTRY)
        said = monotonic()
        await one.people(("Ada", None, "here"), ("Bo", ENTRY, "here"))
        await newsroom.nodes[1].kill()

        async def go_on() -> None:
            while True:
                await one.say(None)
                await asyncio.sleep(5)

        going_on = asyncio.create_task(go_on())
        await one.people(("Ada", None, "here"), seconds=LIFETIME + 30)
        going_on.cancel()
        assert monotonic() - said > LIFETIME - 1
