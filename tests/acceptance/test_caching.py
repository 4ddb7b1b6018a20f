"""A page out of the browser's own cache: it may be old for a moment, and the stream brings it up to date."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.reading import BODIES, live, settles, strings

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIVEBLOG = {"slug": "tour", "title": "Le Tour", "language": "fr", "timezone": "Europe/Paris"}
FROM_CACHE = "() => performance.getEntriesByType('navigation')[0].transferSize === 0"


async def test_back_to_a_copy_of_the_page(site: Site, browser: Browser) -> None:
    """An entry deleted while the reader was elsewhere goes, and one that was published comes, without a reload."""
    newsroom = site.newsroom
    async with pages(browser) as open_page:
        await newsroom.create_liveblog(LIVEBLOG)
        await newsroom.publish("tour", {"body": "<p>Le départ</p>"})
        wrong = await newsroom.publish("tour", {"body": "<p>Une chute</p>"})
        page = await open_page(site.url("tour"))
        await live(page)
        await page.goto(f"{site.server.url}/")
        await newsroom.delete("tour", wrong["id"])
        await newsroom.publish("tour", {"body": "<p>Le sommet</p>"})
        await page.go_back()
        assert await page.evaluate(FROM_CACHE), "the browser asked the server: this test shows nothing"
        await settles(partial(strings, page, BODIES), ["Le sommet", "Le départ"])
        await page.reload()
        await settles(partial(strings, page, BODIES), ["Le sommet", "Le départ"])
