"""The widget on other sites' pages, hostile ones too, while entries are published, edited and deleted."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.hosting import document, hosting, widget
from tests.acceptance.proxy import Proxy
from tests.acceptance.reading import FRAMES, settles, strings

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEADINGS = """() => [...document.querySelectorAll("live-blog")].flatMap(({shadowRoot}) =>
  [...shadowRoot.querySelectorAll(".list article")].map(article => article.querySelector("h3").textContent))"""
SHOWN = """() => {
  const box = document.querySelector("live-blog").getBoundingClientRect();
  const article = document.querySelector("live-blog").shadowRoot.querySelector("article").getBoundingClientRect();
  return box.width > 200 && box.height > 200 && article.height > 30 && article.width > 150;
}"""
OUTSIDE = """() => {
  const page = document.documentElement.cloneNode(true);
  page.querySelectorAll("live-blog").forEach(element => element.replaceChildren());
  return page.outerHTML;
}"""
STORED = """async () => [
  document.cookie, localStorage.length, sessionStorage.length, (await indexedDB.databases()).length,
  (await caches.keys()).length, (await navigator.serviceWorker.getRegistrations()).length,
].map(String)"""
GLOBALS = [
    "Object.prototype.extend = function () { throw new Error('extend'); };",
    "Array.prototype.toJSON = function () { return String(this); };",
    "Array.prototype.reduce = function () { return this[0]; };",
    "Array.prototype.each = Array.prototype.remove = function () { throw new Error('each'); };",
    "String.prototype.strip = function () { throw new Error('strip'); };",
    "Element.prototype.hide = Element.prototype.update = function () { throw new Error('hide'); };",
    "window.$ = window.jQuery = function () { throw new Error('$'); };",
    "window.define = window.require = function () { throw new Error('define'); }; window.define.amd = {};",
    "window.module = {}; window.exports = {}; window.name = 'top'; window.process = { env: {} };",
    "window.Timeline = window.Connection = window.Widget = window.WIDGET = 1;",
]
"""What scripts of an earlier age leave behind."""


def policy(server: str) -> str:
    """What docs/embedding.md asks a partner to allow, and nothing else but the page's own icon."""
    socket = server.replace("http", "ws")
    return (
        f"default-src 'none'; script-src {server}; connect-src {server} {socket}; img-src {server} data:; "
        "base-uri 'none'; form-action 'none'"
    )


async def _lives(page: Page, site: Site, slug: str, ids: list[str]) -> None:
    """It shows what there is, and what becomes of it."""
    read = partial(strings, page, HEADINGS)
    await settles(read, [f"Kilomètre {number}" for number in reversed(range(len(ids)))])
    await page.locator("live-blog").first.scroll_into_view_if_needed()
    assert await page.evaluate(SHOWN)
    await site.publish(slug, 90)
    await site.newsroom.edit(slug, ids[0], {"heading": "Corrigé"})
    await site.newsroom.delete(slug, ids[1])
    await settles(read, ["Kilomètre 90", "Corrigé", *[f"Kilomètre {n}" for n in reversed(range(len(ids) - 2))]])
    assert await page.evaluate(SHOWN)


PAGES: dict[str, dict[str, Any]] = {
    "plain": {},
    "unset": {"head": "<style>* { all: unset; display: block !important }</style>"},
    "important": {
        "head": "<style>* { color: red !important; font: 3px fantasy !important; float: right !important }"
        "html { font-size: 2px } p, h2, h3, a, article, button { display: none !important }</style>"
    },
    "rtl": {"root": 'lang="ar" dir="rtl"'},
    "globals": {"head": f"<script>{''.join(GLOBALS)}</script>"},
    "quirks": {"head": "<base href='https://elsewhere.invalid/deep/'>"},
}


@pytest.mark.parametrize("kind", PAGES)
async def test_on_another_sites_page(site: Site, browser: Browser, kind: str) -> None:
    """From another host and port; the page around stays as it was, and nothing is stored."""
    slug = f"widget-{kind}"
    ids = await site.liveblog(slug, 3)
    async with hosting() as host, pages(browser) as open_page:
        url = host.add(f"/{kind}", document(widget(site.server.url, slug), **PAGES[kind]))
        page = await open_page(url)
        before = await page.evaluate(OUTSIDE)
        await _lives(page, site, slug, ids)
        assert await page.evaluate(OUTSIDE) == before
        if kind != "globals":
            assert await strings(page, STORED) == ["", "0", "0", "0", "0", "0"]
        assert await page.context.cookies() == []


