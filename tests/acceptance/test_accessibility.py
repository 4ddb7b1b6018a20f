"""WCAG 2.2 AA as far as axe can tell, and what it can't: the keyboard, small windows, motion, announcements."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from liveserver.domain.audience import ReachHour
from liveserver.domain.entry import Verification
from liveserver.domain.reach_report import PartnerReach, ReachDay, ReachReport
from liveserver.rendering import reach_page
from tests.acceptance.browsing import pages
from tests.acceptance.hosting import document, hosting, widget
from tests.acceptance.reading import FRAMES, live
from tests.support.store_samples import a_liveblog

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
RUN = """() => axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(
  ({violations}) => violations.map(({id, impact, nodes: [{html, any}]}) => [id, impact, html.slice(0, 200),
  any[0]?.message]))"""
CONTROLS = """() => [...document.querySelectorAll("a, button, summary, input")].filter(
  element => element.checkVisibility({visibilityProperty: true})).length"""
STEP = """() => {
  const element = document.activeElement;
  if (element.dataset.stepped || element === document.body) return null;
  element.dataset.stepped = "1";
  const style = getComputedStyle(element), label = element.closest(".unfold");
  const around = label ? getComputedStyle(label) : style;
  return around.outlineStyle !== "none" && parseFloat(around.outlineWidth) >= 2;
}"""

SMALL_TARGETS = """() => [...document.querySelectorAll("a, button, summary, label, input")].filter(control => {
  if (!control.checkVisibility({visibilityProperty: true}) || control.matches(".visually-hidden, .skip")) return false;
  // What stands in a sentence is as high as its line (WCAG 2.5.8).
  if (control.matches(".entry-body p a, .entry-body li a, .card a:not(.button)")) return false;
  const {width, height} = control.getBoundingClientRect();
  return width < 24 || height < 24;
}).map(control => control.outerHTML.slice(0, 120))"""

SAID = """() => {
  window.__said = [];
  const announcer = document.querySelector("[data-announcer]");
  new MutationObserver(() => { if (announcer.textContent) window.__said.push(announcer.textContent); })
    .observe(announcer, {childList: true, characterData: true, subtree: true});
}"""

ARABIC = "قال المتحدث باسم البلدية إن المياه بدأت تنحسر في وسط المدينة."


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def slugs(site: Site) -> dict[str, str]:
    """A live blog with some of everything, in French, and in Arabic, for which there are no texts of ours."""
    for slug, language, text in (("acces-fr", "fr", "Le peloton roule groupé."), ("acces-ar", "ar", ARABIC)):
        await site.liveblog(slug, 0, language=language, summary=text)
        for number in range(24):
            fields: dict[str, Any] = {"body": f"<p>{text}</p><blockquote><p>{text}</p><cite>{text}</cite></blockquote>"}
            if number % 4 == 0:
                fields |= {"verification": list(Verification)[number // 4 % 4].value, "source": text}
            if number % 5 == 0:
                fields |= {"key_event": True, "breaking": number == 20}
                fields |= {"tags": [text[:12], "foot"], "authors": [text[:9]]}
            if number == 3:
                fields |= {"pinned": True, "body": f"<p>{text}</p>" * 30}
            entry = await site.publish(slug, number, **fields)
        await site.newsroom.edit(slug, entry["id"], {"correction": text})
    return {"fr": "acces-fr", "ar": "acces-ar"}


async def _violations(page: Page) -> list[Any]:
    await page.evaluate(AXE)
    found: list[Any] = await page.evaluate(RUN)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["fr", "ar"])
async def test_axe_finds_nothing(
    site: Site, browser: Browser, slugs: dict[str, str], scheme: str, language: str
) -> None:
    """On the page with all that can be opened open, notices shown, and on the other kinds of pages."""
    slug = slugs[language]
    async with pages(browser) as open_page:
        page = await open_page(site.url(slug), color_scheme=scheme, reduced_motion="reduce")
        await live(page)
        await page.locator(".filters summary").click()
        newest = await page.locator('[data-list="entries"] article').first.get_attribute("data-id")
        await page.locator(f"#entry-{newest}").scroll_into_view_if_needed()
        await page.evaluate(FRAMES)
        await site.newsroom.edit(slug, newest or "", {"correction": "8"})
        await page.locator("[data-notice=corrected]").wait_for()
        assert await _violations(page) == []
        for path in ("?order=oldest", "?verification=denied", f"/entries/{newest}", "?tag=rien"):
            await page.goto(site.url(slug) + path)
            assert await _violations(page) == [], path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["fr", "ar"])
async def test_axe_finds_nothing_in_the_widget(
    site: Site, browser: Browser, slugs: dict[str, str], scheme: str, language: str
) -> None:
    """On a partner's page, in a frame, and where it can be tried."""
    slug = slugs[language]
    async with hosting() as host, pages(browser) as open_page:
        partners = host.add("/", document(widget(site.server.url, slug)))
        for url in (partners, f"{site.server.url}/embed/{slug}", f"{site.server.url}/embed/preview/{slug}"):
            page = await open_page(url, color_scheme=scheme)
            await page.locator("live-blog .list article").first.wait_for()
            found = await _violations(page)
            # The first heading is that of the page around the frame.
            assert [each for each in found if "/embed/" not in url or each[0] != "page-has-heading-one"] == [], url


