"""The widget in frames: as partners write them, and as WordPress makes them of an oEmbed answer."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from html import escape, unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.hosting import document, hosting
from tests.acceptance.reading import settles

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "a1B2c3D4e5"
KEPT = {
    "a": {"href"},
    "blockquote": set[str](),
    "iframe": {"src", "width", "height", "frameborder", "marginwidth", "marginheight", "scrolling", "title"},
}
"""The markup that WordPress keeps of an answer from a site that isn't on its list (`wp_filter_oembed_result`)."""

HEADINGS = (
    """() => [...document.querySelector("live-blog").shadowRoot.querySelectorAll(".list h3")].map(h => h.textContent)"""
)

PARENT = """
addEventListener("message", ({ data, source }) => {
  if (!data || !(data.secret || data.message || data.value) || /[^a-zA-Z0-9]/.test(data.secret)) return;
  const marked = `[data-secret="${data.secret}"]`;
  for (const quote of document.querySelectorAll(`blockquote${marked}`)) quote.style.display = "none";
  for (const frame of document.querySelectorAll(`iframe${marked}`)) {
    if (frame.contentWindow !== source) continue;
    frame.removeAttribute("style");
    if (data.message === "height") frame.height = Math.min(1000, Math.max(200, parseInt(data.value, 10) || 0));
    const follows = data.message === "link" && document.activeElement === frame;
    if (follows && new URL(data.value).host === new URL(frame.src).host) window.followed = data.value;
  }
});
addEventListener("DOMContentLoaded", () => {
  for (const frame of document.querySelectorAll("iframe.wp-embedded-content"))
    frame.contentWindow.postMessage({ message: "ready", secret: frame.dataset.secret }, "*");
});
"""
"""The work of WordPress's script in the page around (wp-embed.js), in our own words."""


class _Kses(HTMLParser):
    """Leaves of some HTML nothing but the elements and attributes of `KEPT`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.html = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in KEPT:
            kept = "".join(f' {name}="{escape(value or "")}"' for name, value in attrs if name in KEPT[tag])
            self.html += f"<{tag}{kept}>"

    def handle_endtag(self, tag: str) -> None:
        if tag in KEPT:
            self.html += f"</{tag}>"

    def handle_data(self, data: str) -> None:
        self.html += escape(data)


def wordpress(html: str) -> str:
    """The HTML that WordPress puts into a post for the `html` of an oEmbed answer; empty if it refuses it."""
    kses = _Kses()
    kses.feed(html)
    kses.close()
    found = re.search(r"(<blockquote>.*?</blockquote>)?.*(<iframe.*?></iframe>)", kses.html, re.DOTALL)
    if found is None:
        return ""
    quote, frame = found[1] or "", found[2]
    source = re.search(r' src="(.*?)"', frame)
    assert source is not None
    frame = frame.replace(source[0], f' src="{source[1]}#?secret={SECRET}" data-secret="{SECRET}"')
    frame = frame.replace(
        "<iframe", '<iframe class="wp-embedded-content" sandbox="allow-scripts" security="restricted"'
    )
    if quote:
        quote = quote.replace("<blockquote", f'<blockquote class="wp-embedded-content" data-secret="{SECRET}"')
        frame = frame.replace("<iframe", '<iframe style="position: absolute; visibility: hidden;"')
    return quote + frame


async def _headings(page: Page) -> list[str]:
    """The headings that the widget in the page's frame shows."""
    for frame in page.frames[1:]:
        if await frame.locator("live-blog").count() and await frame.evaluate(
            "() => document.querySelector('live-blog').shadowRoot !== null"
        ):
            found: list[str] = await frame.evaluate(HEADINGS)
            return found
    return []


async def _height(page: Page) -> float:
    box = await page.locator("iframe").bounding_box()
    return box["height"] if box else 0


@pytest.mark.parametrize("mode", ["anyone", "origins"])
async def test_a_url_pasted_into_wordpress(site: Site, browser: Browser, mode: str) -> None:
    """It finds the answer from the page, keeps of it what it keeps, and what is left lives and sizes itself.

    Where some sites may embed the live blog, this is one of them, and so are its frames, which have no origin.
    """
    slug = f"wordpress-{mode}"
    ids = await site.liveblog(slug, 1, title="L'orage & <la> « grêle »")
    async with hosting() as host, pages(browser) as open_page, httpx2.AsyncClient() as http:
        origins = [host.url, "null"] if mode == "origins" else []
        await site.set_liveblog(slug, embedding={"mode": mode, "origins": origins})
        head = (await http.get(site.url(slug))).text[:150_000]
        link = re.search(r'<link rel="alternate" type="application/json\+oembed"[^>]* href="([^"]+)"', head)
        assert link is not None
        asked = await http.get(f"{unescape(link[1])}&maxwidth=560&maxheight=840&format=json")
        answer = asked.json()
        assert (answer["version"], answer["type"], answer["width"]) == ("1.0", "rich", 560)
        assert answer["title"] == "L'orage & <la> « grêle »"
        html = wordpress(answer["html"])
        assert html.count("<iframe") == 1
        page = await open_page(host.add("/", document(html, head=f"<script>{PARENT}</script>")))

        await settles(partial(_headings, page), ["Kilomètre 0"])
        frame = page.locator("iframe")
        await frame.wait_for(state="visible")
        await page.locator("blockquote").wait_for(state="hidden")
        first = await _height(page)
        assert 200 <= first < 600
        await site.publish(slug, 1)
        await settles(partial(_headings, page), ["Kilomètre 1", "Kilomètre 0"])
        await page.wait_for_function("before => document.querySelector('iframe').offsetHeight > before + 50", arg=first)
        grown = await _height(page)
        await site.newsroom.edit(slug, ids[0], {"heading": "Corrigé"})
        await site.newsroom.delete(slug, (await site.newsroom.snapshot(slug))["entries"][0]["id"])
        await settles(partial(_headings, page), ["Corrigé"])
        await page.wait_for_function("grown => document.querySelector('iframe').offsetHeight < grown - 50", arg=grown)
        for number in range(2, 9):
            await site.publish(slug, number)
        await page.wait_for_function("() => document.querySelector('iframe').offsetHeight >= 1000")
        assert await _height(page) <= 1004, "WordPress shows no more"
        inside = page.frames[1]
        await inside.locator("live-blog .name").click()
        await page.wait_for_function("() => window.followed !== undefined")
        assert await page.evaluate("() => window.followed") == site.url(slug)


