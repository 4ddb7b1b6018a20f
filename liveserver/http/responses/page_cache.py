"""The page cache: finished pages and answers about live blogs, kept as bytes for as long as they are current.

A rendition is one such page or answer. All requests for it share one rendering until the live blog changes or the
cache drops the rendition. Each rendition has the position that the live blog had when it was read from the store. A
rendition is current while this process doesn't know of a later position of the live blog. The process learns the
position in one of two ways:

- If the live blog is in memory, the hub tells its position, without any I/O. The hub learns of a commit of this process
  before the editor gets an answer. It learns of a commit of another process by a message on the bus, or by the poll of
  the store.
- Otherwise the store tells the position, by one small query. All requests that come at the same time share this query.
  If a rendition is asked for twice within seconds, it is in demand, and the hub loads the live blog into memory. So a
  crawler that reads a thousand old live blogs, each once, doesn't fill the memory.

So a rendition is never sent if this process knows that it is outdated, even while the database is down. Otherwise a
deleted entry might be shown again.

A rendition is made by a job of the fair queue (`http/fair_queue.py`). So a client that asks for a thousand unusual
pages doesn't delay the pages that other clients want.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

from liveserver.domain.change import Position
from liveserver.domain.errors import Gone, LiveserverError, NotFound
from liveserver.utils.lru_cache import KEPT_BYTES, LruCache, size_of
from liveserver.utils.single_flight import FreshFlight, SingleFlight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.topic import Topic
    from liveserver.http.fair_queue import FairQueue
    from liveserver.http.queue_line import Job, Requester
    from liveserver.http.responses.representation import Representation
    from liveserver.realtime.hub import Hub
    from liveserver.realtime.ports import History

    Make = Callable[[], Awaitable["CachedPage"]]

DEMAND = 10.0
"""A rendition is in demand if it is asked for again within this many seconds. The hub loads the live blog of a
rendition that is in demand."""

DATED_SECONDS = 10.0
"""How long, in seconds, a sitemap is kept. Making a sitemap with a thousand live blogs takes 60 ms. A newer sitemap
would be of little use, as caches outside of this server may keep a sitemap for a minute anyway."""
DATED_BYTES = 4 * 1024 * 1024
"""At most this many bytes of memory are used for sitemaps: some ten sitemaps with a thousand live blogs each."""

ONCE_SHARE = 1 / 16
"""Renditions that were asked for only once may take at most this share of the page cache's memory. So nobody can make
the cache drop the other renditions by asking for pages with invented queries."""
RENDITION_BYTES = 256
"""Bytes that a rendition takes besides its representation: the object itself, and its position."""

PACKED_APART = 64 * 1024
"""A body with more bytes than this is gzipped in another thread, as soon as the body is made. Other threads can run
meanwhile. A smaller body, such as a usual page with 50,000 bytes, is gzipped when the first client that accepts gzip
asks for it. That takes a millisecond."""

Variant = tuple["str | int | Topic | None", ...]
"""The part of a cache's key that distinguishes the renditions of one topic: the kind of page, and its parameters.

