"""Pages that are rendered once, for everybody, and never served once they are known to be outdated."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from liveserver.domain.change import Position
from liveserver.domain.errors import Gone, NotFound, StoreUnavailable
from liveserver.domain.ids import now
from liveserver.domain.liveblog import Liveblog, LiveblogStatus
from liveserver.http.fair_queue import FairQueue
from liveserver.http.queue_line import Requester
from liveserver.http.responses import page_cache as page_cache_module
from liveserver.http.responses.page_cache import DatedCache, IndexCache
from liveserver.http.responses.representation import Representation
from tests.support.memory_history import EPOCH
from tests.support.page_cache_desk import MATCH, NEVER, PAGE, READERS, WHOLE, desk
from tests.support.viewers import settle


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
    """A page that a crawler reads once isn't, nor one that it reads again an hour later."""
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
    """A page of the old history is void as soon as the hub or the store says so, whatever its seq."""
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
    """A page that isn't known to be good isn't served: something may have been deleted."""
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