async def test_every_control_by_keyboard(site: Site, browser: Browser, slugs: dict[str, str]) -> None:
    """Tab reaches each once, in order, and shows where it is; Enter works them."""
    async with pages(browser) as open_page:
        page = await open_page(site.url(slugs["fr"]))
        await live(page)
        await page.locator(".filters summary").focus()
        await page.keyboard.press("Enter")
        await page.locator("[data-alerts]").wait_for()
        await page.evaluate("document.activeElement.blur()")
        expected = await page.evaluate(CONTROLS)
        outlined = []
        for _ in range(expected + 5):
            await page.keyboard.press("Tab")
            step = await page.evaluate(STEP)
            if step is not None:
                outlined.append(step)
        assert len(outlined) == expected
        assert all(outlined)
        await page.locator("a[data-older]").focus()
        await page.keyboard.press("Enter")
        await page.locator("a[data-older]").wait_for(state="hidden")
        assert await page.evaluate("document.activeElement.closest('article') !== null"), "the focus was lost"
        box = page.locator(".unfold input")
        await box.focus()
        await page.keyboard.press("Space")
        assert await box.is_checked()


@pytest.mark.parametrize("width", [390, 1280])
async def test_controls_are_large_enough(site: Site, browser: Browser, slugs: dict[str, str], width: int) -> None:
    """24 pixels in both directions, on every kind of page."""
    slug = slugs["fr"]
    async with pages(browser) as open_page:
        page = await open_page(site.url(slug), viewport={"width": width, "height": 800})
        await live(page)
        await page.locator(".filters summary").click()
        newest = await page.locator('[data-list="entries"] article').first.get_attribute("data-id")
        assert await page.evaluate(SMALL_TARGETS) == []
        for path in ("?order=oldest", "?verification=denied", "?tag=foot", f"/entries/{newest}"):
            await page.goto(site.url(slug) + path)
            await live(page)
            assert await page.evaluate(SMALL_TARGETS) == [], path


@pytest.mark.parametrize("reading", [False, True])
async def test_a_burst_of_five_is_one_sentence(site: Site, browser: Browser, reading: bool) -> None:
    """At the top of the page as well as further down; and a reader who uses the keyboard stays where they are."""
    slug = f"rafale-{reading}".lower()
    ids = await site.liveblog(slug, 12)
    async with pages(browser) as open_page:
        page = await open_page(site.url(slug), reduced_motion="reduce")
        await live(page)
        where = ids[8] if reading else ids[0]
        await page.locator(f"#entry-{where} .share").focus()
        await page.evaluate(SAID)
        for number in range(5):
            await site.publish(slug, 20 + number)
        said = await page.wait_for_function("() => window.__said.length > 0 && window.__said")
        assert await said.json_value() == ["5 nouvelles publications"]
        assert await page.locator("[data-announcer]").get_attribute("role") == "status"
        assert await page.evaluate("document.activeElement.closest('article').dataset.id") == where
        assert await page.evaluate("document.activeElement.matches('.share')")
        assert await page.evaluate("document.getAnimations().length") == 0
        for number in range(3):
            await site.publish(slug, 30 + number)
        await page.locator("article", has_text="Entrée 32").wait_for(state="attached")
        assert len(await page.evaluate("window.__said")) == 1, "not again so soon"


