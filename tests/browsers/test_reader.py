"""The reader's page in engines other than the one that all other tests run in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from liveserver.client import Client
from tests.acceptance.proxy import Proxy
from tests.acceptance.reading import FRAMES, IDS, ONE_PIXEL, SOURCES
from tests.acceptance.serving import serving
from tests.acceptance.site import Site
from tests.acceptance.test_coming_back import AWAY, CONTROLLED, COPIES, HIDDEN
from tests.acceptance.test_permalinks import LANDING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browsers.engine import Tab, Windows

pytestmark = pytest.mark.asyncio(loop_scope="session")

TAB, ENTER = "\ue004", "\ue007"
WORD = "Diffamation"
DOCUMENT = "word => (document.title + document.documentElement.outerHTML).includes(word)"
"""Whether the word is anywhere, seen or not."""
TOP = "id => document.querySelector(`#entry-${id} .entry-body p`).getBoundingClientRect().top"
CENTRE = "id => document.querySelector(`#entry-${id} .entry-body p`).scrollIntoView({block: 'center'})"
MARK = "() => { window.mark = true; }"
MARKED = "() => window.mark === true"
KEY_EVENTS = "() => [...document.querySelectorAll('[data-key-events] li span')].map(line => line.textContent)"
SIDEWAYS = "() => document.documentElement.scrollWidth - innerWidth"
"""How many pixels have to be scrolled sideways."""


async def _listed(tab: Tab, ids: list[str]) -> None:
    """Return once the page lists these entries, from top to bottom."""
    await tab.comes(IDS, ids)


async def test_what_comes_live(site: Site, windows: Windows) -> None:
    """Entries, edits, pins, key events and deletions; at last the page is to the byte what a fresh one is."""
    slug = "moteur-direct"
    ids = await site.liveblog(slug, 4)
    async with windows.tabs() as open_tab:
        tab = await open_tab(site.url(slug))
        await tab.live()
        await tab.evaluate(MARK)
        new = await site.publish(slug, 4, key_event=True, tags=["route"], authors=["Anne Lagrange"])
        await _listed(tab, [new["id"], *ids])
        await tab.comes(KEY_EVENTS, ["Kilomètre 4"])
        await site.newsroom.edit(slug, ids[1], {"heading": "Corrigé", "verification": "denied", "source": "la course"})
        await tab.says(f"#entry-{ids[1]} .label", "Démenti")
        await tab.says(f"#entry-{ids[1]} .entry-heading", "Corrigé")
        await site.newsroom.edit(slug, ids[2], {"pinned": True})
        await tab.appears(f"[data-list=pinned] #entry-{ids[2]}")
        await site.newsroom.delete(slug, ids[0])
        await _listed(tab, [new["id"], ids[1], ids[3]])
        await site.newsroom.edit(slug, new["id"], {"key_event": False})
        await tab.comes(KEY_EVENTS, [])
        fresh = await open_tab(site.url(slug))
        assert await tab.evaluate(SOURCES) == await fresh.evaluate(SOURCES)
        assert await tab.evaluate(MARKED), "the page was loaded anew"


async def test_deletion_leaves_no_words(site: Site, windows: Windows) -> None:
    """Neither on the page, in either order, nor on the permalink of another entry, nor on its own."""
    slug = "moteur-retrait"
    ids = await site.liveblog(slug, 2)
    doomed = (await site.publish(slug, 2, heading=f"{WORD}, le titre", key_event=True, tags=["affaire"]))["id"]
    url = site.url(slug)
    async with windows.tabs() as open_tab:
        opened = [
            await open_tab(url + path) for path in ("", "?order=oldest", f"/entries/{ids[0]}", f"/entries/{doomed}")
        ]
        for tab in opened:
            await tab.live()
            assert await tab.evaluate(DOCUMENT, WORD)
        await site.newsroom.delete(slug, doomed)
        for tab in opened:
            await tab.comes(DOCUMENT, expected=False, arg=WORD)


async def test_a_permalink_opens_at_its_entry(site: Site, windows: Windows) -> None:
    """In the window, with the focus; and the list goes on from there on both sides."""
    slug = "moteur-lien"
    ids = await site.liveblog(slug, 45)
    async with windows.reading(f"{site.url(slug)}/entries/{ids[22]}") as tab:
        await tab.evaluate(FRAMES)
        distance, focused = await tab.evaluate(LANDING)
        assert distance > -ONE_PIXEL
        assert await tab.evaluate(
            "() => document.querySelector('.focus').getBoundingClientRect().bottom <= innerHeight"
        )
        assert focused
        for side in ("newer", "older"):
            while await tab.evaluate(f"() => !document.querySelector('a[data-{side}]').parentElement.hidden"):
                before = await tab.evaluate(f"() => ({IDS})().length")
                await tab.click(f"a[data-{side}]")
                await tab.comes(f"before => ({IDS})().length > before", arg=before)
        await _listed(tab, ids)


async def test_older_entries_in_place(site: Site, windows: Windows) -> None:
    """Asked for with the mouse, they come into the same page, until none is left."""
    slug = "moteur-suite"
    ids = await site.liveblog(slug, 45)
    async with windows.reading(site.url(slug)) as tab:
        await tab.evaluate(MARK)
        for shown in (40, 45):
            await tab.click("a[data-older]")
            await _listed(tab, ids[:shown])
        await tab.goes("a[data-older]")
        assert await tab.evaluate(MARKED), "the page was loaded anew"


async def test_what_is_being_read_stays_where_it_is(site: Site, windows: Windows) -> None:
    """While entries come above it, and one there grows; a button counts them, and leads to them."""
    slug = "moteur-lecture"
    ids = await site.liveblog(slug, 20)
    async with windows.reading(site.url(slug)) as tab:
        await tab.evaluate(CENTRE, ids[8])
        before = await tab.evaluate(TOP, ids[8])
        for count in (1, 2):
            await site.publish(slug, 20 + count)
            await tab.says("[data-news]", f"{count} nouvelle")
            assert await tab.evaluate(TOP, ids[8]) == pytest.approx(before, abs=ONE_PIXEL)
        await site.newsroom.edit(slug, ids[2], {"body": "<p>Une chute.</p>" * 12})
        await tab.comes(f"() => document.querySelectorAll('#entry-{ids[2]} .entry-body p').length", 12)
        assert await tab.evaluate(TOP, ids[8]) == pytest.approx(before, abs=ONE_PIXEL)
        assert await tab.evaluate("() => document.title") == "(2) Le Tour"
        await tab.click("[data-news]")
        await tab.goes("[data-news]")
        await tab.comes("() => document.title", "Le Tour")


async def test_the_card_of_a_correction(site: Site, windows: Windows) -> None:
    """To a reader who had the entry before their eyes; it stays until it is closed."""
    slug = "moteur-corrige"
    ids = await site.liveblog(slug, 3)
    async with windows.reading(site.url(slug)) as tab:
        await tab.evaluate(FRAMES)
        await site.newsroom.edit(slug, ids[0], {"correction": "C’était le peloton."})
        await tab.says("[data-notice=corrected]", "Kilomètre 2 – C’était le peloton.")
        await tab.says(f"#entry-{ids[0]} .corrections", "C’était le peloton.")
        await tab.click("[data-notice=corrected] .close")
        await tab.comes("() => document.querySelector('[data-notice]') === null")


async def test_the_card_of_what_came_since(site: Site, windows: Windows) -> None:
    """Three days later: how many entries, which key events, and a way to read them in their order."""
    slug = "moteur-retour"
    await site.liveblog(slug, 3)
    async with windows.reading(site.url(slug)) as tab:
        await tab.goto(f"{site.server.url}/")
        await tab.evaluate(AWAY, slug)
        first = await site.publish(slug, 3)
        await site.publish(slug, 4, key_event=True)
        await tab.goto(site.url(slug))
        await tab.says("[data-notice=since]", "2 nouvelles publications, 1 moment clé")
        await tab.says("[data-notice=since] li", "Kilomètre 4")
        await tab.click("[data-notice=since] a.button")
        await tab.comes("() => document.querySelector('article.focus')?.dataset.id ?? null", first["id"])


async def test_alerts(site: Site, windows: Windows) -> None:
    """Asked for by a click and not before; then a key event raises one while the tab is hidden, others none."""
    slug = "moteur-alertes"
    await site.liveblog(slug, 1)
    async with windows.reading(site.url(slug)) as tab:
        await tab.evaluate("""() => {
          window.raised = []; window.asked = 0;
          window.Notification = class {
            static permission = "granted";
            static requestPermission() { window.asked++; return Promise.resolve("granted"); }
            constructor(title, options) { window.raised.push([title, options.body]); }
          };
          navigator.serviceWorker.getRegistration = () => Promise.resolve(undefined);
        }""")
        await tab.click(".filters summary")
        assert await tab.evaluate("() => window.asked") == 0
        await tab.click("[data-alerts]")
        await tab.appears("[data-alerts][aria-pressed=true]")
        await tab.evaluate(HIDDEN)
        await site.publish(slug, 1)
        await site.publish(slug, 2, key_event=True)
        await tab.comes("() => window.raised", [["Le Tour", "Kilomètre 2"]])


async def test_sharing_without_a_share_sheet(site: Site, windows: Windows) -> None:
    """The link is copied, and that is said; where the browser refuses, that is said.

    The code for that is there before the click: WebKit allows nothing to a click that has waited for it.
    """
    slug = "moteur-partage"
    ids = await site.liveblog(slug, 2)
    async with windows.reading(site.url(slug)) as tab:
        await tab.evaluate("() => { delete Navigator.prototype.share; }")
        await tab.comes("() => performance.getEntriesByType('resource').some(({name}) => name.includes('deferred'))")
        await tab.click(f"#entry-{ids[0]} [data-share]")
        await tab.says(".card.brief", "Lien copié")
        await tab.evaluate("""() => {
          document.querySelector(".card.brief").remove();
          navigator.clipboard.writeText = () => Promise.reject(new DOMException("no", "NotAllowedError"));
        }""")
        await tab.click(f"#entry-{ids[0]} [data-share]")
        await tab.says(".card.brief", "n’a pas pu être copié")


async def test_the_keyboard(site: Site, windows: Windows) -> None:
    """The first key leads to a link past the masthead, which leads there."""
    slug = "moteur-clavier"
    await site.liveblog(slug, 3)
    async with windows.reading(site.url(slug)) as tab:
        await tab.press(TAB)
        await tab.comes("() => document.activeElement.className", "skip")
        outline = "() => parseFloat(getComputedStyle(document.activeElement).outlineWidth)"
        assert await tab.evaluate(outline) >= 2
        await tab.press(ENTER)
        await tab.comes("() => location.hash + document.activeElement.id", "#entriesentries")


async def test_oldest_first_is_remembered(site: Site, windows: Windows) -> None:
    """Until the reader chooses otherwise; a click on a page that was linked in that order chooses nothing."""
    slug = "moteur-ordre"
    ids = await site.liveblog(slug, 3)
    async with windows.reading(site.url(slug)) as tab:
        await tab.goto(f"{site.url(slug)}?order=oldest")
        await tab.live()
        await tab.click(".filters summary")
        await tab.appears("[data-alerts]")
        await tab.goto(site.url(slug))
        await _listed(tab, ids)
        await tab.click("a[data-order=oldest]")
        await _listed(tab, ids[::-1])
        await tab.goto(f"{site.server.url}/")
        await tab.goto(site.url(slug))
        await _listed(tab, ids[::-1])
        await tab.click("a[data-order=newest]")
        await _listed(tab, ids)


async def test_a_filter(site: Site, windows: Windows) -> None:
    """A claim's label leads to what it means and to its like; what stops being of that kind leaves the list."""
    slug = "moteur-filtre"
    ids = await site.liveblog(slug, 3)
    await site.newsroom.edit(slug, ids[1], {"verification": "denied", "source": "la course"})
    async with windows.reading(site.url(slug)) as tab:
        await tab.click(f"#entry-{ids[1]} .label a")
        await tab.says(".only", "s’est révélé faux")
        await tab.live()
        await _listed(tab, [ids[1]])
        await site.newsroom.edit(slug, ids[1], {"verification": "confirmed"})
        await tab.appears("[data-empty]")