@pytest.mark.parametrize(
    "more",
    ["", "; require-trusted-types-for 'script'; trusted-types 'none'", "; sandbox allow-scripts"],
    ids=["strict", "trusted-types", "no-origin"],
)
async def test_under_a_strict_policy(site: Site, browser: Browser, more: str) -> None:
    """The documented policy is all that it needs: no inline style, no policy of Trusted Types, no origin."""
    slug = f"widget-csp-{len(more)}"
    ids = await site.liveblog(slug, 3)
    async with hosting() as host, pages(browser) as open_page:
        body = document(widget(site.server.url, slug))
        page = await open_page(host.add("/", body, Content_Security_Policy=policy(site.server.url) + more))
        await _lives(page, site, slug, ids)


async def test_two_versions_and_several_elements(site: Site, browser: Browser) -> None:
    """Whichever script comes first serves them all."""
    slugs = ["widget-a", "widget-b"]
    for slug in slugs:
        await site.liveblog(slug, 1)
    async with hosting() as host, pages(browser) as open_page, httpx2.AsyncClient() as http:
        preview = (await http.get(f"{site.server.url}/embed/preview/{slugs[0]}")).text
        pinned = preview.split("/embed/v1-")[1].split(".js")[0]
        scripts = f'<script src="{site.server.url}/embed/v1-{pinned}.js"></script>'
        other = site.server.url.replace("127.0.0.1", "localhost")
        scripts += f'<script async src="{other}/embed/v1.js"></script>'
        body = "".join(widget(site.server.url, slug) for slug in slugs)
        page = await open_page(host.add("/", document(body, head=scripts)))
        read = partial(strings, page, HEADINGS)
        await settles(read, ["Kilomètre 0", "Kilomètre 0"])
        await asyncio.gather(site.publish(slugs[0], 1), site.publish(slugs[1], 2))
        await settles(read, ["Kilomètre 1", "Kilomètre 0", "Kilomètre 2", "Kilomètre 0"])


async def test_a_single_page_application(site: Site, browser: Browser) -> None:
    """Taken out it holds no connection; put in again it catches up, deletions included; moved, it stays."""
    slug = "widget-spa"
    ids = await site.liveblog(slug, 2)
    async with hosting() as host, pages(browser) as open_page, httpx2.AsyncClient() as http:
        page = await open_page(host.add("/", document(widget(site.server.url, slug))))
        read = partial(strings, page, HEADINGS)
        await settles(read, ["Kilomètre 1", "Kilomètre 0"])
        await page.evaluate(
            "() => { const element = document.querySelector('live-blog'); window.kept = element; element.remove(); }"
        )
        await _viewers(http, site, slug, 0)
        await site.newsroom.delete(slug, ids[0])
        await site.publish(slug, 7)
        await page.evaluate("() => document.querySelector('main').prepend(window.kept)")
        await settles(read, ["Kilomètre 7", "Kilomètre 0"])
        await page.evaluate("() => document.body.append(window.kept)")
        await site.publish(slug, 8)
        await settles(read, ["Kilomètre 8", "Kilomètre 7", "Kilomètre 0"])
        other = "widget-spa-2"
        await site.liveblog(other, 1)
        await page.evaluate("src => document.querySelector('live-blog').setAttribute('src', src)", site.url(other))
        await settles(read, ["Kilomètre 0"])
        await _viewers(http, site, slug, 0)


async def _viewers(http: httpx2.AsyncClient, site: Site, slug: str, count: int) -> None:
    async def read() -> int:
        metrics = (await http.get(f"{site.server.url}/metrics")).text
        lines = [
            line for line in metrics.splitlines() if line.startswith("liveserver_viewers{") and f'"{slug}"' in line
        ]
        return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines))

    await settles(read, count)


