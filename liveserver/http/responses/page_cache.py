"""What was rendered for readers, kept as bytes for as long as it is what the store would give.

A page is rendered once for each position of its live blog, however many ask for it. Each rendition knows the position
that the store had when it was read, and is good while the live blog isn't known to have got further. That is known

- from the hub, without any I/O, of a live blog that it has in memory: what this process commits is known before the
  editor is answered, what others commit as soon as the bus or the poll tells;
- else from the store, by one small query that all who ask at the same time share. What is asked for again within
  seconds is in demand, and the hub is made to take the live blog into its memory. A crawler that reads a thousand old
  live blogs doesn't cost that.

So nothing is served that this process knows to be outdated; not even while the database is away, lest what was deleted
return.

What has to be made waits for its turn (`http/fair_queue.py`): who asks for a thousand pages that nobody else wants
delays none of those that others want.
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
    from liveserver.http.fair_queue import FairQueue, Requester, Work
    from liveserver.http.responses.representation import Representation
    from liveserver.realtime.hub import Hub
    from liveserver.realtime.ports import History

    Make = Callable[[], Awaitable["CachedPage"]]

DEMAND = 10.0
"""Seconds within which what is asked for twice is in demand."""

DATED_SECONDS = 10.0
"""How old a sitemap may be. With a thousand live blogs one takes 60 ms to make, and caches may keep it for a minute."""
DATED_BYTES = 4 * 1024 * 1024
"""Memory for sitemaps: some ten of a thousand live blogs."""

ONCE_SHARE = 1 / 16
"""Of the memory for renditions, at most, for what was asked for once: with invented queries nobody fills it up."""
RENDITION_BYTES = 256
"""What a rendition takes beside its representation: itself and its position."""

PACKED_APART = 64 * 1024
"""Bytes of a body beyond which it is gzipped at once, in a thread: zlib lets others run. A reader's page has 50,000,
and takes a millisecond when the first asks."""

Variant = tuple["str | int | Topic | None", ...]
"""What tells one rendition of a topic from the others: the kind of page, and what was asked of it.

Made of what the route understood, with its defaults, and never of what somebody wrote: a parameter that no route knows
must not make another variant, and nothing in it is longer than what it can mean.
"""

Key = tuple["Topic", Variant]


@dataclass(slots=True)
class CachedPage:
    """Something of a live blog, as of a position."""

    position: Position
    """Where the store stood when it was read."""
    representation: Representation
    checked_at: float = float("-inf")
    """When the store was last asked for it, by the event loop's clock."""

    def covers(self, reached: Position) -> bool:
        """Whether nothing has changed since, if that is how far the live blog has got."""
        return self.position.epoch == reached.epoch and self.position.seq >= reached.seq


