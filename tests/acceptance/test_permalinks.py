"""A link to one entry opens the page at it, among its neighbours, and the list goes on from there on both sides."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.acceptance.browsing import pages
from tests.acceptance.reading import IDS, ONE_PIXEL, live, settles, strings

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNT = 2_000
LANDING = """() => {
  const linked = document.querySelector("article.focus");
  return [
    linked.getBoundingClientRect().top - document.querySelector(".masthead").getBoundingClientRect().bottom,
    document.activeElement === linked,
  ];
}"""
AT_THE_END = "() => scrollY + innerHeight >= document.documentElement.scrollHeight - 1"


SCROLLS = """addEventListener("scroll", () => { (window.__scrolls ??= []).push(scrollY); })"""


async def _assert_landed(page: Page, entry_id: str) -> None:
    """The whole entry is in the window, or as much of it as there is room for below what sticks to its top; it has the
    focus, and the window came there at once."""
    assert await page.locator("article.focus").get_attribute("data-id") == entry_id
    distance, focused = await page.evaluate(LANDING)
    assert distance > -ONE_PIXEL
    whole = "document.querySelector('article.focus').getBoundingClientRect().bottom <= innerHeight"
    assert distance < 30 or await page.evaluate(whole) or await page.evaluate(AT_THE_END)
    assert focused
    assert await page.evaluate("window.__scrolls.length") == 1, "it was there, and moved again"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two_thousand(site: Site) -> list[str]:
    """The ids of the entries of `deux-mille`, newest first."""
    return await site.many("deux-mille", COUNT)


async def test_the_oldest_of_two_thousand(site: Site, browser: Browser, two_thousand: list[str]) -> None:
    """Also without JavaScript; and from there upwards, page by page, without a gap or a repetition."""
    ids = two_thousand
    oldest, middle = ids[-1], ids[1_000]
    async with pages(browser) as open_page:
        plain = await open_page(f"{site.url('deux-mille')}/entries/{middle}", javascript=False)
        box = await plain.locator("article.focus").bounding_box()
        assert box is not None
        assert 0 <= box["y"] <= 700 - box["height"] + ONE_PIXEL, "the browser opened the page elsewhere"
        neighbours = await plain.locator("article").all()
        assert [await article.get_attribute("data-id") for article in neighbours] == ids[996:1_013]

        page = await open_page(f"{site.url('deux-mille')}/entries/{oldest}", script=SCROLLS)
        await live(page)
        await settles(partial(strings, page, IDS), ids[-5:])
        await _assert_landed(page, oldest)
        where = await page.evaluate(LANDING)
        await page.locator("a[data-newer]").evaluate("link => link.click()")
        await settles(partial(strings, page, IDS), ids[-25:])
        assert await page.evaluate(LANDING) == [pytest.approx(where[0], abs=ONE_PIXEL), True]

        # A link into the page to an entry that isn't on it.
        await page.goto(f"{site.url('deux-mille')}#entry-{middle}")
        await page.wait_for_url(f"**/entries/{middle}")
        await live(page)
        await _assert_landed(page, middle)


@pytest.mark.parametrize("height", [360, 800])
async def test_an_entry_longer_than_the_window(site: Site, browser: Browser, height: int) -> None:
    """Its beginning stands just below what sticks to the window's top; so it does after what is loaded above it."""
    slug = f"longue-{height}"
    ids = await site.liveblog(slug, 30)
    await site.newsroom.edit(slug, ids[15], {"body": "<p>Le peloton roule groupé.</p>" * 60})
    async with pages(browser) as open_page:
        page = await open_page(f"{site.url(slug)}/entries/{ids[15]}", viewport={"width": 500, "height": height})
        await live(page)
        distance, focused = await page.evaluate(LANDING)
        assert -ONE_PIXEL < distance < 30
        assert focused
        await page.locator("a[data-newer]").evaluate("link => link.click()")
        await settles(partial(strings, page, IDS), ids[:28])
        assert await page.evaluate(LANDING) == [pytest.approx(distance, abs=ONE_PIXEL), True]


