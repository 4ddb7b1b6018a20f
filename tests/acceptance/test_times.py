"""Times that tempt a page to put entries in the wrong place: it keeps one order, live and when it is read anew."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.ids import now
from tests.acceptance.browsing import pages
from tests.acceptance.reading import IDS, live, settles, strings

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIMES = """() => [...document.querySelectorAll('[data-list="entries"] .entry-time')].map(time => time.innerText)"""
DAYS = "() => [...document.querySelectorAll('[data-list=\"entries\"] .day')].map(day => day.textContent)"
SLUG = "heures"


async def test_one_order_whatever_the_times(site: Site, browser: Browser) -> None:
    """Entries of the same millisecond, backdated ones, the hour that comes twice, one that was scheduled: each comes to
    its place on open pages in either order, which is where a page read later has it."""
    await site.liveblog(SLUG, 0)
    async with pages(browser) as open_page:
        page = await open_page(site.url(SLUG), timezone_id="America/New_York")
        oldest_first = await open_page(f"{site.url(SLUG)}?order=oldest", timezone_id="America/New_York")
        await live(page)
        await live(oldest_first)

        twins = [await _at(site, "2026-10-25T00:10:00.123Z") for _ in range(3)]
        first = await _at(site, "2026-10-25T00:30:00Z")
        again = await _at(site, "2026-10-25T01:30:00Z")
        backdated = await _at(site, "2026-10-24T21:58:00Z")
        between = await _at(site, "2026-10-25T00:45:00Z")
        due = now() + timedelta(seconds=2)
        scheduled = await _at(site, due.isoformat())
        latest = (await site.publish(SLUG, 1))["id"]

        # Ids of one machine ascend, and decide where times don't.
        by_time = [backdated, *sorted(twins), first, between, again]
        assert sorted(twins) == twins
        # It comes after what was published while it waited.
        await page.locator(f"#entry-{scheduled}").wait_for(state="attached")
        expected = [*by_time, latest, scheduled]
        await settles(partial(strings, oldest_first, IDS), expected)
        await settles(partial(strings, page, IDS), expected[::-1])
        night = ["2\u00a0h\u00a030 (UTC+1)", "2\u00a0h\u00a045 (UTC+2)", "2\u00a0h\u00a030 (UTC+2)"]
        earlier = ["2\u00a0h\u00a010 (UTC+2)"] * 3 + ["23\u00a0h\u00a058"]
        for _ in range(2):
            assert (await strings(page, IDS)) == expected[::-1]
            assert (await strings(page, TIMES))[2:] == night + earlier
            assert (await strings(page, DAYS))[1:] == ["dimanche 25 octobre 2026", "samedi 24 octobre 2026"]
            assert await page.locator("[data-zone]").inner_text() == "Heures\u00a0: Paris"
            await page.reload()
            await live(page)
        await oldest_first.reload()
        assert await strings(oldest_first, IDS) == expected


async def _at(site: Site, moment: str) -> str:
    body = {"body": f"<p>{moment}</p>", "publish_at": moment}
    return str((await site.newsroom.publish(SLUG, body))["id"])
