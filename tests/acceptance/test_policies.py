"""The pages' headers forbid, in a browser, everything that a page doesn't do, and nothing that it does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.acceptance.browsing import pages
from tests.acceptance.hosting import document, hosting
from tests.acceptance.reading import FRAMES, live, settles, strings
from tests.acceptance.test_coming_back import CONTROLLED, COPIES
from tests.acceptance.test_third_parties import EMBEDS
from tests.acceptance.widgets import kilometres, shows

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLUG = "regles"
LISTEN = """window.violations = [];
document.addEventListener("securitypolicyviolation", ({effectiveDirective, blockedURI}) => {
  window.violations.push([effectiveDirective, blockedURI]);
});"""
"""Before the page's own scripts, in every document and frame."""
VIOLATIONS = "() => window.violations"
PICTURES = """() => [...document.querySelectorAll("article img")].map(picture => {
  picture.loading = "eager";
  return picture.decode().then(() => picture.naturalWidth > 0);
})"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def entry(site: Site) -> str:
    """A live blog with everything that an entry may be; the id of one."""
    await site.liveblog(SLUG, 21, summary="Tout ce qu’il y a.")
    for url in EMBEDS.values():
        await site.newsroom.publish(SLUG, {"body": f"<p>{url}</p>"})
    picture = await site.picture("Quatre quartiers")
    made = await site.publish(SLUG, 21, key_event=True, breaking=True, tags=["route"], authors=["Anne Lagrange"])
    await site.newsroom.publish(SLUG, {"body": picture, "pinned": True})
    await site.newsroom.edit(SLUG, made["id"], {"body": f"<p>Oui.</p>{picture}", "correction": "Oui et non non."})
    found: str = made["id"]
    return found


async def _clean(page: Page) -> None:
    """The page and the frames in it have done nothing that is forbidden."""
    for frame in page.frames:
        assert await frame.evaluate(VIOLATIONS) == [], frame.url


async def _pictures(page: Page, count: int) -> None:
    """All pictures of the page's entries can be seen."""
    shown = await page.evaluate(f"() => Promise.all(({PICTURES})())")
    assert shown == [True] * count


async def test_the_readers_page_does_nothing_forbidden(site: Site, browser: Browser, entry: str) -> None:
    """The server's part of the page, live changes, the reader's actions and a lost network break no policy."""
    async with pages(browser) as open_page:
        page = await open_page(
            site.url(SLUG),
            outages=True,
            script=LISTEN,
            permissions=["clipboard-read", "clipboard-write", "notifications"],
        )
        await live(page)
        await _pictures(page, 2)
        published = await site.newsroom.publish(SLUG, {"body": await site.picture("Une arrivée"), "key_event": True})
        await page.locator(f"#entry-{published['id']}").wait_for(state="attached")
        await _pictures(page, 3)
        await page.locator(f"#entry-{entry}").scroll_into_view_if_needed()
        await page.evaluate(FRAMES)
        await site.newsroom.edit(SLUG, entry, {"heading": "Corrigé", "correction": "Deux fois."})
        await page.locator("[data-notice=corrected]").wait_for()
        await site.newsroom.delete(SLUG, published["id"])
        await page.locator(f"#entry-{published['id']} .entry-body").wait_for(state="detached")
        await page.locator(".filters summary").click()
        await page.locator("[data-alerts]").click()
        await page.locator("[data-alerts][aria-pressed=true]").wait_for()
        await page.locator("a[data-older]").click()
        await page.locator("article", has_text="Entrée 0").wait_for(state="attached")
        await page.evaluate("() => { delete Navigator.prototype.share; }")
        await page.locator("[data-share]").first.click()
        await page.locator("[data-notices]", has_text="copié").wait_for()
        elsewhere = {"body": "<p>There</p>", "content_type": "text/html"}
        await page.context.route(lambda url: site.server.url not in url, lambda route: route.fulfill(**elsewhere))
        for card in await page.locator("[data-embed]").all():
            # Not with the mouse: what was opened above may still be growing.
            await card.locator(".embed-link").dispatch_event("click")
            await card.locator(".embed-offer button").dispatch_event("click")
            await card.frame_locator("iframe").locator("p", has_text="There").wait_for(state="attached")
        await _clean(page)
        await page.context.unroute_all()
        await page.evaluate(CONTROLLED)
        await page.reload()
        await live(page)
        await _clean(page)
        await settles(partial(strings, page, COPIES), [f"/live/{SLUG}"])
        await page.context.set_offline(True)
        await page.reload()
        await page.locator("html[data-copied]").wait_for(state="attached")
        await page.locator("[data-connection]", has_text="Hors connexion").wait_for()
        await _clean(page)
        await page.context.set_offline(False)


