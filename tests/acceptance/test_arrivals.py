"""Entries that arrive above the line being read don't move it, in either order; and only new entries are counted."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.reading import FRAMES, IDS, ONE_PIXEL, line_top, live, settles, strings

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

    from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHIFTS = """() => new Promise(resolve => {
  new PerformanceObserver(list => resolve(list.getEntries().map(entry => [entry.value, entry.hadRecentInput])))
    .observe({type: "layout-shift", buffered: true});
  setTimeout(() => resolve([]), 100);
})"""

UNDER_NEWS = """() => {
  const {left, top, right, bottom, height} = document.querySelector("[data-news]").getBoundingClientRect();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const under = [];
  while (height > 0 && walker.nextNode()) {
    const {currentNode: text} = walker;
    const range = document.createRange();
    range.selectNodeContents(text);
    // Letters are as high as about three quarters of their line's box.
    const covered = ({left: x, right: X, top: y, bottom: Y}) =>
      x < right && X > left && y + (Y - y) / 8 < bottom && Y - (Y - y) / 8 > top;
    if (text.data.trim() && text.parentElement.checkVisibility() && !text.parentElement.closest("[data-news], .foot")
        && !text.parentElement.closest(".visually-hidden, .skip") && [...range.getClientRects()].some(covered))
      under.push(text.data);
  }
  return under;
}"""
"""The words that the count of what is new covers."""
SETTLED = "() => new Promise(resolve => setTimeout(resolve, 600))"
"""Waits for what the page does without a frame at the latest."""

# The sanitiser decides which markup a body may hold; how the page keeps its place is ours. So large content comes from
# the test's own hand: an image whose file takes its time.
LOADED = """id => {
  const image = document.querySelector(`#entry-${id} img`);
  image.src = "/static/icon.svg";
  return image.decode();
}"""
LATE_IMAGE = """id => {
  const image = Object.assign(document.createElement("img"), {width: 800, height: 500, alt: ""});
  const figure = document.createElement("figure");
  figure.append(image);
  document.querySelector(`#entry-${id} .entry-body`).append(figure);
  return document.querySelector(`#entry-${id} img`).getBoundingClientRect().height;
}"""


async def reading(page: Page, entry_id: str) -> float:
    """Scroll to the entry, and return where its text stands."""
    line = page.locator(f"#entry-{entry_id} .entry-body p").first
    await line.evaluate("line => line.scrollIntoView({block: 'center', behavior: 'instant'})")
    return await line_top(page, entry_id)


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_nothing_moves(site: Site, browser: Browser, order: str) -> None:
    """Entries, an edit that is longer, an edit that is shorter, a deletion: the line stays where it is."""
    slug = f"lignes-{order}"
    ids = await site.liveblog(slug, 18)
    async with pages(browser) as open_page:
        page = await open_page(f"{site.url(slug)}?order={order}")
        await live(page)
        here = ids[9]
        before = await reading(page, here)
        above = ids[8] if order == "newest" else ids[11]
        for count in (1, 2):
            await site.publish(slug, 20 + count)
            await page.locator("[data-news]", has_text=f"{count} nouvelle").wait_for()
            assert abs(await line_top(page, here) - before) < ONE_PIXEL
        for text in ("<p>Une chute.</p>" * 12, "<p>Une chute</p>"):
            await site.newsroom.edit(slug, above, {"body": text})
            await settles(partial(page.locator(f"#entry-{above} .entry-body p").count), text.count("<p>"))
            assert abs(await line_top(page, here) - before) < ONE_PIXEL
        assert "modifié à" in await page.locator(f"#entry-{above} .edited").inner_text()
        await site.newsroom.delete(slug, above)
        await page.locator(f"#entry-{above}").wait_for(state="detached")
        assert abs(await line_top(page, here) - before) < ONE_PIXEL
        assert (await page.title()).startswith("(2) "), "edits and deletions aren't new entries"


async def test_images_and_embeds_above(site: Site, browser: Browser) -> None:
    """Their room is kept before they are there; an embed asks first, and nothing is requested from there before."""
    ids = await site.liveblog("images", 12)
    await site.newsroom.edit("images", ids[2], {"body": "<p>Regardez.</p><p>https://youtu.be/dQw4w9WgXcQ</p>"})
    async with pages(browser) as open_page:
        page = await open_page(site.url("images"))
        await live(page)
        asked: list[str] = []
        await page.route("https://*/**", lambda route: route.fulfill(body="<p>Une vidéo</p>"))
        page.on("request", lambda request: asked.append(request.url))
        assert await page.evaluate(LATE_IMAGE, ids[1]) > 200, "no room was kept"
        card = page.locator(f"#entry-{ids[2]} .embed")
        await card.locator("a").click()
        await card.locator("button", has_text="Afficher").wait_for()
        assert "YouTube" in await card.locator(".embed-offer").inner_text()
        before = await reading(page, ids[6])
        # One after the other: the browser's anchoring, which answers for an image of other proportions than were
        # promised, rests for a frame when the page holds the line itself.
        await page.evaluate(LOADED, ids[1])
        await page.evaluate(FRAMES)
        assert await _elsewhere(site, asked) == []
        await card.locator("button").evaluate("button => button.click()")
        await settles(partial(_elsewhere, site, asked), ["https://www.youtube-nocookie.com"])
        frame = await card.locator("iframe").evaluate("frame => [frame.offsetWidth / frame.offsetHeight, frame.title]")
        assert frame == [pytest.approx(16 / 9, rel=0.02), "Vidéo sur YouTube"]
        await page.evaluate(FRAMES)
        assert abs(await line_top(page, ids[6]) - before) < ONE_PIXEL


async def _elsewhere(site: Site, asked: list[str]) -> list[str]:
    """The other sites that were asked for something."""
    return ["/".join(url.split("/")[:3]) for url in asked if not url.startswith(site.server.url)]


async def test_an_entry_of_page_three_is_edited(site: Site, browser: Browser) -> None:
    """A reader of it sees the edit in its place, marked; on no page does it count as new, nor move anything."""
    ids = await site.liveblog("page-trois", 50)
    edited = ids[44]
    async with pages(browser) as open_page:
        first = await open_page(site.url("page-trois"))
        third = await open_page(site.url("page-trois"))
        in_place = await open_page(site.url("page-trois"))
        for _ in range(2):
            await third.goto(await third.locator("a[data-older]").get_attribute("href") or "")
        for count in (40, 50):
            await in_place.locator("a[data-older]").evaluate("link => link.click()")
            await settles(partial(strings, in_place, IDS), ids[:count])
        for page in (first, third, in_place):
            await live(page)
        before = [await strings(page, IDS) for page in (first, third, in_place)]
        assert before == [ids[:20], ids[40:], ids]
        lines = [await reading(page, id_) for page, id_ in ((first, ids[9]), (third, ids[47]), (in_place, ids[47]))]

        await site.newsroom.edit("page-trois", edited, {"body": "<p>Une chute dans la descente.</p>" * 9})
        for page in (third, in_place):
            await page.locator(f"#entry-{edited} p", has_text="Une chute").first.wait_for(state="attached")
            assert "modifié à" in await page.locator(f"#entry-{edited} .edited").inner_text()
        last = await site.publish("page-trois", 60)
        await first.locator(f"#entry-{last['id']}").wait_for(state="attached")
        await settles(partial(strings, in_place, IDS), [last["id"], *ids])
        assert await strings(first, IDS) == [last["id"], *ids[:20]]
        assert await strings(third, IDS) == ids[40:]
        assert await first.locator(f"#entry-{edited}").count() == 0
        for page in (first, third, in_place):
            assert (await page.title()).startswith("(1) "), "only what was published counts"
        after = [await line_top(page, id_) for page, id_ in ((first, ids[9]), (third, ids[47]), (in_place, ids[47]))]
        assert after == pytest.approx(lines, abs=ONE_PIXEL)


async def test_a_text_a_picture_and_an_embed_arrive(site: Site, browser: Browser) -> None:
    """Above the middle of an entry that is being read: 0 pixels, also while the picture loads and once it is there."""
    ids = await site.liveblog("milieu", 14)
    await site.newsroom.edit("milieu", ids[5], {"body": "<p>Le peloton roule groupé.</p>" * 40})
    picture = await site.picture("Le col")
    async with pages(browser) as open_page:
        page = await open_page(site.url("milieu"))
        await live(page)
        line = page.locator(f"#entry-{ids[5]} .entry-body p").nth(20)
        await line.evaluate("line => line.scrollIntoView({block: 'center', behavior: 'instant'})")
        let_through = asyncio.Event()

        async def slowly(route: Route) -> None:
            await let_through.wait()
            await route.continue_()

        await page.route("**/media/**", slowly)
        top = "line => line.getBoundingClientRect().top"
        before = await line.evaluate(top)
        for body in ("<p>Une chute.</p>" * 5, f"<p>Regardez.</p>{picture}", "<p>https://youtu.be/dQw4w9WgXcQ</p>"):
            entry = await site.newsroom.publish("milieu", {"body": body})
            await page.locator(f"#entry-{entry['id']}").wait_for(state="attached")
            await page.evaluate(FRAMES)
            assert await line.evaluate(top) == pytest.approx(before, abs=ONE_PIXEL)
        image = page.locator('[data-list="entries"] img')
        await image.evaluate("image => { image.loading = 'eager'; }")
        height = await image.evaluate("image => image.getBoundingClientRect().height")
        assert height > 200, "no room was kept"
        let_through.set()
        await image.evaluate("image => image.decode()")
        await page.evaluate(FRAMES)
        assert await image.evaluate("image => image.getBoundingClientRect().height") == height
        assert await line.evaluate(top) == pytest.approx(before, abs=ONE_PIXEL)
        assert await page.title() == "(3) Le Tour"


async def test_no_layout_shift_on_arrival(site: Site, browser: Browser) -> None:
    """The browser's own measure (CLS) is 0 for a page that loads and gets entries while it is read further down."""
    ids = await site.liveblog("stable", 20)
    async with pages(browser) as open_page:
        page = await open_page(site.url("stable"))
        await live(page)
        before = await reading(page, ids[8])
        for number in range(3):
            await site.publish("stable", 30 + number, key_event=number == 1)
        await page.locator("[data-news]", has_text="3 nouvelles").wait_for()
        assert abs(await line_top(page, ids[8]) - before) < ONE_PIXEL
        shifts = await page.evaluate(SHIFTS)
        assert sum(value for value, by_input in shifts if not by_input) == 0


