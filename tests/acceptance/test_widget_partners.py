"""A partner's widget and frame in a browser: what its rules leave out never shows, late is late, off is off."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.hosting import document, hosting, widget
from tests.acceptance.proxy import Proxy
from tests.acceptance.reading import settles
from tests.acceptance.widgets import SWITCH_SECONDS, ends, kilometres, shows

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

DELAY = 3

RECORD = """
window.seen = [];
document.addEventListener("liveblog:update", ({ target }) => requestAnimationFrame(() => {
  seen.push([...target.shadowRoot.querySelectorAll(".list h3")].map(heading => heading.textContent).join());
}));
"""
"""Keeps what the widget showed after each change."""

COLOURS = """() => {
  const root = document.querySelector("live-blog").shadowRoot ?? document;
  const box = getComputedStyle(root.querySelector(".lv"));
  return [box.borderTopColor, box.backgroundColor, box.color, box.fontFamily];
}"""
THEME = {"accent": "#123456", "background": "#fff8e7", "text": "#23313a", "font": "Verdana, sans-serif"}
PAINTED = ["rgb(18, 52, 86)", "rgb(255, 248, 231)", "rgb(35, 49, 58)", "Verdana, sans-serif"]


@pytest.mark.parametrize("websocket", [True, False], ids=["websocket", "events"])
async def test_switched_off(site: Site, browser: Browser, websocket: bool) -> None:
    """Its readers see its attribution, confirm a takedown, and have the fallback within five seconds of the switch."""
    slug = f"widget-partner-{websocket}".lower()
    ids = await site.liveblog(slug, 2)
    async with (
        hosting() as host,
        Proxy(site.server.port, websocket=websocket) as network,
        pages(browser) as open_page,
    ):
        attribution = {"text": "Avec nous", "url": "https://direct.exemple.org/"}
        partner = await site.partner(origins=[host.url], theme=THEME, attribution=attribution)
        page = await open_page(host.add("/", document(widget(network.url, slug, partner=partner))), outages=True)
        await shows(page, kilometres(1, 0))
        assert await page.get_by_role("link", name="Avec nous").is_visible()
        assert await page.evaluate(COLOURS) == PAINTED
        # Live, by whichever transport: its first entry has come.
        await site.publish(slug, 2)
        await shows(page, kilometres(2, 1, 0))
        await site.newsroom.take_down(slug, ids[0])
        await shows(page, kilometres(2, 0))

        async def had() -> list[str]:
            found = (await site.newsroom.takedown(slug, ids[0]))["by_partner"]
            return [str(found[partner]["had"])] if partner in found else []

        await settles(had, ["1"])
        await ends(page, site, partner)
        assert await page.get_by_role("link", name="En direct").is_visible()
        assert await page.get_by_text("Kilomètre").count() == 0


async def test_filtered(site: Site, browser: Browser) -> None:
    """An entry without the tag never shows; an edit that takes the tag away takes the entry, another brings it."""
    slug = "widget-filtered"
    await site.liveblog(slug, 0)
    sea = await site.publish(slug, 0, tags=["mer"])
    land = await site.publish(slug, 1, tags=["terre"])
    async with hosting() as host, pages(browser) as open_page:
        partner = await site.partner(origins=[host.url], tags=["mer"])
        page = await open_page(host.add("/", document(widget(site.server.url, slug, partner=partner))), script=RECORD)
        await shows(page, kilometres(0))
        await site.publish(slug, 2, tags=["terre"])
        await site.publish(slug, 3, tags=["ciel", "mer"])
        await shows(page, kilometres(3, 0))
        await site.newsroom.edit(slug, sea["id"], {"tags": ["terre"]})
        await shows(page, kilometres(3))
        await site.newsroom.edit(slug, land["id"], {"tags": ["mer"]})
        await shows(page, kilometres(3, 1))
        await site.newsroom.edit(slug, land["id"], {"heading": "Corrigé"})
        await shows(page, ["Kilomètre 3", "Corrigé"])
        # Nor did it for a moment.
        seen = await page.evaluate("() => seen")
        assert not any("Kilomètre 2" in headings for headings in seen)
        assert "Kilomètre 1" not in seen[0]


async def test_delayed(site: Site, browser: Browser) -> None:
    """An entry comes when it is due. A deletion doesn't wait: it overtakes what was published before it."""
    slug = "widget-delayed"
    loop = asyncio.get_running_loop()
    [first] = await site.liveblog(slug, 1)
    async with hosting() as host, pages(browser) as open_page:
        partner = await site.partner(origins=[host.url], delay=DELAY)
        page = await open_page(host.add("/", document(widget(site.server.url, slug, partner=partner))), script=RECORD)
        await shows(page, kilometres(0))
        published = loop.time()
        second = await site.publish(slug, 1)
        await site.newsroom.delete(slug, first)
        await shows(page, kilometres(1))
        assert loop.time() - published >= DELAY
        seen = await page.evaluate("() => seen")
        assert seen.index("") < seen.index("Kilomètre 1")
        assert "Kilomètre 1,Kilomètre 0" not in seen
        # An entry deleted before it is due never shows, nor does its state before an edit that is due with it.
        gone = await site.publish(slug, 2)
        await site.newsroom.delete(slug, gone["id"])
        await site.newsroom.edit(slug, second["id"], {"heading": "Corrigé"})
        await shows(page, ["Corrigé"])
        assert not any("Kilomètre 2" in headings for headings in await page.evaluate("() => seen"))