async def test_no_other_page_does(site: Site, browser: Browser, entry: str) -> None:
    """The list, permalinks, lists, errors; the page to try the widget; the reach; the API's description."""
    key = await site.server.key()
    reach = await site.server.run("reach", SLUG, "--link", key=key, url=site.server.url)
    addresses = {
        "/": ".masthead, h1",
        f"/live/{SLUG}/entries/{entry}": "article.focus",
        f"/live/{SLUG}?order=oldest": '[data-list="entries"] article',
        f"/live/{SLUG}?tag=rien": "main",
        f"/embed/preview/{SLUG}": "live-blog",
        f"/embed/{SLUG}": "live-blog",
        reach.stdout.strip().removeprefix(site.server.url): "h1",
        "/docs": "#swagger-ui .opblock",
    }
    async with pages(browser) as open_page:
        page = await open_page(f"{site.server.url}/healthz", outages=True, script=LISTEN)
        for path, there in addresses.items():
            answer = await page.goto(site.server.url + path)
            assert answer is not None
            assert answer.status == 200, path
            await page.locator(there).first.wait_for()
            await _clean(page)
        for path in ("/live/rien", f"/live/{SLUG}/entries/rien", "/embed/rien"):
            answer = await page.goto(site.server.url + path)
            assert answer is not None
            assert answer.status == 404, path
            await _clean(page)


async def test_the_widget_does_nothing_forbidden(site: Site, browser: Browser) -> None:
    """In its frame and on the page to try it, with a picture, while entries come."""
    slug = "regles-widget"
    await site.liveblog(slug, 1)
    await site.newsroom.publish(slug, {"heading": "Kilomètre 1", "body": await site.picture("Une arrivée")})
    async with hosting() as host, pages(browser) as open_page:
        frame = f'<iframe src="{site.server.url}/embed/{slug}" title="Direct" width="600" height="600"></iframe>'
        around = await open_page(host.add("/", document(frame)), script=LISTEN)
        preview = await open_page(f"{site.server.url}/embed/preview/{slug}", script=LISTEN)
        inside = around.frames[1]
        pictures = """() => Promise.all([...document.querySelector("live-blog").shadowRoot.querySelectorAll("img")].map(
          picture => { picture.loading = "eager"; return picture.decode().then(() => picture.naturalWidth > 0); }))"""
        listed = """() => [...document.querySelector("live-blog").shadowRoot.querySelectorAll(".list h3")].map(
          heading => heading.textContent)"""
        await shows(preview, kilometres(1, 0))
        await settles(lambda: inside.evaluate(listed), kilometres(1, 0))
        await site.publish(slug, 2)
        await shows(preview, kilometres(2, 1, 0))
        await settles(lambda: inside.evaluate(listed), kilometres(2, 1, 0))
        for shown in (inside, preview):
            assert await shown.evaluate(pictures) == [True]
        await _clean(around)
        await _clean(preview)