async def test_an_embed_asks_first(site: Site, windows: Windows) -> None:
    """A click brings the offer, and no frame yet."""
    slug = "moteur-video"
    await site.liveblog(slug, 0)
    await site.newsroom.publish(slug, {"body": "<p>https://youtu.be/dQw4w9WgXcQ</p>"})
    async with windows.reading(site.url(slug)) as tab:
        await tab.click(".embed-link")
        await tab.says(".embed-offer", "YouTube")
        await tab.appears(".embed-offer button")
        assert await tab.evaluate("() => document.querySelector('iframe') === null")


async def test_pictures(site: Site, windows: Windows) -> None:
    """Those that are there and those that come live can be seen."""
    slug = "moteur-images"
    await site.liveblog(slug, 0)
    await site.newsroom.publish(slug, {"body": await site.picture("Quatre quartiers")})
    shown = """() => Promise.all([...document.querySelectorAll("article img")].map(picture => {
      picture.loading = "eager";
      return picture.decode().then(() => picture.naturalWidth > 0);
    }))"""
    async with windows.reading(site.url(slug)) as tab:
        await tab.comes(shown, [True])
        await site.newsroom.publish(slug, {"body": await site.picture("Une arrivée")})
        await tab.comes(shown, [True, True])


async def test_other_pages(site: Site, windows: Windows) -> None:
    """The list, a list by tag, the API's description: there, and without a complaint."""
    slug = "moteur-pages"
    await site.liveblog(slug, 1)
    await site.publish(slug, 1, tags=["route"])
    async with windows.tabs() as open_tab:
        tab = await open_tab(f"{site.server.url}/")
        await tab.appears("h1")
        for path, there in ((f"/live/{slug}?tag=route", "article"), ("/docs", "#swagger-ui .opblock")):
            await tab.goto(site.server.url + path)
            await tab.appears(there)