@pytest.mark.parametrize("width", [320, 390, 900, 1400])
async def test_no_layout_shift_on_load(site: Site, browser: Browser, width: int) -> None:
    """Nor for what the script and the first messages add to the page: the time, the number of readers, the zone."""
    slug = f"chargement-{width}"
    await site.liveblog(slug, 20)
    async with pages(browser) as open_page:
        page = await open_page(site.url(slug), viewport={"width": width, "height": 800}, timezone_id="Asia/Tokyo")
        await live(page)
        await page.locator("[data-viewers]", has_text="1 lecteur").wait_for()
        await page.evaluate(FRAMES)
        assert await page.evaluate(SHIFTS) == []


@pytest.mark.parametrize("width", [375, 1280])
async def test_at_the_very_top_the_reader_stays_there(site: Site, browser: Browser, width: int) -> None:
    """A key event, and one that is pinned, come into view above what is pinned; the count covers no words around it."""
    slug = f"haut-{width}"
    summary = "La vingtième étape, de Saint-Pois à Nevers."
    await site.liveblog(slug, 30, summary=summary)
    for number in range(3):
        await site.publish(slug, 40 + number, key_event=True)
    await site.publish(slug, 50, pinned=True)
    async with pages(browser) as open_page:
        page = await open_page(site.url(slug), viewport={"width": width, "height": 700})
        older = await page.locator("a[data-older]").get_attribute("href") or ""
        entry = await page.locator("[data-list=entries] .entry-time").nth(3).get_attribute("href") or ""
        others = [await open_page(url, viewport={"width": width, "height": 700}) for url in (older, entry)]
        for shown in (page, *others):
            await live(shown)
        for number, fields in ((60, {"key_event": True}), (61, {"pinned": True}), (62, {"key_event": True})):
            made = await site.publish(slug, number, **fields)
            await page.locator(f"#entry-{made['id']}").wait_for(state="attached")
            await page.evaluate(SETTLED)
            assert await page.evaluate("() => scrollY") == 0
        for shown in (page, *others):
            if shown is not page or width == 375:
                await shown.locator("[data-news]").wait_for()
            await shown.evaluate("() => scrollTo(0, 0)")
            await shown.evaluate(FRAMES)
            assert await strings(shown, UNDER_NEWS) == []
        # Further down it follows.
        await page.evaluate("() => scrollTo(0, 3000)")
        await site.publish(slug, 63)
        await page.locator("[data-news]").wait_for()
        assert await page.locator("[data-news]").evaluate("news => news.getBoundingClientRect().top") == 12