FORBIDDEN = """() => {
  const put = (name, fields) => { document.body.append(Object.assign(document.createElement(name), fields)); };
  const tries = {
    html: () => { document.createElement("div").innerHTML = "<p>x</p>"; },
    policy: () => trustedTypes.createPolicy("another", {}),
    worker: () => { navigator.serviceWorker.register("/static/icon.svg"); },
    picture: () => { put("img", {src: "https://elsewhere.invalid/x.png"}); },
    data: () => { put("img", {src: "data:image/gif;base64,R0lGODlhAQABAAAAACw="}); },
    frame: () => { put("iframe", {src: "https://elsewhere.invalid/"}); },
    request: () => { fetch("https://elsewhere.invalid/").catch(() => null); },
    script: () => { import("https://elsewhere.invalid/x.js").catch(() => null); },
    handler: () => { document.body.setAttribute("onclick", "1"); },
    style: () => { put("style", {textContent: "p {}"}); },
  };
  const thrown = [];
  for (const [name, attempt] of Object.entries(tries)) {
    try { attempt(); } catch { thrown.push(name); }
  }
  return thrown;
}"""
NOTICED = [
    *("connect-src", "frame-src", "img-src", "img-src"),
    *("require-trusted-types-for", "require-trusted-types-for", "require-trusted-types-for"),
    *("script-src-elem", "style-src-elem", "trusted-types"),
]


async def test_what_is_forbidden_is_noticed(site: Site, browser: Browser, entry: str) -> None:
    """By the same listener, on the reader's page: so the tests above would fail if a page did any of it."""
    async with await browser.new_context() as context:
        await context.add_init_script(LISTEN)
        page = await context.new_page()
        await page.goto(site.url(SLUG))
        await live(page)
        assert await page.evaluate(FORBIDDEN) == ["html", "policy", "handler"]

        async def directives() -> list[str]:
            return sorted(directive for directive, _ in await page.evaluate(VIOLATIONS))

        await settles(directives, NOTICED)


async def test_features_and_windows(site: Site, browser: Browser, entry: str) -> None:
    """The page may do what it does, and not what it doesn't; a window of another site has no hold of it."""
    async with hosting() as host, pages(browser) as open_page:
        page = await open_page(site.url(SLUG))
        allowed = await page.evaluate("() => document.featurePolicy.allowedFeatures()")
        for feature in ("clipboard-write", "autoplay", "fullscreen", "encrypted-media"):
            assert feature in allowed
        for feature in ("camera", "geolocation", "microphone", "payment", "usb", "clipboard-read"):
            assert feature not in allowed
        other = await open_page(host.add("/", document("<p>Une page.</p>")))
        async with other.context.expect_page() as opened:
            await other.evaluate("url => { window.held = window.open(url); }", site.url(SLUG))
        theirs = await opened.value
        await live(theirs)
        assert await theirs.evaluate("() => window.opener") is None
        assert await other.evaluate("() => window.held.closed")


async def test_the_api_key_is_not_kept(site: Site, browser: Browser) -> None:
    """A key typed on the page of the API's description is gone with it; so are keys that earlier versions kept."""
    kept = "() => JSON.stringify({...localStorage, ...sessionStorage})"
    async with pages(browser) as open_page:
        page = await open_page(f"{site.server.url}/healthz")
        await page.evaluate("() => localStorage.setItem('authorized', JSON.stringify({key: {value: 'lv_old'}}))")
        await page.goto(f"{site.server.url}/docs")
        await page.get_by_role("button", name="Authorize").first.click()
        assert "lv_old" not in await page.evaluate(kept)
        await page.locator("#auth-bearer-value").fill("lv_new")
        await page.locator(".auth-container").get_by_role("button", name="Apply credentials").first.click()
        await page.get_by_role("button", name="Remove authorization").first.wait_for()
        assert "lv_new" not in await page.evaluate(kept)
        await page.reload()
        await page.get_by_role("button", name="Authorize").first.click()
        assert await page.locator("#auth-bearer-value").input_value() == ""