@pytest.mark.usefixtures("two_thousand")
async def test_two_thousand_entries_make_no_long_page(site: Site, browser: Browser) -> None:
    """The server sends twenty of them, and the browser asks for no more."""
    async with pages(browser) as open_page:
        page = await open_page(site.url("deux-mille"))
        await live(page)
        sizes = await page.evaluate("performance.getEntriesByType('navigation').map(entry => entry.decodedBodySize)")
        assert sizes[0] < 100_000
        assert len(await strings(page, IDS)) == 20


async def test_up_to_the_newest(site: Site, browser: Browser) -> None:
    """The list grows until it meets the live end; from then on new entries come into it."""
    ids = await site.liveblog("remonter", 30)
    async with pages(browser) as open_page:
        page = await open_page(f"{site.url('remonter')}/entries/{ids[25]}")
        await live(page)
        first = await site.publish("remonter", 30)
        await page.locator("[data-news]", has_text="Voir la nouvelle").wait_for(state="attached")
        await page.locator("a[data-newer]").evaluate("link => link.click()")
        await settles(partial(strings, page, IDS), ids[1:])
        await page.locator("a[data-newer]").evaluate("link => link.click()")
        await settles(partial(strings, page, IDS), [first["id"], *ids])
        second = await site.publish("remonter", 31)
        await settles(partial(strings, page, IDS), [second["id"], first["id"], *ids])
        assert await page.locator("a[data-newer]").is_hidden()


async def test_it_is_deleted(site: Site, browser: Browser) -> None:
    """While it is open, a word stands in its place; afterwards the address answers 410, and says so."""
    ids = await site.liveblog("disparue", 6)
    url = f"{site.url('disparue')}/entries/{ids[3]}"
    async with pages(browser) as open_page:
        page = await open_page(url, outages=True)
        await live(page)
        await site.newsroom.delete("disparue", ids[3])
        await page.locator("article.gone", has_text="a été supprimée par la rédaction").wait_for()
        assert await strings(page, IDS) == ids
        response = await page.reload()
        assert response is not None
        assert response.status == 410
        assert await page.locator("h1").inner_text() == "Publication supprimée"
        await page.locator("a.button").click()
        await settles(partial(strings, page, IDS), [id_ for id_ in ids if id_ != ids[3]])


async def test_a_link_is_handed_on(site: Site, browser: Browser) -> None:
    """By the clipboard where the device has no sharing of its own, and says so."""
    ids = await site.liveblog("partage", 2)
    async with pages(browser) as open_page:
        page = await open_page(site.url("partage"), permissions=["clipboard-read", "clipboard-write"])
        await live(page)
        await page.locator(f"#entry-{ids[1]} [data-share]").click()
        await page.locator("[data-notices]", has_text="Lien copié").wait_for()
        # The page itself may write there, and not read.
        other = await open_page(f"{site.server.url}/healthz", beside=page)
        assert await other.evaluate("navigator.clipboard.readText()") == f"{site.url('partage')}/entries/{ids[1]}"
        await page.evaluate("navigator.share = data => { window.__shared = data; return Promise.resolve(); }")
        await page.locator(f"#entry-{ids[0]} [data-share]").click()
        shared = await page.wait_for_function("() => window.__shared")
        assert await shared.json_value() == {
            "title": "Kilomètre 1",
            "url": f"{site.url('partage')}/entries/{ids[0]}",
        }
        await site.newsroom.edit("partage", ids[0], {"verification": "denied", "source": "la course"})
        await page.locator(f"#entry-{ids[0]} .label-denied").wait_for()
        await page.locator(f"#entry-{ids[0]} [data-share]").click()
        title = await page.wait_for_function("() => window.__shared.title !== 'Kilomètre 1' && window.__shared.title")
        assert await title.json_value() == "Démenti\u00a0: la course – Kilomètre 1"
