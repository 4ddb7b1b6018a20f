"""Rendered once, for everybody; and never served once it is known to be outdated."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.change import Position
from liveserver.domain.errors import Busy, ClientGone, Gone, NotFound, StoreUnavailable
from liveserver.domain.ids import now
from liveserver.domain.liveblog import Liveblog, LiveblogStatus
from liveserver.domain.topic import Topic
from liveserver.http.fair_queue import AT_ONCE, WAITING, FairQueue
from liveserver.http.queue_line import Requester
from liveserver.http.responses import page_cache as page_cache_module
from liveserver.http.responses.page_cache import ONCE_SHARE, CachedPage, DatedCache, IndexCache, PageCache
from liveserver.http.responses.representation import Representation
from liveserver.realtime.bus import Medium, MemoryBus
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.memory_history import EPOCH, MemoryHistory, hub_on
from tests.support.viewers import settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection


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
        """What a reader is shown, who has an address of their own if no other is given."""
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


@pytest.mark.parametrize("warm", [True, False])
async def test_a_rush_makes_a_page_once(warm: bool) -> None:
    """Two hundred ask before the first is answered; and again, when it is there."""
    async with desk(warm=warm) as found:
        found.hold()
        asked = [asyncio.create_task(found.get()) for _ in range(READERS)]
        await settle()
        assert found.made == 1
        found.release()
        assert set(await asyncio.gather(*asked)) == {f"1: {EPOCH}-0"}
        assert set(await asyncio.gather(*(found.get() for _ in range(READERS)))) == {f"1: {EPOCH}-0"}
        assert (found.made, found.page_cache.misses, found.page_cache.hits) == (1, 1, 2 * READERS - 1)


async def test_of_a_live_blog_in_memory_nothing_is_read() -> None:
    """That is what makes a page cost no more than its bytes."""
    async with desk() as found:
        assert found.page_cache.held(WHOLE, PAGE) is None
        await found.get()
        held = found.page_cache.held(WHOLE, PAGE)
        assert held is not None
        assert held is found.page_cache.held(WHOLE, PAGE)
        await found.get()
        assert found.history.queries == []


async def test_a_change_is_on_the_next_page() -> None:
    """At once for the process that made it; for another, as soon as the hub has heard of it."""
    async with desk() as found:
        await found.get()
        found.commit(tell=False)
        assert await found.get() == f"1: {EPOCH}-0"
        found.commit()
        assert found.page_cache.held(WHOLE, PAGE) is None
        assert await found.get() == f"2: {EPOCH}-2"
        found.hub.publish(MATCH, found.history.commit(MATCH, "x"))
        assert await found.get() == f"3: {EPOCH}-3"


async def test_every_variant_is_made_once() -> None:
    async with desk() as found:
        for _ in range(3):
            assert await found.get(("older", "a")) == f"1: {EPOCH}-0"
            assert await found.get(("older", "b")) == f"2: {EPOCH}-0"


async def test_a_page_that_is_ahead_of_the_hub_is_good() -> None:
    """It read what another process has committed, before the hub heard of it."""
    async with desk() as found:
        found.commit(tell=False)
        assert await found.get() == f"1: {EPOCH}-1"
        assert await found.get() == f"1: {EPOCH}-1"
        found.hub.publish(MATCH, found.history.commit(MATCH, "x"))
        assert await found.get() == f"2: {EPOCH}-2"


@pytest.mark.parametrize("warm", [True, False])
async def test_a_reader_after_a_commit_is_not_given_what_was_read_before_it(warm: bool) -> None:
    """A reader who came before it may be; and all who came after share the second making."""
    async with desk(warm=warm) as found:
        found.hold()
        early = [asyncio.create_task(found.get()) for _ in range(3)]
        await settle()
        found.commit("deleted")
        late = [asyncio.create_task(found.get()) for _ in range(READERS)]
        await settle()
        found.release()
        assert (await asyncio.gather(*early))[0] == f"1: {EPOCH}-0"
        assert set(await asyncio.gather(*late)) == {f"2: {EPOCH}-1"}
        assert found.made == 2


async def test_what_is_not_in_memory_is_checked_against_the_store() -> None:
    """By one query for all who ask at the same time, of whichever live blog."""
    async with desk(warm=False) as found:
        await found.get()
        await found.get(("older", "a"))
        found.history.queries.clear()
        await asyncio.gather(found.get(), *(found.get(("older", "a")) for _ in range(READERS)))
        await settle()
        # The second is the hub's, as it is in demand.
        assert found.history.queries == [{MATCH}] * 2
        assert found.made == 2


async def test_a_change_elsewhere_is_seen_without_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_cache_module, "DEMAND", -1)
    async with desk(warm=False) as found:
        await found.get()
        found.commit(tell=False)
        assert await found.get() == f"2: {EPOCH}-1"
        assert await found.get() == f"2: {EPOCH}-1"
        assert list(found.hub.channels()) == []


async def test_what_is_in_demand_is_taken_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a crawler reads once is not, nor what it reads again an hour later."""
    async with desk(warm=False) as found:
        await found.get()
        await found.get(("older", "a"))
        assert list(found.hub.channels()) == []
        with monkeypatch.context() as patch:
            patch.setattr(page_cache_module, "DEMAND", -1)
            await found.get()
        await settle()
        assert list(found.hub.channels()) == []
        await found.get()
        await settle()
        assert [channel.topic.slug for channel in found.hub.channels()] == [MATCH]


