"""Limits of the page cache: the memory of its pages, and the pages that wait to be rendered."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.errors import Busy, ClientGone
from liveserver.http.fair_queue import AT_ONCE
from liveserver.http.queue_line import Requester
from liveserver.http.responses.page_cache import ONCE_SHARE, CachedPage
from liveserver.http.responses.representation import Representation
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.memory_history import EPOCH
from tests.support.page_cache_desk import MATCH, READERS, WHOLE, desk
from tests.support.viewers import settle

if TYPE_CHECKING:
    from liveserver.domain.change import Position


async def test_the_memory_is_bounded() -> None:
    """Pages that were asked for once have a share of it; of those the least recently asked for goes first."""
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
    """A page that others wait for, too, is made."""
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
