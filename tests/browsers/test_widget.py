"""The widget on another site's page, and in frames there, in engines other than the one that all other tests run in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.acceptance.hosting import document, hosting, widget
from tests.acceptance.proxy import Proxy
from tests.acceptance.reading import FRAMES
from tests.acceptance.test_widget_frames import PARENT, SECRET
from tests.acceptance.test_widget_hostile import PAGES, STORED, policy
from tests.acceptance.widgets import HEADINGS, LEFT, SHOWN, SWITCH_SECONDS, kilometres

if TYPE_CHECKING:
    from tests.acceptance.site import Site
    from tests.browsers.engine import Tab, Windows

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORD = "Diffamation"
SAID = """word => [document.documentElement, ...[...document.querySelectorAll("live-blog")].map(
  ({ shadowRoot }) => shadowRoot)].some((root) => root.innerHTML.includes(word))"""
"""Whether the word is anywhere in the page or its widgets, seen or not."""
CENTRE = "selector => document.querySelector('live-blog').shadowRoot.querySelector(selector).scrollIntoView()"
TOP = "selector => document.querySelector('live-blog').shadowRoot.querySelector(selector).getBoundingClientRect().top"
HEIGHT = "() => document.querySelector('iframe').offsetHeight"


async def _lives(tab: Tab, site: Site, slug: str, ids: list[str]) -> None:
    """It shows what there is, and what becomes of it: an entry is published, one is edited, one is deleted."""
    await tab.comes(HEADINGS, kilometres(*reversed(range(len(ids)))))
    await site.publish(slug, 90, heading=WORD)
    await site.newsroom.edit(slug, ids[0], {"heading": "Corrigé"})
    await site.newsroom.delete(slug, ids[1])
    await tab.comes(HEADINGS, [WORD, "Corrigé", *kilometres(*reversed(range(len(ids) - 2)))])
    doomed = (await site.newsroom.snapshot(slug))["entries"][0]["id"]
    await site.newsroom.delete(slug, doomed)
    await tab.comes(HEADINGS, ["Corrigé", *kilometres(*reversed(range(len(ids) - 2)))])
    await tab.comes(SAID, expected=False, arg=WORD)


@pytest.mark.parametrize("kind", ["plain", "unset", "important"])
async def test_on_another_sites_page(site: Site, windows: Windows, kind: str) -> None:
    """It lives, has its own clothes, keeps nothing; its partner switched off, the page's own link is in its place."""
    slug = f"moteur-widget-{kind}"
    ids = await site.liveblog(slug, 3)
    async with hosting() as host, windows.tabs(outages=True) as open_tab:
        partner = await site.partner(origins=[host.url])
        tab = await open_tab(host.add("/", document(widget(site.server.url, slug, partner=partner), **PAGES[kind])))
        await _lives(tab, site, slug, ids)
        assert await tab.evaluate(SHOWN)
        assert await tab.evaluate(STORED) == ["", "0", "0", "0", "0", "0"]
        async with asyncio.timeout(SWITCH_SECONDS):
            await site.set_partner(partner, enabled=False)
            await tab.comes(LEFT, ["0 En direct"])


async def test_under_a_strict_policy(site: Site, windows: Windows) -> None:
    """The policy that docs/embedding.md asks a partner for is enough."""
    slug = "moteur-widget-strict"
    ids = await site.liveblog(slug, 3)
    async with hosting() as host, windows.tabs() as open_tab:
        rules = f"{policy(site.server.url)}; require-trusted-types-for 'script'; trusted-types liveserver"
        tab = await open_tab(host.add("/", document(widget(site.server.url, slug)), Content_Security_Policy=rules))
        await _lives(tab, site, slug, ids)
        assert await tab.evaluate(SHOWN)


async def test_new_entries_wait_for_a_reader_further_down(site: Site, windows: Windows) -> None:
    """Nothing moves under the reader's eyes; the count brings them to what came."""
    slug = "moteur-widget-lecture"
    ids = await site.liveblog(slug, 8)
    before = kilometres(*reversed(range(8)))
    line = f"#entry-{ids[5]} .entry-body p"
    async with hosting() as host, windows.tabs() as open_tab:
        tab = await open_tab(host.add("/", document(widget(site.server.url, slug))))
        await tab.comes(HEADINGS, before)
        await tab.evaluate(CENTRE, line)
        await tab.evaluate(FRAMES)
        where = await tab.evaluate(TOP, line)
        await site.publish(slug, 8)
        await site.publish(slug, 9)
        await tab.says("live-blog >>> .news", "2 nouvelles publications")
        assert await tab.evaluate(HEADINGS) == before
        assert await tab.evaluate(TOP, line) == pytest.approx(where, abs=1)
        await tab.click("live-blog >>> .news")
        await tab.comes(HEADINGS, [*kilometres(9, 8), *before])


async def test_attributes_and_older_entries(site: Site, windows: Windows) -> None:
    """A limit bounds the list, and the reader may ask for more; a height, a theme and a language are heeded."""
    slug = "moteur-widget-attributs"
    await site.liveblog(slug, 3)
    look = """() => {
      const box = getComputedStyle(document.querySelector("live-blog").shadowRoot.querySelector(".lv"));
      return [box.colorScheme, Math.max(...box.backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)) < 64];
    }"""
    async with hosting() as host, windows.tabs() as open_tab:
        body = widget(site.server.url, slug, limit="2", height="300", theme="dark", lang="en")
        tab = await open_tab(host.add("/", document(body)))
        await tab.comes(HEADINGS, kilometres(2, 1))
        assert await tab.evaluate(look) == ["dark", True]
        await tab.says("live-blog >>> .older", "Older entries")
        await tab.click("live-blog >>> .older")
        await tab.comes(HEADINGS, kilometres(2, 1, 0))
        await tab.goes("live-blog >>> .older")
        scrolls = """() => {
          const list = document.querySelector("live-blog").shadowRoot.querySelector(".scroll");
          return list.clientHeight <= 300 && list.scrollHeight > 300;
        }"""
        assert await tab.evaluate(scrolls)