async def test_key_events_without_javascript(site: Site, browser: Browser) -> None:
    """The summary leads to those on the page and to those that are on older ones, each in its place."""
    ids = await site.liveblog("essentiel", 30)
    for place in (2, 27):
        await site.newsroom.edit("essentiel", ids[place], {"key_event": True})
    async with pages(browser) as open_page:
        page = await open_page(site.url("essentiel"), javascript=False)
        links = page.locator("[data-key-events] a")
        assert await links.count() == 2
        await links.nth(0).click()
        assert page.url == f"{site.url('essentiel')}#entry-{ids[2]}"
        await expect_in_window(page, ids[2])
        await links.nth(1).click()
        assert page.url == f"{site.url('essentiel')}/entries/{ids[27]}"
        await expect_in_window(page, ids[27])


async def expect_in_window(page: Page, entry_id: str) -> None:
    """The entry's beginning can be read."""
    box = await page.locator(f"#entry-{entry_id} .entry-heading").bounding_box()
    assert box is not None
    assert 0 <= box["y"] <= 700


@pytest.mark.parametrize("language", ["fr", "ar"])
async def test_small_windows(site: Site, browser: Browser, slugs: dict[str, str], language: str) -> None:
    """320 pixels wide, which is also a zoom of 400 % of 1,280: nothing has to be scrolled sideways."""
    async with pages(browser) as open_page:
        page = await open_page(site.url(slugs[language]), viewport={"width": 320, "height": 600})
        await live(page)
        await page.locator(".filters summary").click()
        for path in ("", "?order=oldest", "?verification=denied"):
            await page.goto(site.url(slugs[language]) + path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320, path


async def test_reduced_motion(site: Site, browser: Browser, slugs: dict[str, str]) -> None:
    """Nothing moves by itself, not even what is new."""
    async with pages(browser) as open_page:
        page = await open_page(site.url(slugs["fr"]), reduced_motion="reduce")
        await live(page)
        published = await site.publish(slugs["fr"], 99)
        await page.locator(f"#entry-{published['id']}").wait_for(state="attached")
        assert await page.evaluate("document.getAnimations().length") == 0
        lively = await open_page(site.url(slugs["fr"]))
        assert await lively.evaluate("document.getAnimations().length") > 0


@pytest.mark.parametrize(("zone", "shown"), [("Asia/Tokyo", True), ("Europe/Paris", False), ("Europe/Madrid", False)])
async def test_the_time_zone_is_named(
    site: Site, browser: Browser, slugs: dict[str, str], zone: str, shown: bool
) -> None:
    """Where the reader's clock shows another time."""
    async with pages(browser) as open_page:
        page = await open_page(site.url(slugs["fr"]), timezone_id=zone)
        await live(page)
        assert await page.locator("[data-zone]").is_visible() == shown
        assert await page.locator("[data-zone]").text_content() == "Heures\u00a0: Paris"


async def test_the_page_of_reach_on_a_phone(browser: Browser) -> None:
    """Parts wider than the window, a plot and a table, are scrolled by themselves, and by the keyboard, too."""
    liveblog = a_liveblog(title="Anticonstitutionnellement : suivez les dernières informations en direct")
    hour = datetime(2026, 11, 22, 12, tzinfo=UTC)
    hours = [ReachHour("", hour - timedelta(hours=back), 999_999, 9_999_999, 99_999) for back in range(48)]
    days = [ReachDay(date(2026, 11, day), 23_999_999, 239_999_999, 99_999) for day in (21, 22)]
    report = ReachReport(liveblog, date(2026, 11, 21), date(2026, 11, 22), [PartnerReach("", 123_456, hours, days)])
    page = await browser.new_page(viewport={"width": 320, "height": 600})
    try:
        await page.set_content(reach_page.page(report))
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320
        assert await page.locator("svg").evaluate("plot => plot.getBoundingClientRect().width") >= 600
        await page.evaluate(AXE)
        assert await page.evaluate(RUN) == []
    finally:
        await page.close()


async def test_the_page_of_the_api_in_the_dark(site: Site, browser: Browser) -> None:
    """It follows the reader's choice, also when that changes."""
    page = await browser.new_page(color_scheme="dark")
    lightness = "Math.max(...getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).slice(0, 3))"
    try:
        await page.goto(f"{site.server.url}/docs")
        await page.locator(".swagger-ui .info").wait_for()
        assert await page.evaluate(lightness) < 64
        await page.emulate_media(color_scheme="light")
        await page.locator("html:not(.dark-mode)").wait_for()
    finally:
        await page.close()