@pytest.mark.parametrize("forced", [False, True])
async def test_dark_and_forced_colours(site: Site, windows: Windows, forced: bool) -> None:
    """All that is said can be told from what is behind it, labels and buttons too."""
    slug = f"moteur-couleurs-{forced}".lower()
    ids = await site.liveblog(slug, 2)
    await site.newsroom.edit(slug, ids[0], {"verification": "unverified", "source": "un témoin", "key_event": True})
    contrasts = """() => {
      const light = (colour) => {
        const [red, green, blue, alpha = 1] = colour.match(/[\\d.]+/g).map(Number);
        return {alpha, value: 0.2126 * red + 0.7152 * green + 0.0722 * blue};
      };
      const behind = (element) => {
        const {alpha, value} = light(getComputedStyle(element).backgroundColor);
        return alpha === 1 ? value : element.parentElement ? behind(element.parentElement) : 255;
      };
      const said = [...document.querySelectorAll("h1, h3, p, a, button, .label, time")].filter(
        element => element.checkVisibility({visibilityProperty: true}) && element.textContent.trim());
      return Object.fromEntries(said.map(element => [element.outerHTML.slice(0, 80),
        Math.abs(light(getComputedStyle(element).color).value - behind(element))]).filter(([, by]) => by < 60));
    }"""
    await windows.engine.prefer(dark=not forced, forced=forced)
    try:
        async with windows.reading(site.url(slug)) as tab:
            media = "(forced-colors: active)" if forced else "(prefers-color-scheme: dark)"
            assert await tab.evaluate("media => matchMedia(media).matches", media)
            assert await tab.evaluate(contrasts) == {}
    finally:
        await windows.engine.prefer()