async def test_a_pending_entry_is_deleted(site: Site, browser: Browser) -> None:
    """The count of what is new goes down again, to nothing."""
    ids = await site.liveblog("retrait", 20)
    async with pages(browser) as open_page:
        page = await open_page(site.url("retrait"))
        await live(page)
        await reading(page, ids[8])
        first, second = await site.publish("retrait", 21), await site.publish("retrait", 22)
        news = page.locator("[data-news]")
        await page.locator("[data-news]", has_text="2 nouvelles").wait_for()
        await site.newsroom.delete("retrait", first["id"])
        await page.locator("[data-news]", has_text="1 nouvelle").wait_for()
        assert (await page.title()).startswith("(1) ")
        await site.newsroom.delete("retrait", second["id"])
        await news.wait_for(state="hidden")
        assert await page.title() == "Le Tour"


async def test_a_claim_is_denied(site: Site, browser: Browser) -> None:
    """The label changes where it stands and leads to what it means; a page of denied ones takes the entry in, and lets
    it go again."""
    ids = await site.liveblog("rumeur", 3)
    await site.newsroom.edit("rumeur", ids[1], {"verification": "claimed", "source": "un témoin"})
    async with pages(browser) as open_page:
        page = await open_page(site.url("rumeur"))
        denied = await open_page(f"{site.url('rumeur')}?verification=denied")
        await live(page)
        await live(denied)
        label = page.locator(f"#entry-{ids[1]} .label")
        assert await label.inner_text() == "Affirmation\u00a0: un témoin"
        assert await denied.locator("[data-empty]").is_visible()
        await site.newsroom.edit("rumeur", ids[1], {"verification": "denied", "source": "la course"})
        await page.locator(f"#entry-{ids[1]} .label", has_text="Démenti").wait_for()
        await settles(partial(strings, denied, IDS), [ids[1]])
        assert await denied.locator("[data-empty]").is_hidden()
        await label.locator("a").click()
        assert page.url == f"{site.url('rumeur')}?verification=denied"
        assert "s’est révélé faux" in await page.locator(".only").inner_text()
        await site.newsroom.edit("rumeur", ids[1], {"verification": "confirmed"})
        await denied.locator("[data-empty]").wait_for()


