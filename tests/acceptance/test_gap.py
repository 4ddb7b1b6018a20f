"""The reader's server, or Redis, goes away while the newsroom goes on: afterwards every page is what the server has."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.client import Client
from tests.acceptance.browsing import pages
from tests.acceptance.reading import KEY_EVENTS, SOURCES, assert_never_reloaded, live, mark, settles, strings
from tests.acceptance.serving import serving
from tests.acceptance.site import Site

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Page

    from tests.support.services import StartRedis

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(150)]

SLUG = "coupure-longue"
BEFORE, MISSED, PAGE_SIZE = 30, 25, 20

CLOCK_OFF = """(() => {
  const Real = Date, off = %d * 3600000;
  globalThis.Date = class extends Real {
    constructor(...given) { if (given.length) super(...given); else super(Real.now() + off); }
    static now() { return Real.now() + off; }
  };
})()"""
"""The reader's clock is wrong by so many hours."""

AS_ARTICLES = """htmls => htmls.map(html => {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.querySelector("article").outerHTML;
})"""


LONG_OPEN = """
const now = performance.now.bind(performance);
performance.now = () => now() + 600000;
Math.random = () => 0.01;
window.WebSocket = class extends WebSocket {
  constructor(...given) { super(...given); window.__socket = this; }
};
"""
"""The page has been open for ten minutes, and its messages can be given to it."""
VOID = """() => window.__socket.onmessage({ data: JSON.stringify({ type: "reset", epoch: "neuanfang", seq: 1 }) })"""


async def test_without_the_code_for_a_gap(site: Site, browser: Browser) -> None:
    """The server is of another version by now, and has no such file any more: the page is read anew."""
    slug = "autre-version"
    await site.liveblog(slug, 2)
    async with pages(browser) as open_page:
        page = await open_page(f"{site.server.url}/healthz", outages=True, script=LONG_OPEN)
        await page.route("**/assets/deferred-*.js", lambda route: route.fulfill(status=404))
        await page.goto(site.url(slug))
        await live(page)
        await mark(page)
        async with page.expect_navigation():
            await page.evaluate(VOID)
        await live(page)
        assert await page.evaluate("() => window.__marker") is None


@pytest.mark.parametrize("gone", ["hub", "redis"])
async def test_after_a_gap_pages_are_the_servers(
    tmp_path: Path, browser: Browser, start_redis: StartRedis, gone: str
) -> None:
    """25 entries published, one edited, one deleted, one pinned meanwhile; also where the reader's clock is wrong."""
    redis = start_redis()
    shared = {
        "database_url": f"sqlite:///{tmp_path}/live.db",
        "redis_url": redis.url,
        "public_url": "https://live.example.org",
        "heartbeat": "1",
        "poll": "60",
    }
    async with AsyncExitStack() as stack:
        desk, readers = await asyncio.gather(
            *(stack.enter_async_context(serving(tmp_path / name, **shared)) for name in ("desk", "readers"))
        )
        newsroom = await stack.enter_async_context(Client(desk.url, await desk.key()))
        site = Site(desk, newsroom)
        ids = await site.liveblog(SLUG, BEFORE)
        open_page = await stack.enter_async_context(pages(browser))
        url = f"{readers.url}/live/{SLUG}"
        every = first, early, late, reading, from_the_start = await asyncio.gather(
            open_page(url, outages=True),
            open_page(url, outages=True, script=CLOCK_OFF % -2),
            open_page(url, outages=True, script=CLOCK_OFF % 2),
            open_page(url, outages=True),
            open_page(f"{url}?order=oldest", outages=True),
        )
        for page in every:
            await live(page)
            await mark(page)
        await reading.locator(f"#entry-{ids[9]}").evaluate("line => line.scrollIntoView({behavior: 'instant'})")

        if gone == "hub":
            await readers.kill()
        else:
            redis.stop()
        for number in range(MISSED):
            await site.publish(SLUG, BEFORE + number, key_event=number == 20)
        await newsroom.edit(SLUG, ids[3], {"body": "<p>Le peloton s’est scindé.</p>", "correction": "En deux."})
        await newsroom.delete(SLUG, ids[5])
        await newsroom.edit(SLUG, ids[4], {"pinned": True})
        if gone == "hub":
            await readers.start()
        else:
            redis.start()

        published = await _published(newsroom)
        pinned = [entry["html"] for entry in published if entry["pinned"]]
        listed = [entry["html"] for entry in published if not entry["pinned"]]
        assert len(pinned) == 1
        expected = pinned + listed[: PAGE_SIZE + MISSED - 2]
        oldest_first = [entry["html"] for entry in reversed(published)][:PAGE_SIZE]
        # Not on the pages, whose policy lets nobody but their script make HTML of a text.
        as_articles = partial((await stack.enter_async_context(await browser.new_page())).evaluate, AS_ARTICLES)
        for page in (first, early, late, reading):
            await settles(partial(_sources, page), await as_articles(expected), seconds=30)
            await settles(partial(strings, page, KEY_EVENTS), ["Kilomètre 50"])
        await settles(partial(_sources, from_the_start), await as_articles(oldest_first), seconds=30)
        for page in every:
            await assert_never_reloaded(page)


async def _sources(page: Page) -> list[str]:
    return await strings(page, SOURCES)


async def _published(newsroom: Client) -> list[dict[str, Any]]:
    """All entries, newest first."""
    snapshot = await newsroom.snapshot(SLUG, limit=100)
    entries = {entry["id"]: entry for entry in [*snapshot["pinned"], *snapshot["entries"]]}
    return sorted(entries.values(), key=lambda entry: (entry["published_at"], entry["id"]), reverse=True)
