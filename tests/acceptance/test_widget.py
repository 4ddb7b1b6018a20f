"""The widget on another site's page: what it costs, what a reader may do with it, what the page hears of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.hosting import document, hosting, widget
from tests.acceptance.proxy import Proxy
from tests.acceptance.reading import FRAMES, settles, strings
from tests.acceptance.serving import eventually
from tests.acceptance.widgets import HEADINGS

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


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


async def test_new_entries_wait_for_a_reader_further_down(site: Site, browser: Browser) -> None:
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


async def test_a_list_of_some_height_leaves_the_page_as_long_as_it_was(site: Site, browser: Browser) -> None:
    """The page ends where its content ends: nothing of the entries that are scrolled out of sight makes it longer."""
    slug = "widget-height"
    await site.liveblog(slug, 0)
    for number in range(12):
        await site.publish(slug, number, tags=["tour", "étape"])
    async with hosting() as host, pages(browser) as open_page:
        partner = host.add("/", document(widget(site.server.url, slug, height="300")))
        for url in (partner, f"{site.server.url}/embed/preview/{slug}"):
            page = await open_page(url)
            await page.locator("live-blog article").nth(11).wait_for()
            if url != partner:
                await page.locator("[name=height]").fill("300")
            scrolling = "list => list.clientHeight <= 300 && list.scrollHeight > 2000"
            assert await page.locator("live-blog .scroll").evaluate(scrolling)
            length, end = await page.evaluate(
                """() => [document.documentElement.scrollHeight,
                          Math.max(innerHeight, document.body.getBoundingClientRect().bottom + scrollY)]"""
            )
            assert length == pytest.approx(end, abs=20), url
        frame = await open_page(f"{site.server.url}/embed/{slug}")
        await frame.locator("live-blog article").nth(11).wait_for()
        length, told = await frame.evaluate(
            "() => [document.documentElement.scrollHeight, document.body.getBoundingClientRect().height]"
        )
        assert length == pytest.approx(told, abs=1)


async def test_what_is_cut_off_is_not_shown_as_live(site: Site, browser: Browser) -> None:
    """The dot of "live" is hollow beside the word of the connection, and red again after it."""
    slug = "widget-coupure"
    await site.liveblog(slug, 1)
    dot = """() => {
      const status = document.querySelector("live-blog").shadowRoot.querySelector(".status");
      return [getComputedStyle(status).color, getComputedStyle(status, "::before").backgroundColor];
    }"""
    async with Proxy(site.server.port) as network, hosting() as host, pages(browser) as open_page:
        page = await open_page(host.add("/", document(widget(network.url, slug))), outages=True)
        await page.locator("live-blog article").wait_for()
        red = await strings(page, dot)
        assert red[0] == red[1]
        note = page.locator("live-blog .note")
        await eventually(lambda: network.asked("^WEBSOCKET"), what="the stream")
        network.refuse = True
        network.cut()
        await note.wait_for()
        colour, filled = await strings(page, dot)
        assert colour != red[0]
        assert filled == "rgba(0, 0, 0, 0)"
        network.refuse = False
        await note.wait_for(state="hidden")
        assert await strings(page, dot) == red


async def test_what_is_not_there_leaves_the_link(site: Site, browser: Browser) -> None:
    """A live blog that there isn't, an address that is none: the page's own link stays, and the page is told.

    An address that no live blog's page can have, or none at all, is also told to its author, in the console.
    """
    async with hosting() as host, pages(browser) as open_page:
        body = widget(site.server.url, "rien-du-tout") + f'<live-blog src="{site.server.url}/nulle-part"></live-blog>'
        body += f'<live-blog src="{site.server.url}/api/v1/liveblogs/direct"></live-blog><live-blog></live-blog>'
        listen = """<script>window.ended = 0; window.warned = [];
          console.warn = (said, element) => warned.push(`${said}: ${element.getAttribute("src")}`);
          addEventListener("liveblog:status", ({ detail }) => { ended += detail.status === "closed"; });</script>"""
        page = await open_page(host.add("/", document(body, head=listen)), outages=True)
        await page.wait_for_function("() => ended === 4")
        addresses = [f"{site.server.url}/nulle-part", f"{site.server.url}/api/v1/liveblogs/direct", "null"]
        told = sorted(f"no /live/slug in src: {address}" for address in addresses)
        assert sorted(await strings(page, "() => warned")) == told
        assert await page.get_by_role("link", name="En direct").is_visible()
