"""Many tabs, tabs in the background, tabs that come back, and networks that spoil one transport after the other."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.proxy import Proxy
from tests.acceptance.reading import IDS, assert_never_reloaded, live, mark, settles, strings

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_seven_tabs_without_websockets(site: Site, browser: Browser) -> None:
    """HTTP/1.1 has six connections to a host: tabs share one stream, and one that is closed leaves it to another."""
    ids = await site.liveblog("onglets", 1)
    async with Proxy(site.server.port, websocket=False) as network, pages(browser) as open_page:
        tabs = [await open_page(f"{network.url}/live/onglets", outages=True)]
        await live(tabs[0])
        for _ in range(6):
            tabs.append(await open_page(f"{network.url}/live/onglets", outages=True, beside=tabs[0]))
        await asyncio.gather(*(live(tab) for tab in tabs))
        await asyncio.gather(*(mark(tab) for tab in tabs))
        assert network.asked("^GET .*/events") == 1
        first = await site.publish("onglets", 1)
        await asyncio.gather(*(settles(partial(strings, tab, IDS), [first["id"], *ids]) for tab in tabs))

        await tabs.pop(0).close()
        second = await site.publish("onglets", 2)
        expected = [second["id"], first["id"], *ids]
        await asyncio.gather(*(settles(partial(strings, tab, IDS), expected) for tab in tabs))
        assert network.asked("^GET .*/events") == 2
        for tab in tabs:
            await assert_never_reloaded(tab)


async def test_a_proxy_that_holds_back_events(site: Site, browser: Browser) -> None:
    """It refuses WebSockets and passes on nothing of an endless answer: the page asks for changes instead."""
    ids = await site.liveblog("tampon", 1)
    async with Proxy(site.server.port, websocket=False, endless=False) as network, pages(browser) as open_page:
        page = await open_page(f"{network.url}/live/tampon", outages=True)
        await page.clock.install()
        published = await site.publish("tampon", 1)
        for _ in range(80):
            if network.asked("^GET .*/changes"):
                break
            await page.clock.run_for(1_000)
            await asyncio.sleep(0.02)
        await settles(partial(strings, page, IDS), [published["id"], *ids])
        assert network.asked("^WEBSOCKET") == 2


async def test_back_and_forward(site: Site, browser: Browser) -> None:
    """Back on the page, whether the browser kept it or reads it anew, it has what came meanwhile, once."""
    ids = await site.liveblog("retour-arriere", 3)
    async with pages(browser) as open_page:
        page = await open_page(site.url("retour-arriere"))
        await live(page)
        await page.goto(f"{site.server.url}/")
        published = await site.publish("retour-arriere", 3)
        await page.go_back()
        await settles(partial(strings, page, IDS), [published["id"], *ids])
        await live(page)


async def test_a_tab_in_the_background(site: Site, browser: Browser) -> None:
    """It goes on quietly, counts in its title, and announces a burst of five in one polite sentence."""
    await site.liveblog("arriere-plan", 2)
    async with pages(browser) as open_page:
        page = await open_page(site.url("arriere-plan"))
        await live(page)
        await page.evaluate("""() => {
          Object.defineProperty(document, "visibilityState", {get: () => "hidden", configurable: true});
          document.dispatchEvent(new Event("visibilitychange"));
          window.__said = [];
          new MutationObserver(() => window.__said.push(document.querySelector("[data-announcer]").textContent))
            .observe(document.querySelector("[data-announcer]"), {childList: true, characterData: true, subtree: true});
          window.__focus = document.activeElement;
        }""")
        for number in range(5):
            await site.publish("arriere-plan", 2 + number)
        await page.wait_for_function("() => document.title === '(5) Le Tour'")
        said = await page.wait_for_function("() => window.__said.length > 0 && window.__said")
        assert await said.json_value() == ["5 nouvelles publications"]
        assert await page.evaluate("document.activeElement === window.__focus"), "the focus was moved"