async def _in_frame(page: Page, script: str) -> list[str]:
    found: list[str] = await page.frames[1].evaluate(script)
    return found


IN_FRAME = """() => [...(document.querySelector("live-blog")?.shadowRoot ?? document).querySelectorAll(".list h3")]
  .map(heading => heading.textContent)"""


async def test_its_frame(site: Site, browser: Browser) -> None:
    """Live on its own pages, in its colours, and a link once it is switched off: at once, and when it is asked for."""
    slug = "cadre-partenaire"
    ids = await site.liveblog(slug, 2)
    async with hosting() as host, pages(browser) as open_page:
        partner = await site.partner(origins=[host.url], theme=THEME)
        frame = f'<iframe src="{site.server.url}/embed/{slug}?partner={partner}" title="En direct"></iframe>'
        url = host.add("/", document(frame))
        plain = await open_page(url, javascript=False)
        await plain.frame_locator("iframe").locator(".list h3").first.wait_for()
        assert await plain.frame_locator("iframe").locator(".list h3").all_text_contents() == kilometres(1, 0)
        assert await _in_frame(plain, COLOURS) == PAINTED

        page = await open_page(url, outages=True)
        await page.frames[1].wait_for_function(
            "() => document.querySelector('live-blog').shadowRoot?.querySelector('.lv')"
        )
        assert await _in_frame(page, COLOURS) == PAINTED
        await site.publish(slug, 2)
        await site.newsroom.edit(slug, ids[0], {"heading": "Corrigé"})
        await site.newsroom.delete(slug, ids[1])
        await settles(partial(_in_frame, page, IN_FRAME), ["Kilomètre 2", "Corrigé"])
        link = page.frame_locator("iframe").get_by_role("link")
        async with asyncio.timeout(SWITCH_SECONDS):
            await site.set_partner(partner, enabled=False)
            await page.frames[1].wait_for_function(f"() => ({IN_FRAME})().length === 0")
            await link.wait_for()
        assert await link.get_attribute("href") == site.url(slug)

        async def still_shown() -> bool:
            """When it is asked for anew. A copy that the browser keeps for a second may be that old."""
            await page.reload()
            await link.first.wait_for()
            return "Kilomètre" in await page.frames[1].content()

        await settles(still_shown, False)
        assert site.url(slug).endswith(await link.first.get_attribute("href") or "?")


async def test_its_frame_on_somebody_elses_page(site: Site, browser: Browser) -> None:
    """The browser itself refuses it; without a partner, it shows it wherever the live blog may be shown."""
    slug = "cadre-refuse"
    await site.liveblog(slug, 1)
    async with hosting() as host:
        partner = await site.partner(origins=["https://www.exemple.fr"])
        for query, allowed in ((f"?partner={partner}", False), ("", True)):
            url = host.add("/", document(f'<iframe src="{site.server.url}/embed/{slug}{query}"></iframe>'))
            assert await _framed(browser, url) == allowed
        await site.set_liveblog(slug, embedding={"mode": "origins", "origins": ["https://www.exemple.fr"]})
        await _until_framed(browser, url, False)
        await site.set_liveblog(slug, embedding={"mode": "origins", "origins": [host.url]})
        await _until_framed(browser, url, True)
        await site.set_liveblog(slug, embedding={"mode": "nobody"})
        await _until_framed(browser, url, False)


async def _until_framed(browser: Browser, url: str, expected: bool) -> None:
    """An answer may be a second old, in the browser too, and the rules twice that: they are read again and again."""
    await settles(lambda: _framed(browser, url), expected)


async def _framed(browser: Browser, url: str) -> bool:
    """Whether a page's frame shows a live blog; if it doesn't, the browser must have said that it mayn't."""
    complaints: list[str] = []
    page = await browser.new_page()
    try:
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto(url)
        shown = await page.frames[1].locator("live-blog").count() > 0
        refused = any(re.search(r"[Ff]ram.*frame-ancestors", complaint) for complaint in complaints)
        assert shown != refused, complaints
        return shown
    finally:
        await page.close()
