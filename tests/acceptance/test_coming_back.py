"""A reader who comes back is told of new and corrected entries, and without a network sees those read before."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.proxy import Proxy
from tests.acceptance.reading import FRAMES, IDS, live, settles, strings
from tests.project.test_deploy import nginx

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Page, Route

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

AWAY = """slug => {
  const key = `liveserver:/api/v1/liveblogs/${slug}`, kept = JSON.parse(localStorage.getItem(key));
  kept.visit.left -= 3 * 86400000;
  localStorage.setItem(key, JSON.stringify(kept));
}"""
VOID = """slug => {
  const key = `liveserver:/api/v1/liveblogs/${slug}`, kept = JSON.parse(localStorage.getItem(key));
  kept.visit.position = "another-7";
  localStorage.setItem(key, JSON.stringify(kept));
}"""
COPIES = """async () => (await (await caches.open("liveserver-pages")).keys())
  .map(request => new URL(request.url).pathname).filter(path => path.startsWith("/live/"))"""
HIDDEN = """() => {
  Object.defineProperty(document, "visibilityState", { get: () => "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
WATCHED = """() => {
  const { fetch } = self;
  self.copied = [];
  self.fetch = async request => {
    const response = await fetch(request);
    if (request.mode !== "navigate" && request.url.includes("/live/")) {
      self.copied.push(response.status);
    }
    return response;
  };
}"""
"""The answers to the service worker's own requests for a page, in `copied`."""
CONTROLLED = "() => navigator.serviceWorker.ready.then(ready => ready.active !== null)"


async def _leave(page: Page, site: Site, slug: str) -> None:
    """Read for a while, go away, and let three days pass."""
    await page.goto(f"{site.server.url}/healthz")
    await page.evaluate(AWAY, slug)


@pytest.mark.parametrize("history", ["same", "replaced"])
async def test_what_came_since(site: Site, browser: Browser, history: str) -> None:
    """How many entries, which key events and corrections; and a way to read them in their order."""
    slug = f"retour-{history}"
    ids = await site.liveblog(slug, 30)
    async with pages(browser) as open_page:
        page = await open_page(site.url(slug))
        await live(page)
        assert await page.locator(".card").count() == 0
        await _leave(page, site, slug)
        if history == "replaced":
            await page.evaluate(VOID, slug)
        new = [(await site.publish(slug, 30 + n, key_event=n == 4))["id"] for n in range(25)]
        await site.newsroom.edit(slug, ids[0], {"correction": "8 et non 12."})
        await site.newsroom.edit(slug, ids[29], {"correction": "Jamais lu."})

        await page.goto(site.url(slug))
        card = page.locator("[data-notice=since]")
        await card.wait_for()
        text = await card.inner_text()
        assert "Depuis votre visite du" in text
        assert "25 nouvelles publications, 1 moment clé" in text
        assert "Kilomètre 34" in text
        if history == "same":
            assert "1 correction de ce que vous aviez lu" in text
            assert "8 et non 12." in text
        assert "Jamais lu" not in text
        await card.locator("a.button").click()
        await live(page)
        assert await page.locator("article.focus").get_attribute("data-id") == new[0]
        assert await strings(page, IDS) == [*ids[3::-1], *new[:13]]

        await page.goto(site.url(slug))
        await live(page)
        assert await page.locator(".card").count() == 0, "it is told once"


async def test_what_came_since_is_told_in_one_place(site: Site, browser: Browser) -> None:
    """Also where the stream is quicker than the answer about the last visit."""
    ids = await site.liveblog("retour-lent", 3)
    async with pages(browser) as open_page:
        page = await open_page(site.url("retour-lent"))
        await live(page)
        await _leave(page, site, "retour-lent")
        await site.newsroom.edit("retour-lent", ids[0], {"correction": "8 et non 12."})
        let_through = asyncio.Event()

        async def slowly(route: Route) -> None:
            await let_through.wait()
            await route.continue_()

        await page.route("**/changes?*", slowly)
        await page.goto(site.url("retour-lent"))
        published = await site.publish("retour-lent", 3)
        await page.locator(f"#entry-{published['id']}").wait_for(state="attached")
        await page.evaluate(FRAMES)
        assert await page.locator(".card").count() == 0
        let_through.set()
        card = page.locator("[data-notice=since]")
        await card.wait_for()
        assert "8 et non 12." in await card.inner_text()
        await page.evaluate(FRAMES)
        assert await page.locator(".card").count() == 1


async def test_back_to_a_page_that_the_browser_has(site: Site, browser: Browser) -> None:
    """It stands where the reader left; they are told all the same what came since."""
    await site.liveblog("retour-cache", 3)
    async with pages(browser) as open_page:
        page = await open_page(site.url("retour-cache"))
        await live(page)
        await _leave(page, site, "retour-cache")
        await site.publish("retour-cache", 3, key_event=True)
        await page.go_back()
        card = page.locator("[data-notice=since]")
        await card.wait_for()
        assert "1 nouvelle publication, 1 moment clé" in await card.inner_text()


async def test_a_correction_is_told_once(site: Site, browser: Browser) -> None:
    """To readers who had the entry before their eyes, at once or at their next visit; not to others."""
    ids = await site.liveblog("corrige", 12)
    async with pages(browser) as open_page:
        page = await open_page(site.url("corrige"))
        other = await open_page(f"{site.url('corrige')}?order=oldest")
        await live(page)
        await live(other)
        await site.newsroom.edit("corrige", ids[0], {"correction": "C’était le peloton."})
        card = page.locator("[data-notice=corrected]")
        await card.wait_for()
        assert "Kilomètre 11 – C’était le peloton." in await card.inner_text()
        await card.locator("a").click()
        assert page.url.endswith(f"#entry-{ids[0]}")
        await card.locator("button").click()
        await card.wait_for(state="detached")
        await other.locator(f"#entry-{ids[0]} .corrections").wait_for(state="attached")
        assert await other.locator("[data-notice=corrected]").count() == 0
        await page.reload()
        await live(page)
        assert await page.locator("[data-notice=corrected]").count() == 0

        await page.goto(f"{site.server.url}/healthz")
        await site.newsroom.edit("corrige", ids[0], {"correction": "Et le maillot jaune."})
        await page.goto(site.url("corrige"))
        await page.locator("[data-notice=corrected]", has_text="Et le maillot jaune.").wait_for()


async def test_without_a_network(site: Site, browser: Browser) -> None:
    """The entries read last are there, with their age; a deleted one goes as soon as the server says so."""
    ids = await site.liveblog("metro", 5)
    async with Proxy(site.server.port) as network, pages(browser) as open_page:
        url = f"{network.url}/live/metro"
        page = await open_page(url, outages=True)
        assert await page.evaluate(CONTROLLED)
        await settles(partial(strings, page, COPIES), ["/live/metro"])
        published = await site.publish("metro", 5)
        await settles(partial(strings, page, IDS), [published["id"], *ids])
        await page.goto(f"{network.url}/healthz")
        await page.goto(url)
        await settles(partial(strings, page, COPIES), ["/live/metro"])

        network.refuse = True
        network.cut()
        await page.reload()
        await settles(partial(strings, page, IDS), [published["id"], *ids])
        await page.locator("[data-connection]", has_text="Hors connexion, état de").wait_for()
        network.refuse = False
        await page.evaluate("dispatchEvent(new Event('online'))")
        await live(page)
        await page.locator("[data-connection]").wait_for(state="hidden")

        await page.goto(url)
        await settles(partial(strings, page, COPIES), ["/live/metro"])
        await site.newsroom.delete("metro", published["id"])
        await settles(partial(strings, page, IDS), ids)
        await settles(partial(strings, page, COPIES), list[str]())
        network.refuse = True
        network.cut()
        with pytest.raises(Exception, match="ERR_"):
            await page.reload()


async def test_behind_a_proxy_that_reaches_no_server(site: Site, browser: Browser, tmp_path: Path) -> None:
    """The page read last is there, again and again; for others the proxy has a page. Nothing complains."""
    await site.liveblog("panne", 2)
    async with (
        Proxy(site.server.port) as network,
        nginx(tmp_path, [int(network.url.rpartition(":")[2])]) as port,
        pages(browser) as open_page,
    ):
        url = f"http://127.0.0.1:{port}/live/panne"
        page = await open_page(url, outages=True)
        assert await page.evaluate(CONTROLLED)
        await settles(partial(strings, page, COPIES), ["/live/panne"])
        # Newer than the copy, so that the page wants to make another one.
        published = await site.publish("panne", 2)
        await page.locator(f"#entry-{published['id']}").wait_for()

        network.refuse = True
        network.cut()
        [worker] = page.context.service_workers
        await worker.evaluate(WATCHED)

        async def copies_itself() -> list[int]:
            await page.evaluate(HIDDEN)
            copied: list[int] = await worker.evaluate("() => self.copied")
            return copied[:1]

        # A page that is left makes a new copy: this one tries, and keeps the old one.
        await settles(copies_itself, [502])
        for _ in range(2):
            response = await page.reload()
            assert response is not None
            assert (response.status, response.from_service_worker) == (200, True)
            await page.locator("[data-connection]", has_text="Hors connexion, état de").wait_for()
            assert await strings(page, COPIES) == ["/live/panne"]
        response = await page.goto(f"{url}/entries/{published['id']}")
        assert response is not None
        assert response.status == 502
        await page.locator("h1", has_text="Un instant…").wait_for()

        network.refuse = False
        await page.goto(url)
        await live(page)
        await page.locator(f"#entry-{published['id']}").wait_for()


async def test_alerts_to_key_events(site: Site, browser: Browser) -> None:
    """Asked for by a click and not before; then a key event raises one while the tab is hidden, other entries none."""
    await site.liveblog("alertes", 2)
    async with pages(browser) as open_page:
        page = await open_page(site.url("alertes"))
        await live(page)
        await page.evaluate("""() => {
          window.__raised = []; window.__asked = 0;
          window.Notification = class {
            static permission = "granted";
            static requestPermission() { window.__asked++; return Promise.resolve("granted"); }
            static shown = new Map();
            constructor(title, { body, tag }) {
              Object.assign(this, { title, body, tag });
              // One of the same tag takes the place of the other, which is closed.
              Notification.shown.get(tag)?.close();
              Notification.shown.set(tag, this);
              this.tell();
            }
            close() {
              if (Notification.shown.get(this.tag) === this) Notification.shown.delete(this.tag);
              this.tell();
              queueMicrotask(() => this.onclose?.());
            }
            tell() { window.__raised = [...Notification.shown.values()].map(({ title, body }) => [title, body]); }
          };
          navigator.serviceWorker.getRegistration = () => Promise.resolve(undefined);
        }""")
        await page.locator(".filters summary").click()
        assert await page.evaluate("window.__asked") == 0
        button = page.locator("[data-alerts]")
        await button.click()
        await page.locator("[data-alerts][aria-pressed=true]").wait_for()
        await page.evaluate("""() => {
          Object.defineProperty(document, "visibilityState", {get: () => "hidden", configurable: true});
          document.dispatchEvent(new Event("visibilitychange"));
        }""")
        await site.publish("alertes", 2)
        key_event = await site.publish("alertes", 3, key_event=True)
        raised = await page.wait_for_function("() => window.__raised.length > 0 && window.__raised")
        assert await raised.json_value() == [["Le Tour", "Kilomètre 3"]]
        await site.publish("alertes", 4, key_event=True, verification="claimed", source="un témoin")
        raised = await page.wait_for_function("() => window.__raised.length > 1 && window.__raised[1]")
        assert await raised.json_value() == ["Le Tour", "Affirmation\u00a0: un témoin – Kilomètre 4"]
        await site.newsroom.edit("alertes", key_event["id"], {"heading": "Kilomètre 3,5"})
        await page.wait_for_function("() => window.__raised.some(([, body]) => body === 'Kilomètre 3,5')")
        await site.newsroom.delete("alertes", key_event["id"])
        await page.wait_for_function("() => window.__raised.length === 1 && window.__raised[0][1].endsWith('4')")