async def test_history_replaced() -> None:
    """Whatever the seq: a page of the old history is void, as soon as the hub or the store says so."""
    async with desk() as found:
        for _ in range(3):
            found.commit()
        await found.get()
        found.history.restart(MATCH, "bbbbbbbb", 2)
        found.hub.link_changed(True)
        await settle()
        assert await found.get() == "2: bbbbbbbb-2"
        assert await found.get() == "2: bbbbbbbb-2"


async def test_errors_are_not_kept() -> None:
    """Each request tries again; those of the same time share the attempt, and its error."""
    async with desk() as found:
        found.error = NotFound("not yet")
        found.hold()
        asked = [asyncio.create_task(found.get())]
        await settle()
        asked += [asyncio.create_task(found.get()) for _ in range(2)]
        await settle()
        found.release()
        assert [type(answer) for answer in await asyncio.gather(*asked, return_exceptions=True)] == [NotFound] * 3
        assert found.made == 2, "who came during an attempt had no reason to trust its error"
        found.error = None
        assert await found.get() == f"3: {EPOCH}-0"


async def test_what_has_gone_is_not_kept_for_later() -> None:
    async with desk() as found:
        await found.get()
        found.commit("deleted")
        found.error = Gone("deleted")
        with pytest.raises(Gone):
            await found.get()
        assert found.page_cache.weight == 0


async def test_a_reader_after_something_was_made_is_not_told_that_it_is_missing() -> None:
    """The attempt under way began before it was there."""
    async with desk() as found:
        found.error = NotFound("not yet")
        found.hold()
        early = asyncio.create_task(found.get())
        await settle()
        found.error = None
        found.commit("made")
        late = asyncio.create_task(found.get())
        await settle()
        found.release()
        with pytest.raises(NotFound):
            await early
        assert await late == f"2: {EPOCH}-1"


async def test_while_the_database_is_away_what_is_good_is_served() -> None:
    """What isn't known to be good is not: something may have been deleted."""
    async with desk() as found:
        await found.get()
        found.history.down, found.error = True, StoreUnavailable()
        assert await found.get() == f"1: {EPOCH}-0"
        found.hub.received(WHOLE, Position(EPOCH, 1))
        with pytest.raises(StoreUnavailable):
            await found.get()
        found.history.down, found.error = False, None
        found.commit()
        assert await found.get() == f"3: {EPOCH}-1"


async def test_without_the_hub_and_the_database_nothing_is_known() -> None:
    async with desk(warm=False) as found:
        await found.get()
        found.history.down = True
        with pytest.raises(StoreUnavailable):
            await found.get()


async def test_a_reader_who_leaves_takes_nothing_from_the_others() -> None:
    async with desk() as found:
        found.hold()
        impatient, patient = asyncio.create_task(found.get()), asyncio.create_task(found.get())
        await settle()
        impatient.cancel()
        await settle()
        found.release()
        assert await patient == f"1: {EPOCH}-0"


async def test_the_memory_is_bounded() -> None:
    """What was asked for once has a share of it; of that the least recently asked for goes first."""
    async with desk(budget=800_000) as found:
        found.size = 10_000
        for number in range(20):
            await found.get(("older", str(number)))
            await found.get()
            assert found.page_cache.weight <= 800_000 * ONCE_SHARE + 25_000
        assert (await found.get()).startswith("2: ")
        made = found.made
        await found.get(("older", "19"))
        assert found.made == made
        await found.get(("older", "0"))
        assert found.made == made + 1


