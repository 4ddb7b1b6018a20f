"""The reader's page in a browser: without JavaScript, scrolled down, and on a bad network."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.proxy import Proxy
from tests.acceptance.reading import (
    BODIES,
    FRAMES,
    IDS,
    ONE_PIXEL,
    assert_never_reloaded,
    line_top,
    live,
    mark,
    settles,
    strings,
)
from tests.acceptance.serving import eventually

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNT = 45
PAGE_SIZE = 20
COLUMNS = """() => {
  const lines = [...document.querySelectorAll(".key-events > .key-list li")];
  const rect = element => { const range = document.createRange(); range.selectNodeContents(element);
                            return range.getBoundingClientRect(); };
  return [[...new Set(lines.map(line => rect(line.querySelector("time")).width))],
          [...new Set(lines.map(line => rect(line.querySelector("span")).left))]];
}"""
"""How wide the times of the summary's key events are, and where what happened begins."""
DOT = "() => getComputedStyle(document.querySelector('.status'), '::before').backgroundColor"
COVERED = """() => {
  const {left, top, right, bottom} = document.querySelector("[data-connection]").getBoundingClientRect();
  return [...document.querySelectorAll(".card")].map(card => card.getBoundingClientRect()).filter(
    card => card.left < right && card.right > left && card.top < bottom && card.bottom > top);
}"""
"""The cards that lie over the connection's state, or under it."""
SAID_TO_BE_EMPTY = """() => {
  const said = document.querySelector("[data-empty]");
  new MutationObserver(() => { window.saidToBeEmpty ||= !said.hidden; }).observe(said, {attributes: true});
}"""
"""Remembers whether the page has ever said that there is nothing."""


async def test_complete_without_javascript(site: Site, browser: Browser) -> None:
    """Every entry is reached by links, exactly once, and each has a permalink that leads to it."""
    ids = await site.liveblog("sans-script", COUNT)
    async with pages(browser) as open_page:
        page = await open_page(site.url("sans-script"), javascript=False)
        found: list[str] = []
        sizes: list[int] = []
        while True:
            shown = await _ids(page)
            found += shown
            sizes.append(len(shown))
            older = page.locator("a[data-older]")
            if not await older.is_visible():
                break
            # The link is at the page's end: only once all of that is loaded, its absence says that there are no more.
            async with page.expect_navigation():
                await older.click()
        assert found == ids
        assert sizes == [PAGE_SIZE, PAGE_SIZE, COUNT - 2 * PAGE_SIZE]

        await page.locator(".to-first a").click()
        assert await _ids(page) == ids[:PAGE_SIZE]
        for id_ in (ids[0], ids[7]):
            await page.goto(site.url("sans-script"))
            await page.locator(f"#entry-{id_} .entry-time").click()
            assert page.url == f"{site.url('sans-script')}/entries/{id_}"
            assert await page.locator("article.focus").get_attribute("data-id") == id_
            number = COUNT - 1 - ids.index(id_)
            assert f"Entrée {number}" in await page.locator("article.focus .entry-body").inner_text()


async def test_older_entries_in_place(site: Site, browser: Browser) -> None:
    """With JavaScript the older entries come into the same page, until none is left."""
    ids = await site.liveblog("plus-anciennes", COUNT)
    async with pages(browser) as open_page:
        page = await open_page(site.url("plus-anciennes"))
        await live(page)
        await mark(page)
        older = page.locator("a[data-older]")
        await older.click()
        await settles(partial(strings, page, IDS), ids[: 2 * PAGE_SIZE])
        published = await site.publish("plus-anciennes", COUNT)
        await settles(partial(strings, page, IDS), [published["id"], *ids[: 2 * PAGE_SIZE]])
        await older.click()
        await settles(partial(strings, page, IDS), [published["id"], *ids])
        await older.wait_for(state="hidden")
        await assert_never_reloaded(page)


async def test_what_is_left_comes_once_all_that_was_loaded_is_deleted(site: Site, browser: Browser) -> None:
    """The page of a live blog with older entries never says that it hasn't begun, in either order."""
    ids = await site.liveblog("vide", PAGE_SIZE + 22)
    async with pages(browser) as open_page:
        newest, oldest = [await open_page(f"{site.url('vide')}{order}") for order in ("", "?order=oldest")]
        for page in (newest, oldest):
            await live(page)
            await mark(page)
            await page.evaluate(SAID_TO_BE_EMPTY)
        for id_ in ids[:PAGE_SIZE]:
            await site.newsroom.delete("vide", id_)
        left = ids[PAGE_SIZE:]
        await settles(partial(strings, newest, IDS), left[:PAGE_SIZE])
        for id_ in left[2:]:
            await site.newsroom.delete("vide", id_)
        for page, shown in ((newest, left[:2]), (oldest, left[1::-1])):
            await settles(partial(strings, page, IDS), shown)
            assert not await page.evaluate("() => window.saidToBeEmpty")
            await assert_never_reloaded(page)