async def test_fifty_insertions(site: Site, browser: Browser) -> None:
    """None leaves anything behind: no element, no listener, no connection."""
    slug = "widget-fifty"
    await site.liveblog(slug, 5)
    async with hosting() as host, pages(browser) as open_page:
        page = await open_page(host.add("/", document(widget(site.server.url, slug))))
        read = partial(strings, page, HEADINGS)
        devtools = await page.context.new_cdp_session(page)
        counts = []
        for round_ in range(55):
            await settles(read, [f"Kilomètre {number}" for number in reversed(range(5))])
            await page.evaluate(
                """() => {
                  const old = document.querySelector("live-blog");
                  const fresh = document.createElement("live-blog");
                  fresh.setAttribute("src", old.getAttribute("src"));
                  old.replaceWith(fresh);
                }"""
            )
            if round_ in (4, 54):
                await settles(read, [f"Kilomètre {number}" for number in reversed(range(5))])
                await page.evaluate(FRAMES)
                await devtools.send("HeapProfiler.collectGarbage")
                counts.append(await devtools.send("Memory.getDOMCounters"))
        early, late = counts
        # The last ones may still be held by what was under way. Fifty would be thousands of nodes.
        assert late["nodes"] <= early["nodes"] * 3
        assert late["jsEventListeners"] <= early["jsEventListeners"] * 2


async def test_insertion_is_quick(site: Site, browser: Browser) -> None:
    """All that a live blog costs the page's thread until it is shown is less than 50 ms: so is each task of it.

    In the thread's own time, as on a busy machine the clock tells more of the others.
    """
    slug = "widget-quick"
    await site.many(slug, 100)
    async with hosting() as host, pages(browser) as open_page:
        page = await open_page(host.add("/", document(f'<script async src="{site.server.url}/embed/v1.js"></script>')))
        await page.wait_for_function("() => customElements.get('live-blog')")
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

        async def spent() -> float:
            metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
            names = {"ScriptDuration", "LayoutDuration", "RecalcStyleDuration"}
            return sum(float(metric["value"]) for metric in metrics if metric["name"] in names)

        before = await spent()
        await page.evaluate(
            """src => new Promise(resolve => {
              const element = document.createElement("live-blog");
              element.addEventListener("liveblog:update", resolve, { once: true });
              element.setAttribute("src", src);
              document.querySelector("main").append(element);
            }).then(() => undefined)""",
            site.url(slug),
        )
        await page.evaluate(FRAMES)
        assert await page.locator("live-blog article").count() == 20
        assert 0 < await spent() - before < 0.05


async def test_new_entries_wait_for_who_reads_below(site: Site, browser: Browser) -> None:
    """Nothing moves under the reader's eyes; the count brings them to what came."""
    slug = "widget-held"
    ids = await site.liveblog(slug, 8)
    async with hosting() as host, pages(browser) as open_page:
        page = await open_page(host.add("/", document(widget(site.server.url, slug))))
        read = partial(strings, page, HEADINGS)
        before = [f"Kilomètre {number}" for number in reversed(range(8))]
        await settles(read, before)
        line = page.locator(f"#entry-{ids[5]} .entry-body p").first
        await line.evaluate("line => line.scrollIntoView({ block: 'center' })")
        await page.evaluate(FRAMES)
        top = "line => line.getBoundingClientRect().top"
        where = await line.evaluate(top)
        await site.publish(slug, 8)
        await site.publish(slug, 9)
        news = page.get_by_role("button", name="2 nouvelles publications")
        await news.wait_for()
        assert await read() == before
        assert await line.evaluate(top) == pytest.approx(where, abs=1)
        await news.click()
        await settles(read, ["Kilomètre 9", "Kilomètre 8", *before])
        assert await page.locator("live-blog .top").evaluate(top) >= 0