async def test_a_phone(site: Site, windows: Windows) -> None:
    """320 pixels wide: nothing has to be scrolled sideways, whatever page it is."""
    slug = "moteur-telephone"
    ids = await site.liveblog(slug, 25, title="Anticonstitutionnellement, le direct du Tour")
    await site.newsroom.edit(slug, ids[0], {"verification": "claimed", "source": "Anticonstitutionnellement" * 3})
    async with windows.tabs() as open_tab:
        tab = await open_tab(site.url(slug))
        await tab.resize(320, 600)
        for path in ("", "?order=oldest", f"/entries/{ids[0]}", "?verification=claimed"):
            await tab.goto(site.url(slug) + path)
            await tab.live()
            await tab.click(".filters summary") if "/" not in path else None
            assert await tab.evaluate(SIDEWAYS) <= 0, path


async def test_back_to_a_page(site: Site, windows: Windows) -> None:
    """Whether the browser kept it or reads it anew, it has what came meanwhile, once."""
    slug = "moteur-arriere"
    ids = await site.liveblog(slug, 3)
    async with windows.reading(site.url(slug)) as tab:
        await tab.goto(f"{site.server.url}/")
        published = await site.publish(slug, 3)
        await tab.back()
        await tab.appears(f"#entry-{published['id']}")
        await _listed(tab, [published["id"], *ids])
        await tab.live()