class PageCache:
    """One process's renditions. `budget`: the bytes of memory that they may take."""

    def __init__(self, hub: Hub, history: History, turns: FairQueue, *, budget: int) -> None:
        self._hub = hub
        self._history = history
        self._turns = turns
        self._kept: LruCache[Key, CachedPage] = LruCache(budget, once_share=ONCE_SHARE)
        self._entries: SingleFlight[Topic, None] = SingleFlight(self._enter)
        self._unknown: set[Topic] = set()
        """Those whose positions the next query is to tell."""
        self._positions = FreshFlight(self._ask)
        self.hits = 0
        """Requests answered with what was there, or what another request was waiting for."""
        self.misses = 0
        """Renderings."""

    @property
    def weight(self) -> int:
        """The bytes of memory taken, at most."""
        return self._kept.weight

    async def close(self) -> None:
        """End what is under way."""
        await asyncio.gather(*self._entries.cancel(), *self._positions.cancel(), return_exceptions=True)

    def held(self, topic: Topic, variant: Variant) -> CachedPage | None:
        """The rendition, if there is one that is known to be good without asking anybody."""
        kept = self._kept.get((topic, variant))
        if kept is None:
            return None
        reached = self._hub.reached(topic)
        if reached is None or not kept.covers(reached):
            return None
        self.hits += 1
        return kept

    async def get(self, topic: Topic, variant: Variant, make: Make, requester: Requester) -> CachedPage:
        """The rendition; `make` makes it in its turn, unless a good one is held or another call has it made.

        Whatever this process knows to have been committed before the call is in it. Raises what `make` raises, Busy
        where more wait for their turn than is reasonable, and ClientGone if the asker doesn't wait any more. What was
        asked for again and again until it changed is made before what wasn't.
        """
        key = (topic, variant)
        ahead = self._kept.is_often(key)
        if (held := self.held(topic, variant)) is not None:
            return held
        kept = self._kept.get(key)
        running = self._turns.find(key)
        if running is not None and running.begun:
            # It may have read the store before the last change. Then it doesn't cover what is known now, and if it
            # failed, it may have failed for that.
            with suppress(LiveserverError):
                kept = await running.result()
        if kept is not None:
            reached = await self._reached(topic, kept)
            if reached is not None and kept.covers(reached):
                self.hits += 1
                return kept
        waiting = self._turns.find(key)
        work: Work[CachedPage]
        if waiting is not None and waiting.begun:
            # Since this call: what was under way before has ended.
            work = waiting
        else:
            work = self._turns.join(key, partial(self._make, key, make), requester, ahead=ahead)
        if work is waiting:
            self.hits += 1
        else:
            self.misses += 1
        return await work.result()

    async def _make(self, key: Key, make: Make) -> CachedPage:
        try:
            made = await make()
        except (NotFound, Gone):
            self._kept.drop(key)
            raise
        if len(made.representation.coded(None).body) > PACKED_APART:
            await asyncio.to_thread(made.representation.coded, "gzip")
        made.checked_at = asyncio.get_running_loop().time()
        weight = made.representation.weight + RENDITION_BYTES + size_of(key) + KEPT_BYTES
        self._kept.put(key, made, weight)
        return made

    async def _reached(self, topic: Topic, kept: CachedPage) -> Position | None:
        """How far the live blog has got; None if there is none."""
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
    """What tells of many live blogs, and may be some seconds old: who reads it comes by the minute at most."""

    def __init__(self, turns: FairQueue, *, seconds: float = DATED_SECONDS, budget: int = DATED_BYTES) -> None:
        self._turns = turns
        self._seconds = seconds
        self._kept: LruCache[Hashable, tuple[float, Representation]] = LruCache(budget)

    async def get(
        self, key: Hashable, make: Callable[[], Awaitable[Representation]], requester: Requester
    ) -> Representation:
        """What `make` made some seconds ago at most, or makes in its turn. Raises what it raises, and Busy."""
        good = self._good(key)
        return (
            await self._turns.made(("dated", key), partial(self._make, key, make), requester) if good is None else good
        )

    def _good(self, key: Hashable) -> Representation | None:
        kept = self._kept.get(key)
        return kept[1] if kept is not None and asyncio.get_running_loop().time() < kept[0] else None

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[Representation]]) -> Representation:
        # While this waited for its turn, an earlier one may have been made.
        if (good := self._good(key)) is not None:
            return good
        until = asyncio.get_running_loop().time() + self._seconds
        made = await make()
        self._kept.put(key, (until, made), made.weight)
        return made


class IndexCache:
    """The page that lists the live blogs.

    They have no position in common that the hub could know. So the list is read once for all who ask at the same time,
    and rendered when it isn't the one that was rendered last.
    """

    def __init__(
        self, read: Callable[[], Awaitable[list[Liveblog]]], render: Callable[[list[Liveblog]], Representation]
    ) -> None:
        self._read = FreshFlight(read)
        self._render = render
        self._made: tuple[object, Representation] | None = None

    async def close(self) -> None:
        """End what is under way."""
        await asyncio.gather(*self._read.cancel(), return_exceptions=True)

    async def get(self) -> Representation:
        """The page of the list as it is now. Raises StoreUnavailable."""
        liveblogs = await self._read()
        # An epoch and a version name one state of a live blog's own fields, and entries aren't on this page.
        state = [(liveblog.slug, liveblog.epoch, liveblog.version) for liveblog in liveblogs]
        if self._made is None or self._made[0] != state:
            self._made = (state, self._render(liveblogs))
        return self._made[1]
