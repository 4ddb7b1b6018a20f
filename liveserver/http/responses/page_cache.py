"""Renditions for readers, kept as bytes while the store would still give the same.

A page is rendered once for each position of its live blog, however many requests there are. Each rendition knows the
position that the store had when it was read, and is good while the live blog isn't known to have got further. That is
known

- from the hub, without any I/O, for a live blog that it has in memory: it knows this process's commits before the
  editor is answered, and those of others as soon as the bus or the poll tells;
- else from the store, by one small query that all requests of the same moment share. A rendition that is asked for
  again within seconds is in demand, and the hub is made to take its live blog into memory. A crawler that reads a
  thousand old live blogs doesn't cost that.

So nothing is served that this process knows to be outdated, not even while the database is away: a deleted entry would
come back.

Making a rendition waits for its turn (`http/fair_queue.py`): a client that asks for a thousand pages that nobody else
wants delays none of those that others want.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from liveserver.domain.errors import Gone, LiveserverError, NotFound
from liveserver.utils.lru_cache import KEPT_BYTES, LruCache, size_of
from liveserver.utils.single_flight import FreshFlight, SingleFlight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from liveserver.domain.change import Position
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.topic import Topic
    from liveserver.http.fair_queue import FairQueue, Job, Requester
    from liveserver.http.responses.representation import Representation
    from liveserver.realtime.hub import Hub
    from liveserver.realtime.ports import History

    Make = Callable[[], Awaitable["CachedPage"]]

DEMAND = 10.0
"""Seconds within which a rendition has to be asked for twice to be in demand."""

DATED_SECONDS = 10.0
"""Seconds for which a sitemap is kept. With a thousand live blogs one takes 60 ms to make, and caches may keep it for a
minute."""
DATED_BYTES = 4 * 1024 * 1024
"""Bytes of memory for sitemaps: some ten of a thousand live blogs."""

ONCE_SHARE = 1 / 16
"""The share of the memory that renditions which were asked for once may take: nobody fills it with invented queries."""
RENDITION_BYTES = 256
"""Bytes that a rendition takes beside its representation: itself and its position."""

PACKED_APART = 64 * 1024
"""Bytes of a body beyond which it is gzipped at once, in a thread: zlib lets others run. A reader's page has 50,000,
which take a millisecond at the first request."""

Variant = tuple["str | int | Topic | None", ...]
"""The part of a key that tells one rendition of a topic from the others: the kind of page, and its parameters.

It consists of what the route understood of the query, with defaults, and never of the query's text: a parameter that no
route knows must not make another variant, and no value may be longer than what it can mean.
"""

Key = tuple["Topic", Variant]


@dataclass(slots=True)
class CachedPage:
    """A rendition of something of a live blog, as of a position."""

    position: Position
    """The live blog's position in the store when it was read."""
    representation: Representation
    checked_at: float = float("-inf")
    """The time at which the store was last asked for the live blog's position, by the event loop's clock."""

    def covers(self, reached: Position) -> bool:
        """True if the rendition has everything up to the position that the live blog has reached."""
        return self.position.epoch == reached.epoch and self.position.seq >= reached.seq