async def test_what_is_being_read_stays_where_it_is(site: Site, browser: Browser) -> None:
    """While the reader is further down, new entries and edits above move nothing; a button tells how many came."""
    ids = await site.liveblog("lecture", PAGE_SIZE)
    async with pages(browser) as open_page:
        page = await open_page(site.url("lecture"))
        await live(page)
        line = page.locator(f"#entry-{ids[8]} .entry-body p").first
        await line.evaluate("line => line.scrollIntoView({block: 'center', behavior: 'instant'})")
        before = await line_top(page, ids[8])
        news = page.locator("[data-news]")
        for count in range(1, 4):
            await site.publish("lecture", PAGE_SIZE + count)
            await page.locator("[data-news]", has_text=f"{count} nouvelle").wait_for()
            assert abs(await line_top(page, ids[8]) - before) < ONE_PIXEL
        await site.newsroom.edit("lecture", ids[2], {"body": "<p>Une chute.</p>" * 12})
        await page.locator(f"#entry-{ids[2]} p", has_text="Une chute.").first.wait_for(state="attached")
        assert abs(await line_top(page, ids[8]) - before) < ONE_PIXEL
        await site.newsroom.delete("lecture", ids[5])
        await page.locator(f"#entry-{ids[5]}").wait_for(state="detached")
        assert abs(await line_top(page, ids[8]) - before) < ONE_PIXEL

        assert (await page.title()).startswith("(3) ")
        await news.click()
        await news.wait_for(state="hidden")
        assert await page.title() == "Le Tour"
        assert await page.locator("#entries article").first.evaluate(
            "article => article.getBoundingClientRect().top >= 0"
        )


async def test_comes_back_after_the_network_was_cut(site: Site, browser: Browser) -> None:
    """All connections are reset: the page connects again by itself, and has what was published meanwhile, once."""
    await site.liveblog("coupure", 2)
    async with Proxy(site.server.port) as network, pages(browser) as open_page:
        page = await open_page(f"{network.url}/live/coupure", outages=True)
        await live(page)
        await mark(page)
        network.answers.clear()
        await site.publish("coupure", 2)
        await site.publish("coupure", 3)
        network.cut()
        network.answers.set()
        await settles(partial(_first_words, page), [f"Entrée {number}" for number in (3, 2, 1, 0)])
        await live(page)
        assert network.asked("^WEBSOCKET") == 2
        assert network.asked(r"^WEBSOCKET .*/ws\?after=[a-z0-9]+-2$") == 2
        await assert_never_reloaded(page)


async def test_comes_back_when_the_connection_says_nothing(site: Site, browser: Browser) -> None:
    """The network swallows everything and closes nothing: the page misses the heartbeats, and connects again."""
    await site.liveblog("silence", 1)
    async with Proxy(site.server.port) as network, pages(browser) as open_page:
        page = await open_page(f"{network.url}/live/silence")
        await live(page)
        await mark(page)
        network.answers.clear()
        await site.publish("silence", 1)
        await eventually(lambda: network.asked("^WEBSOCKET") == 2, what="another connection")
        network.answers.set()
        await settles(partial(_first_words, page), ["Entrée 1", "Entrée 0"])
        await assert_never_reloaded(page)


async def test_a_page_that_is_cut_off_says_so_below_its_cards(site: Site, browser: Browser) -> None:
    """On a phone and beside it, nothing covers the connection's state; and what is live is hollow."""
    ids = await site.liveblog("cartes", 3)
    async with Proxy(site.server.port) as network, pages(browser) as open_page:
        shown = []
        for width in (375, 1280):
            page = await open_page(f"{network.url}/live/cartes", outages=True, viewport={"width": width, "height": 700})
            await live(page)
            await page.locator(f"#entry-{ids[1]}").scroll_into_view_if_needed()
            await page.evaluate(FRAMES)
            shown.append(page)
        for note in ("Douze coureurs, et non huit.", "Treize coureurs, et non douze."):
            await site.newsroom.edit("cartes", ids[1], {"correction": note})
        for page in shown:
            await page.locator(".card", has_text="Treize").wait_for()
            assert await page.evaluate(DOT) not in ("rgba(0, 0, 0, 0)", None)
        network.refuse = True
        network.cut()
        for page in shown:
            await page.locator("[data-connection]", has_text="Reconnexion").wait_for()
            covered = await page.evaluate(COVERED)
            assert covered == []
            assert await page.evaluate(DOT) == "rgba(0, 0, 0, 0)"


async def test_the_summary_has_one_column_of_times(site: Site, browser: Browser) -> None:
    """All that happened begins at one line where the key events are of several days, whose names aren't equally long.

    As the server writes it, and as the page does.
    """
    await site.many("colonne", 4, apart=timedelta(hours=7), key_event=True)
    async with pages(browser) as open_page:
        page = await open_page(site.url("colonne"), viewport={"width": 375, "height": 700})
        await live(page)
        for count in (4, 5):
            widths, columns = await page.evaluate(COLUMNS)
            assert len(widths) > 1
            assert len(columns) == 1
            if count == 4:
                await site.publish("colonne", 5, key_event=True)
                await page.locator(".key-list li", has_text="Kilomètre 5").wait_for()


async def test_viewers_are_counted(site: Site, browser: Browser) -> None:
    """The page says how many read along, and hears when one has left."""
    await site.liveblog("lecteurs", 1)
    async with pages(browser) as open_page:
        page = await open_page(site.url("lecteurs"))
        await live(page)
        await page.locator("[data-viewers]", has_text="1 lecteur").wait_for()
        other = await open_page(site.url("lecteurs"))
        await page.locator("[data-viewers]", has_text="2 lecteurs").wait_for()
        await other.close()
        await page.locator("[data-viewers]", has_text="1 lecteur").wait_for()


async def _ids(page: Page) -> list[str]:
    """The entries listed; also where the page's own scripts don't run."""
    shown = await page.locator('[data-list="entries"] article').all()
    return [await article.get_attribute("data-id") or "" for article in shown]


async def _first_words(page: Page) -> list[str]:
    return [body.split("Le peloton")[0] for body in await strings(page, BODIES)]