async def test_a_claims_title_is_labelled_wherever_it_stands_alone(site: Site, browser: Browser) -> None:
    """Among the key events, in the tab of its permalink, where a correction is told, and to readers who hear the page;
    beside the label it is bare. All of it follows what becomes of the claim."""
    ids = await site.liveblog("barrage", 3)
    claimed, denied = "Affirmation\u00a0: un témoin – Kilomètre 2", "Démenti\u00a0: la course – Kilomètre 2"
    await site.newsroom.edit("barrage", ids[0], {"verification": "claimed", "source": "un témoin", "key_event": True})
    async with pages(browser) as open_page:
        page = await open_page(site.url("barrage"))
        permalink = await open_page(f"{site.url('barrage')}/entries/{ids[0]}")
        await live(page)
        await live(permalink)
        event = page.locator(f"[data-key-events] [data-id='{ids[0]}'] span")
        heading = page.locator(f"#entry-{ids[0]} .entry-heading")
        assert await event.inner_text() == claimed
        assert await heading.inner_text() == "Kilomètre 2"
        assert await permalink.title() == f"{claimed} – Le Tour"
        await page.get_by_role("article", name="Affirmation\u00a0: un témoin Kilomètre 2").wait_for()
        await page.evaluate(FRAMES)

        correction = {"verification": "denied", "source": "la course", "correction": "Personne n’est tombé."}
        await site.newsroom.edit("barrage", ids[0], correction)
        await page.locator("[data-key-events] span", has_text=denied).wait_for()
        await page.locator("[data-notice=corrected] a", has_text=denied).wait_for()
        await page.get_by_role("article", name="Démenti\u00a0: la course Kilomètre 2").wait_for()
        assert await heading.inner_text() == "Kilomètre 2"
        await permalink.wait_for_function("title => document.title === title", arg=f"{denied} – Le Tour")

        await site.newsroom.edit("barrage", ids[0], {"verification": "confirmed"})
        await permalink.wait_for_function("() => document.title === 'Kilomètre 2 – Le Tour'")
        await page.wait_for_function(
            "title => !document.querySelector('.key-events').textContent.includes(title)", arg=denied
        )
        assert await event.inner_text() == "Kilomètre 2"