class PageCache:
    """One process's renditions. `budget`: the bytes of memory that they may take."""

    def __init__(self, hub: Hub, history: History, queue: FairQueue, *, budget: int) -> None:
        self._hub = hub
        self._history = history
        self._queue = queue
        self._kept: LruCache[Key, CachedPage] = LruCache(budget, once_share=ONCE_SHARE)
        self._entries: SingleFlight[Topic, None] = SingleFlight(self._enter)
        self._unknown: set[Topic] = set()
        """The topics whose positions the next query asks for."""
        self._positions = FreshFlight(self._ask)
        self.hits = 0
        """Requests answered with a kept rendition, or one that another request was waiting for."""
        self.misses = 0
        """Requests for which a rendition had to be made."""

    @property
    def weight(self) -> int:
        """The bytes of memory taken, at most."""
        return self._kept.weight

    async def close(self) -> None:
        """Cancel the queries and reads that are under way."""
        await asyncio.gather(*self._entries.cancel(), *self._positions.cancel(), return_exceptions=True)

    def held(self, topic: Topic, variant: Variant) -> CachedPage | None:
        """Return the kept rendition if the hub knows it to be good, without any I/O; else None."""
        kept = self._kept.get((topic, variant))
        if kept is None:
            return None
        reached = self._hub.reached(topic)
        if reached is None or not kept.covers(reached):
            return None
        self.hits += 1
        return kept

    async def get(self, topic: Topic, variant: Variant, make: Make, requester: Requester) -> CachedPage:
        """Return the rendition. `make` makes it in the requester's turn, unless a good one is kept or being made.

        It has everything that this process knew to be committed before the call. A rendition that was asked for again
        and again until it changed is made before others. Raises what `make` raises, Busy if too much waits in the
        queue, and ClientGone if the requester doesn't wait any more.
        """
        key = (topic, variant)
        ahead = self._kept.is_often(key)
        if (held := self.held(topic, variant)) is not None:
            return held
        kept = self._kept.get(key)
        running = self._queue.find(key)
        if running is not None and running.begun:
            # The job may have read the store before the last change. Then its result doesn't cover what is known now;
            # and if it failed, the last change may have removed the reason.
            with suppress(LiveserverError):
                kept = await running.result()
        if kept is not None:
            reached = await self._reached(topic, kept)
            if reached is not None and kept.covers(reached):
                self.hits += 1
                return kept
        waiting = self._queue.find(key)
        job: Job[CachedPage]
        if waiting is not None and waiting.begun:
            # It began after this call did: the one that was under way before has ended.
            job = waiting
        else:
            job = self._queue.join(key, partial(self._make, key, make), requester, ahead=ahead)
        if job is waiting:
            self.hits += 1
        else:
            self.misses += 1
        return await job.result()

    async def _make(self, key: Key, make: Make) -> CachedPage:
        try:
            page = await make()
        except (NotFound, Gone):
            self._kept.drop(key)
            raise
        if len(page.representation.coded(None).body) > PACKED_APART:
            await asyncio.to_thread(page.representation.coded, "gzip")
        page.checked_at = asyncio.get_running_loop().time()
        weight = page.representation.weight + RENDITION_BYTES + size_of(key) + KEPT_BYTES
        self._kept.put(key, page, weight)
        return page

    async def _reached(self, topic: Topic, kept: CachedPage) -> Position | None:
        """Return the position that the live blog has reached, by the hub or the store; None if it doesn't exist."""
        reached = self._hub.reached(topic)
        if reached is not None:
            return reached
        now = asyncio.get_running_loop().time()
        if now - kept.checked_at < DEMAND:
            self._entries.start(topic)
        kept.checked_at = now
        self._unknown.add(topic)
        return (await self._positions()).get(topic)

    async def _ask(self) -> dict[Topic, Position]:
        unknown, self._unknown = self._unknown, set()
        return await self._history.positions(unknown)

    async def _enter(self, topic: Topic) -> None:
        with suppress(LiveserverError):
            await self._hub.enter(topic)


class DatedCache:
    """Answers about many live blogs that may be some seconds old, as crawlers ask for them once a minute at most."""

    def __init__(self, queue: FairQueue, *, seconds: float = DATED_SECONDS, budget: int = DATED_BYTES) -> None:
        self._queue = queue
        self._seconds = seconds
        self._kept: LruCache[Hashable, tuple[float, Representation]] = LruCache(budget)

    async def get(
        self, key: Hashable, make: Callable[[], Awaitable[Representation]], requester: Requester
    ) -> Representation:
        """Return the kept answer, or one that `make` makes in the requester's turn.

        Raises what `make` raises, Busy, and ClientGone.
        """
        good = self._good(key)
        return (
            await self._queue.run(("dated", key), partial(self._make, key, make), requester) if good is None else good
        )

    def _good(self, key: Hashable) -> Representation | None:
        kept = self._kept.get(key)
        return kept[1] if kept is not None and asyncio.get_running_loop().time() < kept[0] else None

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[Representation]]) -> Representation:
        # An earlier job may have made the answer while this one waited for its turn.
        if (good := self._good(key)) is not None:
            return good
        until = asyncio.get_running_loop().time() + self._seconds
        answer = await make()
        self._kept.put(key, (until, answer), answer.weight)
        return answer


class IndexCache:
    """The page that lists the live blogs, in each language that readers ask for.

    They have no position in common that the hub could know. So the list is read once for all requests of the same
    moment, and rendered when it differs from the one that was rendered last.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[list[Liveblog]]],
        render: Callable[[list[Liveblog], str | None], Representation],
    ) -> None:
        self._read = FreshFlight(read)
        self._render = render
        self._state: object = None
        """What was rendered last."""
        self._rendered: dict[str | None, Representation] = {}
        """Its pages, by language: at most one for each language that we have texts in, and one for None."""

    async def close(self) -> None:
        """Cancel the read that is under way."""
        await asyncio.gather(*self._read.cancel(), return_exceptions=True)

    async def get(self, language: str | None) -> Representation:
        """Return the page of the list as it is now. Raises StoreUnavailable.

        `language`: one of ours, as the reader prefers it; None if the reader prefers none of them.
        """
        liveblogs = await self._read()
        # An epoch and a version name one state of a live blog's own fields, and entries aren't on this page.
        state = [(liveblog.slug, liveblog.epoch, liveblog.version) for liveblog in liveblogs]
        if self._state != state:
            self._state, self._rendered = state, {}
        page = self._rendered.get(language)
        if page is None:
            page = self._rendered[language] = self._render(liveblogs, language)
        return page