async def test_events_attributes_and_older_entries(site: Site, browser: Browser) -> None:
    """The page hears what happens; a limit bounds the list, and the reader may ask for more."""
    slug = "widget-events"
    await site.liveblog(slug, 5)
    listen = """<script>
      window.heard = [];
      for (const name of ["update", "status"])
        document.addEventListener(`liveblog:${name}`, ({ detail }) => heard.push([name, detail]));
    </script>"""
    async with hosting() as host, pages(browser) as open_page:
        body = widget(site.server.url, slug, limit="2", height="300", theme="dark", lang="en")
        page = await open_page(host.add("/", document(body, head=listen)))
        read = partial(strings, page, HEADINGS)
        await settles(read, ["Kilomètre 4", "Kilomètre 3"])
        await page.wait_for_function("() => heard.some(([name, { status }]) => name === 'status' && status === 'live')")
        made = await site.publish(slug, 5)
        await page.wait_for_function("id => heard.some(([, detail]) => detail.added?.includes(id))", arg=made["id"])
        await settles(read, ["Kilomètre 5", "Kilomètre 4"])
        older = page.get_by_role("button", name="Older entries")
        assert await older.get_attribute("lang") == "en"
        await older.click()
        await settles(read, [f"Kilomètre {number}" for number in (5, 4, 3, 2)])
        await older.click()
        await settles(read, [f"Kilomètre {number}" for number in reversed(range(6))])
        await older.wait_for(state="hidden")
        box = page.locator("live-blog .scroll")
        assert await box.evaluate("list => list.clientHeight <= 300 && list.scrollHeight > 300")


@pytest.mark.parametrize("websocket", [True, False], ids=["websocket", "events"])
async def test_a_partner_that_is_switched_off(site: Site, browser: Browser, websocket: bool) -> None:
    """Its readers see its attribution, confirm a takedown, and have the fallback within five seconds of the switch."""
    slug = f"widget-partner-{websocket}".lower()
    headers = {"Authorization": f"Bearer {await site.server.key('manage')}", "If-Match": "*"}
    async with (
        httpx2.AsyncClient(base_url=site.server.api, headers=headers) as manager,
        hosting() as host,
        Proxy(site.server.port, websocket=websocket) as network,
        pages(browser) as open_page,
    ):
        ids = await site.liveblog(slug, 2)
        given = {
            "name": "Le Phare",
            "origins": [host.url],
            "theme": {"accent": "#123456"},
            "attribution": {"text": "Avec nous", "url": "https://direct.exemple.org/"},
        }
        partner = (await manager.post("/partners", json=given)).json()["id"]
        url = host.add("/", document(widget(network.url, slug, partner=partner)))
        page = await open_page(url, outages=True)
        await settles(lambda: page.evaluate(HEADINGS), ["Kilomètre 1", "Kilomètre 0"])
        assert await page.get_by_role("link", name="Avec nous").is_visible()
        # Live, by whichever transport: its first entry has come.
        await site.publish(slug, 2)
        await settles(lambda: page.evaluate(HEADINGS), ["Kilomètre 2", "Kilomètre 1", "Kilomètre 0"])
        await site.newsroom.take_down(slug, ids[0])
        await settles(lambda: page.evaluate(HEADINGS), ["Kilomètre 2", "Kilomètre 0"])

        async def had() -> list[str]:
            found = (await site.newsroom.takedown(slug, ids[0]))["by_partner"]
            return [str(found[partner]["had"])] if partner in found else []

        await settles(had, ["1"])
        await manager.patch(f"/partners/{partner}", json={"enabled": False})
        async with asyncio.timeout(5):
            await page.get_by_role("link", name="En direct").wait_for(state="visible")
        assert await page.evaluate(HEADINGS) == []
        assert await page.get_by_text("Kilomètre").count() == 0


async def test_what_is_not_there_leaves_the_link(site: Site, browser: Browser) -> None:
    """A live blog that there isn't, an address that is none: the page's own link stays, and the page is told."""
    async with hosting() as host, pages(browser) as open_page:
        body = widget(site.server.url, "rien-du-tout") + f'<live-blog src="{site.server.url}/nulle-part"></live-blog>'
        listen = """<script>window.ended = 0;
          addEventListener("liveblog:status", ({ detail }) => { ended += detail.status === "closed"; });</script>"""
        page = await open_page(host.add("/", document(body, head=listen)), outages=True)
        await page.wait_for_function("() => ended === 2")
        assert await page.get_by_role("link", name="En direct").is_visible()