async def test_oldest_first(site: Site, browser: Browser) -> None:
    """The choice is remembered; new entries come at the end, once the reader has got there, and are seen to come."""
    ids = await site.liveblog("ordre", 25)
    oldest_first = ids[::-1]
    async with pages(browser) as open_page:
        page = await open_page(site.url("ordre"))
        await live(page)
        await page.locator("[data-order=oldest]").click()
        await settles(partial(strings, page, IDS), oldest_first[:20])
        await live(page)
        published = await site.publish("ordre", 25)
        news = page.locator("[data-news]")
        await page.locator("[data-news]", has_text="Voir la nouvelle").wait_for()
        await page.locator("a[data-newer]").click()
        await settles(partial(strings, page, IDS), [*oldest_first, published["id"]])
        await news.wait_for(state="hidden")
        await page.evaluate("scrollTo(0, document.body.scrollHeight)")
        await page.wait_for_function("scrollY > 1000")
        before = await line_top(page, ids[0])
        another = await site.publish("ordre", 26)
        await settles(partial(strings, page, IDS), [*oldest_first, published["id"], another["id"]])
        assert abs(await line_top(page, ids[0]) - before) < ONE_PIXEL
        # There it is below the window's edge still.
        await page.locator("[data-news]", has_text="1 nouvelle").click()
        await news.wait_for(state="hidden")

        await page.goto(site.url("ordre"))
        await page.wait_for_url("**?order=oldest")
        await page.locator("[data-order=newest]").click()
        await settles(partial(strings, page, IDS), [another["id"], published["id"], *ids[:18]])
        await page.goto(site.url("ordre"))
        await settles(partial(strings, page, IDS), [another["id"], published["id"], *ids[:18]])
