"""The widget on hostile pages of another origin. On each entries come, change and go, and it is switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.hosting import document, hosting, widget
from tests.acceptance.reading import FRAMES, settles, strings
from tests.acceptance.widgets import LEFT, ends, kilometres, lives, shows

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

OUTSIDE = """() => {
  const page = document.documentElement.cloneNode(true);
  page.querySelectorAll("live-blog").forEach(element => element.replaceChildren());
  return page.outerHTML;
}"""
STORED = """async () => [
  document.cookie, localStorage.length, sessionStorage.length, (await indexedDB.databases()).length,
  (await caches.keys()).length, (await navigator.serviceWorker.getRegistrations()).length,
].map(String)"""
REPLACE = """async statuses => {
  window.replaced ??= [];
  for (const status of statuses) {
    const old = document.querySelector("live-blog");
    const copy = old.cloneNode(true);
    const reached = new Promise(resolve => copy.addEventListener("liveblog:status", ({ detail }) => {
      if (detail.status === status) resolve();
    }));
    old.replaceWith(copy);
    window.replaced.push(new WeakRef(old));
    await reached;
  }
}"""
"""Replaces the element by a copy again and again: each time as soon as the one before has reached its status."""
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
"""Leftovers of scripts of an earlier age."""


def policy(server: str) -> str:
    """The policy that docs/embedding.md asks a partner for, and nothing else but the page's own icon."""
    socket = server.replace("http", "ws")
    return (
        f"default-src 'none'; script-src {server}; connect-src {server} {socket}; img-src {server} data:; "
        "base-uri 'none'; form-action 'none'"
    )


PAGES: dict[str, dict[str, Any]] = {
    "plain": {},
    "unset": {"head": "<style>* { all: unset; display: block !important }</style>"},
    "important": {
        "head": "<style>* { color: red !important; font: 3px fantasy !important; float: right !important }"
        "html { font-size: 2px } p, h2, h3, a, article, button { display: none !important }</style>"
    },
    "rtl": {"root": 'lang="ar" dir="rtl"'},
    "globals": {"head": f"<script>{''.join(GLOBALS)}</script>"},
    "base": {"head": "<base href='https://elsewhere.invalid/deep/'>"},
}


@pytest.mark.parametrize("kind", PAGES)
async def test_on_another_sites_page(site: Site, browser: Browser, kind: str) -> None:
    """From another host and port; the page around stays as it was, and nothing is stored."""
    slug = f"widget-{kind}"
    ids = await site.liveblog(slug, 3)
    async with hosting() as host, pages(browser) as open_page:
        partner = await site.partner(origins=[host.url])
        body = widget(site.server.url, slug, partner=partner)
        page = await open_page(host.add(f"/{kind}", document(body, **PAGES[kind])), outages=True)
        before = await page.evaluate(OUTSIDE)
        await lives(page, site, slug, ids)
        await ends(page, site, partner)
        # Such a page hides its own links too.
        assert await page.get_by_role("link", name="En direct").is_visible() == (kind != "important")
        assert await page.evaluate(OUTSIDE) == before
        if kind != "globals":
            assert await strings(page, STORED) == ["", "0", "0", "0", "0", "0"]
        assert await page.context.cookies() == []


@pytest.mark.parametrize(
    ("more", "origin"),
    [
        ("", ""),
        ("; require-trusted-types-for 'script'; trusted-types 'none'", ""),
        ("; sandbox allow-scripts", "null"),
    ],
    ids=["strict", "trusted-types", "no-origin"],
)
async def test_under_a_strict_policy(site: Site, browser: Browser, more: str, origin: str) -> None:
    """The documented policy is all that it needs: no inline style, no policy of Trusted Types, no origin."""
    slug = f"widget-csp-{len(more)}"
    ids = await site.liveblog(slug, 3)
    async with hosting() as host, pages(browser) as open_page:
        partner = await site.partner(origins=[origin or host.url], theme={"accent": "#123456"})
        body = document(widget(site.server.url, slug, partner=partner))
        url = host.add("/", body, Content_Security_Policy=policy(site.server.url) + more)
        page = await open_page(url, outages=True)
        await lives(page, site, slug, ids)
        await ends(page, site, partner)
        assert await page.get_by_role("link", name="En direct").is_visible()