async def test_comes_back_when_the_server_does(tmp_path: Path, windows: Windows) -> None:
    """Killed and started again: the page connects by itself, and has what was published since, once."""
    async with serving(tmp_path, heartbeat="1") as server, Client(server.url, await server.key()) as newsroom:
        site = Site(server, newsroom)
        ids = await site.liveblog("redemarrage", 2)
        async with windows.tabs(outages=True) as open_tab:
            tab = await open_tab(site.url("redemarrage"))
            await tab.live()
            await tab.evaluate(MARK)
            await server.kill()
            await tab.comes("() => document.querySelector('[data-connection]').dataset.state !== 'live'")
            await server.start()
            published = await site.publish("redemarrage", 2)
            await _listed(tab, [published["id"], *ids])
            await tab.live()
            assert await tab.evaluate(MARKED), "the page was loaded anew"


async def test_without_websockets(site: Site, windows: Windows) -> None:
    """Events by HTTP: two windows share one stream, what is deleted goes from both."""
    slug = "moteur-sse"
    ids = await site.liveblog(slug, 2)
    async with Proxy(site.server.port, websocket=False) as network, windows.tabs(outages=True) as open_tab:
        opened = [await open_tab(f"{network.url}/live/{slug}") for _ in range(2)]
        for tab in opened:
            await tab.live()
        assert network.asked("^GET .*/events") == 1
        published = await site.publish(slug, 2)
        for tab in opened:
            await _listed(tab, [published["id"], *ids])
        await site.newsroom.delete(slug, ids[0])
        for tab in opened:
            await _listed(tab, [published["id"], ids[1]])


async def test_without_any_stream(site: Site, windows: Windows) -> None:
    """A proxy refuses WebSockets and holds events back: the page asks for changes."""
    slug = "moteur-tampon"
    ids = await site.liveblog(slug, 1)
    async with (
        Proxy(site.server.port, websocket=False, endless=False) as network,
        windows.tabs(outages=True) as open_tab,
    ):
        tab = await open_tab(f"{network.url}/live/{slug}")
        published = await site.publish(slug, 1)
        await _listed(tab, [published["id"], *ids])
        assert network.asked("^GET .*/changes")


async def test_without_a_network(site: Site, windows: Windows) -> None:
    """The entries read last are there, with their age; a deleted one goes as soon as the server says so."""
    slug = "moteur-metro"
    ids = await site.liveblog(slug, 3)
    async with Proxy(site.server.port) as network, windows.tabs(outages=True) as open_tab:
        url = f"{network.url}/live/{slug}"
        tab = await open_tab(url)
        await tab.live()
        assert await tab.evaluate(CONTROLLED)
        await tab.comes(COPIES, [f"/live/{slug}"])

        network.refuse = True
        network.cut()
        await tab.reload()
        await _listed(tab, ids)
        await tab.says("[data-connection]", "Hors connexion, état de")
        network.refuse = False
        await tab.evaluate("() => { dispatchEvent(new Event('online')); }")
        await tab.live()
        await tab.goes("[data-connection]")

        await tab.goto(url)
        await tab.comes(COPIES, [f"/live/{slug}"])
        await site.newsroom.delete(slug, ids[0])
        await _listed(tab, ids[1:])
        await tab.comes(COPIES, list[Any]())