async def test_wordpress_where_it_may_not(site: Site, browser: Browser) -> None:
    """The frame of a site that isn't on the list stays hidden, as it never speaks; the link stays."""
    slug = "wordpress-refuse"
    await site.liveblog(slug, 1)
    await site.set_liveblog(slug, embedding={"mode": "origins", "origins": ["https://www.exemple.fr"]})
    async with hosting() as host, httpx2.AsyncClient() as http:

        async def restricted() -> bool:
            policy: str = (await http.get(f"{site.server.url}/embed/{slug}")).headers["content-security-policy"]
            return "frame-ancestors 'self' https://www.exemple.fr" in policy

        # The rules are read again and again.
        await settles(restricted, True)
        answer = await http.get(f"{site.server.url}/oembed", params={"url": site.url(slug)})
        html = wordpress(answer.json()["html"])
        page = await browser.new_page()
        refused = asyncio.Event()
        page.on("console", lambda message: refused.set() if "frame-ancestors" in message.text else None)
        await page.goto(host.add("/", document(html, head=f"<script>{PARENT}</script>")))
        async with asyncio.timeout(10):
            await refused.wait()
        assert await page.get_by_role("link", name="Le Tour").is_visible()
        assert not await page.locator("iframe").is_visible()
        await page.close()


async def test_a_frame_of_a_partners(site: Site, browser: Browser) -> None:
    """`v1.js` gives it its height; a message from anywhere else gives it none."""
    slug = "cadre"
    await site.liveblog(slug, 2)
    server = site.server.url
    body = (
        f'<script async src="{server}/embed/v1.js"></script>'
        f'<iframe src="{server}/embed/{slug}?theme=dark&amp;limit=5" title="En direct" '
        'style="border:0;width:100%"></iframe>'
    )
    async with hosting() as host, pages(browser) as open_page:
        page = await open_page(host.add("/", document(body)))
        await settles(partial(_headings, page), ["Kilomètre 1", "Kilomètre 0"])
        await page.wait_for_function("() => document.querySelector('iframe').offsetHeight > 400")
        inside = page.frames[1]
        assert await inside.evaluate("() => document.documentElement.scrollHeight <= innerHeight + 1")
        before = await _height(page)
        await page.evaluate("() => postMessage({ type: 'liveblog:height', height: 3 }, '*')")
        await page.evaluate("() => new Promise(resolve => setTimeout(resolve))")
        assert await _height(page) == before
        await site.publish(slug, 2)
        await page.wait_for_function(
            "before => document.querySelector('iframe').offsetHeight > before + 50", arg=before
        )


async def test_a_frame_without_scripts(site: Site, browser: Browser) -> None:
    """The entries are there, in their clothes."""
    slug = "cadre-nu"
    await site.liveblog(slug, 2)
    async with pages(browser) as open_page:
        page = await open_page(f"{site.server.url}/embed/{slug}", javascript=False)
        assert await page.locator(".list h3").all_text_contents() == ["Kilomètre 1", "Kilomètre 0"]
        assert await page.locator(".lv").evaluate("box => getComputedStyle(box).borderTopWidth") == "3px"


async def test_a_fragment_in_a_partners_page(site: Site, browser: Browser) -> None:
    """It is content without our script, and alive with it; what is deleted leaves both."""
    slug = "fragment"
    ids = await site.liveblog(slug, 2)
    async with hosting() as host, pages(browser) as open_page, httpx2.AsyncClient() as http:
        html = (await http.get(f"{site.server.url}/embed/{slug}/fragment")).text
        plain = await open_page(host.add("/plain", document(html)), javascript=False)
        assert await plain.locator("article h3").all_text_contents() == ["Kilomètre 1", "Kilomètre 0"]
        page = await open_page(host.add("/", document(html)))
        await page.locator("live-blog .list h3").first.wait_for()
        await site.newsroom.delete(slug, ids[0])
        await settles(lambda: page.evaluate(HEADINGS), ["Kilomètre 0"])
