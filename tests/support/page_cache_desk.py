"""A page cache over a hub and a history in memory."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING

from liveserver.domain.topic import Topic
from liveserver.http.fair_queue import WAITING, FairQueue
from liveserver.http.queue_line import Requester
from liveserver.http.responses.page_cache import CachedPage, PageCache
from liveserver.http.responses.representation import Representation
from liveserver.realtime.bus import Medium, MemoryBus
from tests.support.memory_history import MemoryHistory, hub_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from liveserver.domain.change import Position

MATCH = "match"
WHOLE = Topic(MATCH)
PAGE = ("newest",)
NEVER = 3600.0
READERS = 200


class CountedHistory(MemoryHistory):
    """Counts the queries for positions."""

    def __init__(self, *slugs: str) -> None:
        super().__init__(*slugs)
        self.queries: list[set[str]] = []
        """By slug."""

    async def positions(self, topics: Collection[Topic]) -> dict[Topic, Position]:
        self.queries.append({topic.slug for topic in topics})
        await asyncio.sleep(0)
        return await super().positions(topics)


class Desk:
    """PageCache over a hub and a history, and a page that says how often it was made and where the store stood."""

    def __init__(self, *, budget: int = 1_000_000, slugs: tuple[str, ...] = (MATCH,), in_all: int = WAITING) -> None:
        self.history = CountedHistory(*slugs)
        self.hub = hub_on(self.history, MemoryBus(Medium()), poll=NEVER, poll_fast=NEVER)
        self.queue = FairQueue(in_all=in_all)
        self.page_cache = PageCache(self.hub, self.history, self.queue, budget=budget)
        self.made = 0
        self.error: Exception | None = None
        self.size = 0
        self._addresses = count()
        self._let_go = asyncio.Event()
        self._let_go.set()

    def hold(self) -> None:
        """From now on a page that has read the store isn't finished."""
        self._let_go.clear()

    def release(self) -> None:
        """Finish."""
        self._let_go.set()

    async def make(self, slug: str = MATCH) -> CachedPage:
        """Read the store, and render."""
        self.made += 1
        number, error, position = self.made, self.error, self.history.position(slug)
        await self._let_go.wait()
        if error is not None:
            raise error
        body = f"{number}: {position}".encode().ljust(self.size)
        return CachedPage(position, Representation(body, "text/plain", {}))

    async def get(self, variant: tuple[str, ...] = PAGE, slug: str = MATCH, requester: Requester | None = None) -> str:
        """The page that a reader is shown; each reader has an address of its own if no other is given."""
        if requester is None:
            requester = Requester(next(self._addresses))
        cached = await self.page_cache.get(Topic(slug), variant, lambda: self.make(slug), requester)
        return cached.representation.coded(None).body.decode().rstrip()

    def commit(self, key: str = "x", *, tell: bool = True) -> None:
        """Write; and, as the process that wrote it, tell the hub that it is committed."""
        frame = self.history.commit(MATCH, key)
        if tell:
            self.hub.committed(MATCH, frame.position)


@asynccontextmanager
async def desk(*, warm: bool = True, budget: int = 1_000_000, in_all: int = WAITING) -> AsyncIterator[Desk]:
    """A desk; `warm`: with the live blog in the hub's memory. In the end nothing may be left running."""
    before = asyncio.all_tasks()
    found = Desk(budget=budget, in_all=in_all)
    await found.hub.start()
    if warm:
        await found.hub.enter(WHOLE)
        found.history.queries.clear()
    yield found
    await found.queue.close()
    await found.page_cache.close()
    await found.hub.close()
    assert asyncio.all_tasks() == before