async def test_on_a_phone(site: Site, windows: Windows) -> None:
    """320 pixels wide, nothing has to be scrolled sideways; two widgets on a page each have their own entries."""
    slug = "moteur-widget-telephone"
    await site.liveblog(slug, 2, title="Anticonstitutionnellement, le direct du Tour")
    async with hosting() as host, windows.tabs() as open_tab:
        tab = await open_tab(host.add("/", document(widget(site.server.url, slug) * 2)))
        await tab.resize(320, 600)
        await tab.comes(HEADINGS, kilometres(1, 0, 1, 0))
        assert await tab.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("websocket", [True, False], ids=["websocket", "events"])
async def test_comes_back_after_the_network_was_cut(site: Site, windows: Windows, websocket: bool) -> None:
    """It connects again by itself, by either transport, and has what was published meanwhile, once."""
    slug = f"moteur-widget-coupure-{websocket}".lower()
    await site.liveblog(slug, 1)
    async with (
        hosting() as host,
        Proxy(site.server.port, websocket=websocket) as network,
        windows.tabs(outages=True) as open_tab,
    ):
        tab = await open_tab(host.add("/", document(widget(network.url, slug))))
        await tab.comes(HEADINGS, kilometres(0))
        await site.publish(slug, 1)
        await tab.comes(HEADINGS, kilometres(1, 0))
        network.answers.clear()
        await site.publish(slug, 2)
        network.cut()
        network.answers.set()
        await tab.comes(HEADINGS, kilometres(2, 1, 0))


async def test_a_frame_of_a_partners(site: Site, windows: Windows) -> None:
    """It lives, and `v1.js` gives it its height; a message from anywhere else gives it none."""
    slug = "moteur-cadre"
    ids = await site.liveblog(slug, 3)
    server = site.server.url
    body = (
        f'<script async src="{server}/embed/v1.js"></script>'
        f'<iframe src="{server}/embed/{slug}" title="En direct" style="border:0;width:100%"></iframe>'
    )
    async with hosting() as host, windows.tabs() as open_tab:
        tab = await open_tab(host.add("/", document(body)))
        inside = await tab.frame()
        await _lives(inside, site, slug, ids)
        await tab.evaluate("() => { postMessage({ type: 'liveblog:height', height: 3333 }, '*'); }")
        await tab.evaluate("() => new Promise(resolve => setTimeout(resolve))")
        before = await tab.evaluate(HEIGHT)
        assert before < 3_000
        await site.publish(slug, 91, body="<p>Le peloton roule groupé.</p>" * 60)
        await tab.comes("before => document.querySelector('iframe').offsetHeight > before + 1000", arg=before)
        await inside.comes("() => document.documentElement.scrollHeight <= innerHeight + 1")


async def test_a_sandboxed_frame(site: Site, windows: Windows) -> None:
    """As WordPress makes it of an oEmbed answer: without an origin, it lives and sizes itself."""
    slug = "moteur-wordpress"
    ids = await site.liveblog(slug, 3)
    body = (
        '<iframe class="wp-embedded-content" sandbox="allow-scripts" title="En direct" width="100%" '
        f'data-secret="{SECRET}" src="{site.server.url}/embed/{slug}#?secret={SECRET}"></iframe>'
    )
    async with hosting() as host, windows.tabs() as open_tab:
        tab = await open_tab(host.add("/", document(body, head=f"<script>{PARENT}</script>")))
        await _lives(await tab.frame(), site, slug, ids)
        await tab.comes("() => document.querySelector('iframe').offsetHeight >= 200")


async def test_a_fragment(site: Site, windows: Windows) -> None:
    """In a partner's page it is content that comes alive; what is deleted leaves it."""
    slug = "moteur-fragment"
    ids = await site.liveblog(slug, 3)
    async with hosting() as host, windows.tabs() as open_tab, httpx2.AsyncClient() as http:
        html = (await http.get(f"{site.server.url}/embed/{slug}/fragment")).text
        tab = await open_tab(host.add("/", document(html)))
        await tab.appears("live-blog >>> .list h3")
        await _lives(tab, site, slug, ids)


async def test_the_preview(site: Site, windows: Windows) -> None:
    """Each choice made beside the widget is done to it."""
    slug = "moteur-essai"
    ids = await site.liveblog(slug, 3)
    async with windows.tabs() as open_tab:
        tab = await open_tab(f"{site.server.url}/embed/preview/{slug}")
        await _lives(tab, site, slug, ids)
        await tab.evaluate("""() => {
          const theme = document.querySelector("[name=theme]");
          theme.value = "dark";
          theme.dispatchEvent(new Event("input", {bubbles: true}));
        }""")
        scheme = "() => document.querySelector('live-blog').shadowRoot.querySelector('.lv').dataset.scheme"
        await tab.comes(scheme, "dark")
        assert 'theme="dark"' in await tab.evaluate("() => document.querySelector('[name=line]').value")