async def test_two_versions_and_several_elements(site: Site, browser: Browser) -> None:
    """Whichever script comes first serves them all."""
    slugs = ["widget-a", "widget-b"]
    ids = {slug: await site.liveblog(slug, 2) for slug in slugs}
    async with hosting() as host, pages(browser) as open_page, httpx2.AsyncClient() as http:
        partner = await site.partner(origins=[host.url], liveblogs=slugs)
        preview = (await http.get(f"{site.server.url}/embed/preview/{slugs[0]}")).text
        pinned = preview.split("/embed/v1-")[1].split(".js")[0]
        scripts = f'<script src="{site.server.url}/embed/v1-{pinned}.js"></script>'
        other = site.server.url.replace("127.0.0.1", "localhost")
        scripts += f'<script async src="{other}/embed/v1.js"></script>'
        body = "".join(widget(site.server.url, slug, partner=partner) for slug in slugs)
        page = await open_page(host.add("/", document(body, head=scripts)), outages=True)
        await shows(page, kilometres(1, 0, 1, 0))
        for number, slug in enumerate(slugs, 5):
            await site.publish(slug, number)
            await site.newsroom.edit(slug, ids[slug][0], {"heading": f"Corrigé {number}"})
            await site.newsroom.delete(slug, ids[slug][1])
        await shows(page, ["Kilomètre 5", "Corrigé 5", "Kilomètre 6", "Corrigé 6"])
        await ends(page, site, partner, widgets=2)


async def test_a_single_page_application(site: Site, browser: Browser) -> None:
    """Taken out it holds no connection; put in again it catches up, deletions included; moved, it stays.

    Switched off while it is out, it comes back as the page's own link.
    """
    slug = "widget-spa"
    ids = await site.liveblog(slug, 3)
    async with hosting() as host, pages(browser) as open_page, httpx2.AsyncClient() as http:
        partner = await site.partner(origins=[host.url])
        url = host.add("/", document(widget(site.server.url, slug, partner=partner)))
        page = await open_page(url, outages=True)
        await shows(page, kilometres(2, 1, 0))
        take_out = "() => { window.kept = document.querySelector('live-blog'); window.kept.remove(); }"
        await page.evaluate(take_out)
        await _viewers(http, site, slug, 0)
        await site.newsroom.delete(slug, ids[0])
        await site.newsroom.edit(slug, ids[1], {"heading": "Corrigé"})
        await site.publish(slug, 7)
        await page.evaluate("() => document.querySelector('main').prepend(window.kept)")
        await shows(page, ["Kilomètre 7", "Corrigé", "Kilomètre 0"])
        await page.evaluate("() => document.body.append(window.kept)")
        await site.publish(slug, 8)
        await shows(page, ["Kilomètre 8", "Kilomètre 7", "Corrigé", "Kilomètre 0"])
        other = "widget-spa-2"
        await site.liveblog(other, 1)
        await page.evaluate("src => document.querySelector('live-blog').setAttribute('src', src)", site.url(other))
        await shows(page, kilometres(0))
        await _viewers(http, site, slug, 0)
        await page.evaluate(take_out)
        await _viewers(http, site, other, 0)
        await site.set_partner(partner, enabled=False)
        await page.evaluate("() => document.querySelector('main').prepend(window.kept)")
        await settles(lambda: strings(page, LEFT), ["0 En direct"])


async def _viewers(http: httpx2.AsyncClient, site: Site, slug: str, count: int) -> None:
    async def read() -> int:
        metrics = (await http.get(f"{site.server.url}/metrics")).text
        lines = [
            line for line in metrics.splitlines() if line.startswith("liveserver_viewers{") and f'"{slug}"' in line
        ]
        return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines))

    await settles(read, count)


async def test_fifty_insertions(site: Site, browser: Browser) -> None:
    """None leaves anything behind: no element, no listener, no connection. The last lives as the first did."""
    slug = "widget-fifty"
    ids = await site.liveblog(slug, 5)
    async with hosting() as host, pages(browser) as open_page:
        partner = await site.partner(origins=[host.url])
        url = host.add("/", document(widget(site.server.url, slug, partner=partner)))
        page = await open_page(url, outages=True)
        devtools = await page.context.new_cdp_session(page)

        async def kept() -> dict[str, int]:
            await shows(page, kilometres(4, 3, 2, 1, 0))
            await page.evaluate(FRAMES)
            await devtools.send("HeapProfiler.collectGarbage")
            counters: dict[str, int] = await devtools.send("Memory.getDOMCounters")
            return counters

        await page.evaluate(REPLACE, ["live"] * 5)
        early = await kept()
        await page.evaluate(REPLACE, ["connecting", "live"] * 25)
        late = await kept()
        # The browser counts odds and ends of its own too; what each one left would be fifty or more.
        assert late["nodes"] < early["nodes"] + 50
        assert late["jsEventListeners"] <= early["jsEventListeners"] * 2
        assert await page.evaluate("() => window.replaced.flatMap((old, at) => old.deref() ? [at] : [])") == []
        await lives(page, site, slug, ids)
        await ends(page, site, partner)