@pytest.mark.parametrize(("size", "made"), [(0, 2_000), (3_000, 400), (200_000, 20)])
async def test_the_budget_is_no_less_than_the_memory(size: int, made: int) -> None:
    """Heads, tags, keys and tables are weighed with the bodies, be they many small ones or a few large ones."""
    headers = {"Content-Security-Policy": "default-src 'self'; " * 20, "Cache-Control": "public", "Vary": "Origin"}
    budget = 2_000_000

    def page(number: int, position: Position) -> CachedPage:
        body = random.Random(number).randbytes(size // 2).hex().encode()
        link = f"<https://live.test/{number}?{'x' * 200}>"
        return CachedPage(position, Representation(body, "text/html", {**headers, "Link": link}))

    async with desk(budget=budget) as found:
        gc.collect()
        tracemalloc.start()
        for number in range(made):

            async def make(number: int = number) -> CachedPage:
                return page(number, found.history.position(MATCH))

            for _ in range(2):
                key = ("list", number, f"{number:>100}", None)
                cached = await found.page_cache.get(WHOLE, key, make, Requester(number))
            cached.representation.coded("gzip")
            del cached, make
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert found.page_cache.weight > 0.7 * budget
        assert taken < 1.05 * found.page_cache.weight


async def test_what_is_read_outlives_what_somebody_makes_up() -> None:
    """A thousand lists of tags that there aren't, and the page that everybody reads needn't be made again."""
    async with desk(budget=100_000) as found:
        found.size = 1_000
        await found.get()
        await found.get()
        for number in range(1_000):
            await found.get(("list", f"tag-{number}"))
        made = found.made
        await found.get()
        assert (found.made, found.page_cache.weight <= 100_000) == (made, True)


async def test_what_is_read_again_and_again_is_made_before_what_is_new() -> None:
    """Also for a requester that has asked for much else."""
    async with desk() as found:
        for _ in range(2):
            await found.get()
        found.commit()
        found.hold()
        asked = [asyncio.create_task(found.get(("list", str(number)))) for number in range(100)]
        await settle()
        assert found.made == 1 + AT_ONCE
        asked.append(asyncio.create_task(found.get(requester=Requester(0))))
        await settle()
        assert found.made == 2 + AT_ONCE
        found.release()
        await asyncio.gather(*asked)
        assert found.made == 102


async def test_what_was_asked_for_once_is_not() -> None:
    """Or a thousand pages that somebody has made up would all be made at once, with each change."""
    async with desk() as found:
        await found.get()
        found.commit()
        found.hold()
        asked = [asyncio.create_task(found.get(("list", str(number)))) for number in range(10)]
        await settle()
        asked.append(asyncio.create_task(found.get()))
        await settle()
        assert found.made == 1 + AT_ONCE
        found.release()
        await asyncio.gather(*asked)


async def test_nothing_is_made_for_readers_who_have_gone() -> None:
    """What others wait for, too, is."""
    async with desk() as found:
        found.hold()
        gone: set[str] = set()
        holding = [asyncio.create_task(found.get(("list", f"x{number}"))) for number in range(AT_ONCE)]
        asked = [
            asyncio.create_task(found.get(("list", str(number)), requester=Requester("flood", lambda: "flood" in gone)))
            for number in range(10)
        ]
        await settle()
        waits = asyncio.create_task(found.get(("list", "7")))
        await settle()
        gone.add("flood")
        found.release()
        assert await waits == f"{AT_ONCE + 1}: {EPOCH}-0"
        outcomes = await asyncio.gather(*asked, *holding, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes[:10]] == [ClientGone] * 7 + [str] + [ClientGone] * 2
        assert found.made == AT_ONCE + 1
        assert await found.get(("list", "3")) == f"{AT_ONCE + 2}: {EPOCH}-0"


async def test_more_than_can_wait_are_refused() -> None:
    """A new one is; what waits already, and what is being made, is not. Others are let in."""
    async with desk(in_all=20) as found:
        found.hold()
        flood = Requester("flood")
        asked = [asyncio.create_task(found.get(("list", str(number)), requester=flood)) for number in range(11)]
        await settle()
        before = refusals.counts[Reason.BUSY]
        with pytest.raises(Busy):
            await found.get(("list", "one more"), requester=flood)
        assert refusals.counts[Reason.BUSY] == before + 1
        asked += [asyncio.create_task(found.get(("list", number), requester=flood)) for number in ("0", "3")]
        asked.append(asyncio.create_task(found.get(("list", "another"))))
        await settle()
        found.release()
        await asyncio.gather(*asked)
        assert await found.get(("list", "one more"))


async def test_without_memory_a_rush_still_shares() -> None:
    async with desk(budget=0) as found:
        assert len(set(await asyncio.gather(*(found.get() for _ in range(READERS))))) == 1
        assert (found.made, found.page_cache.weight) == (1, 0)
        await found.get()
        assert found.made == 2


async def test_closing_ends_what_is_under_way() -> None:
    async with desk(warm=False) as found:
        kept = await found.get()
        found.hold()
        asked = [asyncio.create_task(found.get(("older", "a"))), asyncio.create_task(found.get())]
        await settle()
        await found.queue.close()
        await found.page_cache.close()
        ended = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(ended[0], asyncio.CancelledError)
        assert ended[1] == kept


def liveblog(slug: str, title: str) -> Liveblog:
    """A live blog."""
    return Liveblog(slug, title, "", "fr", "Europe/Paris", LiveblogStatus.LIVE, 1, EPOCH, 0, 0, now(), now())


async def test_the_index_is_read_for_each_wave_and_rendered_when_it_differs() -> None:
    """Entries don't change it."""
    blogs = [liveblog("a", "A"), liveblog("b", "B")]
    reads = rendered = 0

    async def read() -> list[Liveblog]:
        nonlocal reads
        reads += 1
        await asyncio.sleep(0)
        return list(blogs)

    def render(found: list[Liveblog], language: str | None) -> Representation:
        nonlocal rendered
        rendered += 1
        return Representation(" ".join([*filter(None, [language]), *(blog.title for blog in found)]).encode(), "", {})

    async def shown(language: str | None = None) -> str:
        return (await index.get(language)).coded(None).body.decode()

    index = IndexCache(read, render)
    assert set(await asyncio.gather(*(shown() for _ in range(READERS)))) == {"A B"}
    assert (reads, rendered) == (1, 1)
    blogs[0] = replace(blogs[0], seq=7)
    assert (await shown(), reads, rendered) == ("A B", 2, 1)
    blogs[0] = replace(blogs[0], title="Neu", version=2)
    assert (await shown(), rendered) == ("Neu B", 2)
    blogs[0] = replace(blogs[0], title="A", version=2, epoch="bbbbbbbb")
    assert (await shown(), rendered) == ("A B", 3)
    blogs.insert(0, liveblog("c", "C"))
    assert (await shown(), rendered) == ("C A B", 4)
    assert [await shown(language) for language in ("fr", "en", None, "fr")] == [
        "fr C A B",
        "en C A B",
        "C A B",
        "fr C A B",
    ]
    assert rendered == 6, "once for each language"
    blogs.pop(0)
    assert [await shown(language) for language in ("fr", "en", None)] == ["fr A B", "en A B", "A B"]
    await index.close()


async def test_what_may_be_some_seconds_old_is_made_once_in_that_time() -> None:
    """However many ask; and errors aren't kept."""
    made = 0
    failing = False

    async def make() -> Representation:
        nonlocal made
        made += 1
        if failing:
            raise StoreUnavailable
        return Representation(str(made).encode(), "text/plain", {})

    async def shown(dated: DatedCache, key: str = "x") -> bytes:
        return (await dated.get(key, make, Requester("a"))).coded(None).body

    queue = FairQueue()
    dated = DatedCache(queue, seconds=NEVER)
    assert set(await asyncio.gather(*(shown(dated) for _ in range(READERS)))) == {b"1"}
    assert (await shown(dated), await shown(dated, "y")) == (b"1", b"2")
    dated = DatedCache(queue, seconds=0.0)
    assert (await shown(dated), await shown(dated)) == (b"3", b"4")
    failing = True
    with pytest.raises(StoreUnavailable):
        await shown(dated)
    failing = False
    assert await shown(dated) == b"6"
    await queue.close()


async def test_what_was_made_while_one_waited_is_not_made_again() -> None:
    """A requester that comes while it is made has a work of its own, which finds it."""
    made, go_on = 0, asyncio.Event()

    async def make() -> Representation:
        nonlocal made
        made += 1
        await go_on.wait()
        return Representation(str(made).encode(), "text/plain", {})

    queue = FairQueue()
    dated = DatedCache(queue, seconds=NEVER)
    first = asyncio.create_task(dated.get("x", make, Requester("a")))
    await settle()
    second = asyncio.create_task(dated.get("x", make, Requester("a")))
    await settle()
    go_on.set()
    assert await first is await second
    assert made == 1
    await queue.close()