The parameters are the values that the route has read from the query, or their defaults. The query's own text is never
part of a variant. So a parameter that the route doesn't know adds no variant, and makes no variant longer.
"""

Key = tuple["Topic", Variant]


@dataclass(slots=True)
class CachedPage:
    """One rendition: a finished page or answer about a live blog, made at one position."""

    position: Position
    """The position that the live blog had when it was read from the store."""
    representation: Representation
    checked_at: float = float("-inf")
    """The time, by the event loop's clock, at which the rendition was made. When the store is asked whether the
    rendition is still current, this is set to the time of the question."""

    @classmethod
    def of(cls, liveblog: Liveblog, representation: Representation) -> Self:
        """Return a rendition with this representation and the position of `liveblog`."""
        return cls(Position(liveblog.epoch, liveblog.seq), representation)

    def covers(self, reached: Position) -> bool:
        """True if the rendition has all changes up to the position `reached`."""
        return self.position.epoch == reached.epoch and self.position.seq >= reached.seq


class PageCache:
    """The renditions that one process keeps. `budget`: the bytes of memory that they may take together."""

    def __init__(self, hub: Hub, history: History, queue: FairQueue, *, budget: int) -> None:
        self._hub = hub
        self._history = history
        self._queue = queue
        self._kept: LruCache[Key, CachedPage] = LruCache(budget, once_share=ONCE_SHARE)
        self._entries: SingleFlight[Topic, None] = SingleFlight(self._enter)
        self._unknown: set[Topic] = set()
        """The topics whose positions the next query of the store (`_ask`) reads."""
        self._positions = FreshFlight(self._ask)
        self.hits = 0
        """The number of requests that got a kept rendition, or shared the job of another request."""
        self.misses = 0
        """The number of requests for which a new job was made."""

    @property
    def weight(self) -> int:
        """The bytes of memory that the kept renditions take, at most."""
        return self._kept.weight

    async def close(self) -> None:
        """Cancel the reads of the store that are under way."""
        await asyncio.gather(*self._entries.cancel(), *self._positions.cancel(), return_exceptions=True)

    def held(self, topic: Topic, variant: Variant) -> CachedPage | None:
        """Return the kept rendition if the hub's memory shows that it is current; else None. Does no I/O."""
        kept = self._kept.get((topic, variant))
        if kept is None:
            return None
        reached = self._hub.reached(topic)
        if reached is None or not kept.covers(reached):
            return None
        self.hits += 1
        return kept

    async def get(self, topic: Topic, variant: Variant, make: Make, requester: Requester) -> CachedPage:
        """Return a rendition that has all changes of which this process knew before the call.

        If no such rendition is kept or being made, `make` makes one when the requester has its turn in the fair queue.
        The job of a new rendition may be done ahead of other jobs if the old rendition was used (`LruCache.is_often`).

        Raises the errors of `make`, StoreUnavailable, Busy if the requester may not wait in the queue, and ClientGone
        if all requesters of the rendition have left.
        """
        key = (topic, variant)
        ahead = self._kept.is_often(key)
        if (held := self.held(topic, variant)) is not None:
            return held
        kept = self._kept.get(key)
        running = self._queue.find(key)
        if running is not None and running.begun:
            # This job may have read the store before the last change. Then its result may lack a change that is known
            # now. If the job failed, the last change may have removed the reason.
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
            # This job began after the call of this method, as the job that was under way at the call has ended.
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
        """Return the topic's current position, from the hub or else from the store; None if the topic doesn't exist.

        `kept`: the kept rendition, which may be outdated. If the hub doesn't know the topic, and the rendition was made
        or checked less than `DEMAND` seconds ago, this method makes the hub load the topic.
        """
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
    """A cache of sitemaps: answers about many live blogs. They may be some seconds old, which crawlers don't mind."""

    def __init__(self, queue: FairQueue, *, seconds: float = DATED_SECONDS, budget: int = DATED_BYTES) -> None:
        self._queue = queue
        self._seconds = seconds
        self._kept: LruCache[Hashable, tuple[float, Representation]] = LruCache(budget)

    async def get(
        self, key: Hashable, make: Callable[[], Awaitable[Representation]], requester: Requester
    ) -> Representation:
        """Return the answer that is kept for `key`. If it is missing or too old, `make` makes one in the queue.

        An answer is too old after the cache's `seconds`. `make` is called when the requester has its turn. Raises the
        errors of `make`, and the errors of `FairQueue.run`: Busy and ClientGone.
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
    """The cache of the page that lists the live blogs, in each language that readers ask for.

    The hub can't know whether the page is current, as a position belongs to only one live blog. So the list is read
    from the store for each request. Requests that come at the same time share one read. The page is rendered again only
    if the list has changed.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[list[Liveblog]]],
        render: Callable[[list[Liveblog], str | None], Representation],
    ) -> None:
        self._read = FreshFlight(read)
        self._render = render
        self._state: object = None
        """The slug, epoch and version of each live blog that the kept pages list; None before the first page."""
        self._rendered: dict[str | None, Representation] = {}
        """The kept pages, by language: at most one for each language in which we have texts. The page under the key
        None is for all other readers."""

    async def close(self) -> None:
        """Cancel the read that is under way."""
        await asyncio.gather(*self._read.cancel(), return_exceptions=True)

    async def get(self, language: str | None) -> Representation:
        """Return the page that lists the live blogs in their current state. Raises StoreUnavailable.

        `language`: the reader's preferred language, among the languages in which we have texts. None if we have no
        texts in any language of the reader.
        """
        liveblogs = await self._read()
        # An epoch and a version together name one state of a live blog's own fields. The page shows no entries.
        state = [(liveblog.slug, liveblog.epoch, liveblog.version) for liveblog in liveblogs]
        if self._state != state:
            self._state, self._rendered = state, {}
        page = self._rendered.get(language)
        if page is None:
            page = self._rendered[language] = self._render(liveblogs, language)
        return page
