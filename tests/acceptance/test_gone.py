"""A deleted or corrected entry is gone wherever it is open: documents, other sites, offline copies, notifications."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.acceptance.browsing import pages
from tests.acceptance.hosting import document, hosting
from tests.acceptance.reading import live, settles, strings
from tests.acceptance.words import SECONDS, WATCH, confirmations, rid_of, said

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from playwright.async_api import Browser, Page

    from tests.acceptance.site import Site

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(150)]

SEED = 14
STEPS = 200
FEWEST, READ, FRESH = 14, 12, 14
"""Entries that there are always; those that the reader has had; those that came while they were away."""

SOON = "Math.random = (own => () => own)(crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32 / 100);"
"""Pages confirm without much of the pause that spreads them, each with a number of its own: by it they tell their
notifications from another tab's."""
SHOW = """visibility => {
  Object.defineProperty(document, "visibilityState", {get: () => visibility, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""
NO_FRAMES = "() => { window.requestAnimationFrame = () => 0; }"
"""As in a tab that is really hidden."""
QUOTED = """() => [...document.querySelectorAll("title, meta[name=description], meta[property], script[type$=json]")]
  .map(({ outerHTML }) => outerHTML).join(" ")"""
REMEMBER = """([slug, kept]) => localStorage.setItem(`liveserver:/api/v1/liveblogs/${slug}`, JSON.stringify(kept))"""
HOLDER = "() => window.__holder ?? 'none'"
"""The mark of the page's own notifications."""
HOLD = """
const post = ServiceWorker.prototype.postMessage;
window.__held = [];
ServiceWorker.prototype.postMessage = function (word, ports) {
  const go = () => post.call(this, word, ports);
  if ("drop" in word) window.__held.push(go); else go();
};
const wait = window.setTimeout;
window.setTimeout = (run, ms, ...more) => wait(run, ms === 3000 ? 600000 : ms, ...more);
"""
"""The service worker isn't told to drop copies, and the page doesn't stop waiting for that."""
RELEASE = "() => window.__held.splice(0).forEach(go => go())"
AFTER_TIMERS = "() => new Promise(resolve => setTimeout(resolve, 300))"
"""Once what the page does by its timers is done: it confirms within a hundredth of five seconds."""
TALKING = """async () => [
  ...[...document.querySelectorAll("[data-notice]")].map(card => card.dataset.notice),
  ...(await window.__noticed()).length > 0 ? ["notification"] : [],
  ...(await window.__copied()).length > 0 ? ["copy"] : [],
]"""
"""Elements that say something of entries outside of their list."""


class Newsroom:
    """Entries of words that tell what they are of, and what of them is gone by now."""

    def __init__(self, site: Site, slug: str) -> None:
        self.site = site
        self.slug = slug
        self.alive: dict[str, list[int]] = {}
        """Of each entry its number, its version, and how many notes there are."""
        self.gone: dict[str, str] = {}
        """Of each word that is gone the entry that it was of."""
        self._count = 0

    def words(self, entry_id: str) -> set[str]:
        """The words of the entry."""
        number, version, notes = self.alive[entry_id]
        latest = {said(kind, number, version) for kind in "hb"}
        return latest | {said("n", number, note) for note in range(notes)}

    def _text(self, number: int, version: int) -> dict[str, Any]:
        heading, body = said("h", number, version), said("b", number, version)
        return {"heading": f"Le {heading}", "body": f"<p>Voici {body}.</p>"}

    async def publish(self, **fields: Any) -> str:
        """A new entry; its id."""
        self._count += 1
        made = await self.site.newsroom.publish(self.slug, {**self._text(self._count, 0), **fields})
        self.alive[made["id"]] = [self._count, 0, 0]
        entry_id: str = made["id"]
        return entry_id

    async def edit(self, entry_id: str, **fields: Any) -> None:
        """Other words."""
        before = self.words(entry_id)
        self.alive[entry_id][1] += 1
        number, version, _ = self.alive[entry_id]
        await self.site.newsroom.edit(self.slug, entry_id, {**self._text(number, version), **fields})
        self.gone |= dict.fromkeys(before - self.words(entry_id), entry_id)

    async def correct(self, entry_id: str) -> None:
        """Other words, and a note that says so."""
        self.alive[entry_id][2] += 1
        number, _, notes = self.alive[entry_id]
        await self.edit(entry_id, correction=f"Non {said('n', number, notes - 1)}")

    async def delete(self, entry_id: str) -> dict[str, Any]:
        """Nothing is left of it. How the takedown begins."""
        takedown = await self.site.newsroom.take_down(self.slug, entry_id)
        self.gone |= dict.fromkeys(self.words(entry_id), entry_id)
        del self.alive[entry_id]
        assert takedown is not None
        return takedown


async def fragment(site: Site, slug: str) -> str:
    """HTML for a partner's page, with the entries and what says them for machines."""
    async with httpx2.AsyncClient() as http:
        return (await http.get(f"{site.server.url}/embed/{slug}/fragment")).text


async def confirmed(newsroom: Newsroom, entry_id: str, opened: list[Page], viewers: int, shown: int) -> None:
    """Return once everyone has confirmed; the figures add up at every moment until then."""
    async with asyncio.timeout(SECONDS):
        while True:
            found = await newsroom.site.newsroom.takedown(newsroom.slug, entry_id)
            assert found["asked"] == viewers == found["confirmed"] + found["waiting"]
            assert found["had"] <= found["confirmed"]
            if found["waiting"] == 0:
                break
            await asyncio.sleep(0.03)
    assert found["had"] >= shown
    sent = [(page.url, *one) for page in opened for one in await confirmations(page)]
    assert [which for _, which, _ in sent] == [entry_id] * viewers
    left = [
        (url, word, newsroom.gone[word], places)
        for url, _, said_then in sent
        for word, places in said_then.items()
        if word in newsroom.gone
    ]
    assert not left, f"{entry_id} was confirmed while pages still said, of these entries in these places: {left}"


async def _copies(page: Page) -> bool:
    """Whether the page that is being left has been copied."""
    await page.evaluate(SHOW, "hidden")
    return bool(await page.evaluate("async () => (await window.__copied()).length > 0"))


async def _sorted(found: Awaitable[list[str]]) -> list[str]:
    return sorted(await found)


async def test_two_hundred_deletions_corrections_and_edits(site: Site, browser: Browser) -> None:
    """With every card and notification open, in a tab in front, one behind and one of a single entry, and on another
    site: after each, nothing says what is gone, and a page that confirms is rid of it."""
    chance, slug = random.Random(SEED), "parti"
    await site.liveblog(slug, 0)
    newsroom = Newsroom(site, slug)
    read = [await newsroom.publish(key_event=number % 3 == 0) for number in range(READ)]
    snapshot = await site.newsroom.snapshot(slug)
    position, at = f"{snapshot['epoch']}-{snapshot['seq']}", snapshot["entries"][0]["published_at"]
    for number in range(FRESH):
        await newsroom.publish(key_event=number % 2 == 0)
    for entry_id in read[:4]:
        await newsroom.correct(entry_id)
    async with hosting() as host, pages(browser) as open_page:
        front = await open_page(f"{site.server.url}/healthz", script=SOON + WATCH, permissions=["notifications"])
        visit = {"position": position, "at": at, "left": 0}
        kept = {"visit": visit, "seen": [[one, 0] for one in read], "alerts": True}
        await front.evaluate(REMEMBER, [slug, kept])
        await front.goto(site.url(slug))
        single = await open_page(f"{site.url(slug)}/entries/{read[6]}", beside=front)
        behind = await open_page(site.url(slug), beside=front)
        await behind.evaluate(SHOW, "hidden")
        await behind.evaluate(NO_FRAMES)
        html = await fragment(site, slug)
        frame = f'<iframe src="{site.server.url}/embed/{slug}"></iframe>'
        # In view: a widget far below doesn't live before somebody comes near.
        tall = {"width": 900, "height": 9_000}
        other = await open_page(host.add("/", document(frame + html)), script=SOON + WATCH, viewport=tall)
        await other.locator("live-blog .list h3").first.wait_for()
        await other.frame_locator("iframe").locator("live-blog .list h3").first.wait_for()
        opened = [front, single, behind, other]
        for page in (front, behind):
            await page.locator("[data-notice=since]").wait_for(state="attached")
        for page in opened[:3]:
            await live(page)
        talked, told = set[str](), set[str]()
        found = await asyncio.gather(*(rid_of(page, ()) for page in opened))
        for step in range(STEPS):
            while len(newsroom.alive) < FEWEST:
                await newsroom.publish(key_event=chance.random() < 0.6)
            entry_id = chance.choice(list(newsroom.alive))
            what = chance.choices(["delete", "correct", "edit"], [4, 3, 3])[0]
            if step % 5 == 0:
                if step % 20 == 0:
                    await settles(partial(_copies, front), True)
                talked |= set(await behind.evaluate(TALKING))
                # A copy is made just then.
                await front.evaluate(SHOW, "hidden")
            if what == "delete":
                words = newsroom.words(entry_id)
                shown = sum(bool(words & one) for one in found)
                await newsroom.delete(entry_id)
                await confirmed(newsroom, entry_id, opened, viewers=5, shown=shown)
            elif what == "correct":
                await newsroom.correct(entry_id)
            else:
                await newsroom.edit(entry_id, key_event=chance.random() < 0.5, pinned=chance.random() < 0.1)
            news, told = newsroom.gone.keys() - told, set(newsroom.gone)
            found = await asyncio.gather(*(rid_of(page, news, beside=page is front) for page in opened))
            if step % 5 == 1:
                # Only now: what was published in this step was told by notifications of both tabs.
                await front.evaluate(SHOW, "visible")
        holders = {await page.evaluate(HOLDER) for page in (front, behind)} - {"none"}
        assert len(holders) == 2, "both tabs raised notifications, and each knows its own"
    assert talked == {"since", "corrected", "notification", "copy"}, "something wasn't tried"


async def test_every_surface(site: Site, browser: Browser) -> None:
    """Each page says it, also where only machines read it; then another thing; then nothing."""
    slug = "surfaces"
    await site.liveblog(slug, 0)
    newsroom = Newsroom(site, slug)
    doomed, *_ = [await newsroom.publish(key_event=True) for _ in range(3)]
    address, tall = site.server.url, {"width": 900, "height": 6_000}
    async with hosting() as host, pages(browser) as open_page:
        first = await open_page(site.url(slug), script=SOON + WATCH)
        single = await open_page(f"{site.url(slug)}/entries/{doomed}", beside=first)
        oldest = await open_page(f"{site.url(slug)}?order=oldest", beside=first)
        frame = await open_page(f"{address}/embed/{slug}", script=SOON + WATCH, viewport=tall)
        preview = await open_page(f"{address}/embed/preview/{slug}", beside=frame)
        partner = await open_page(host.add("/", document(await fragment(site, slug))), beside=frame)
        opened = [first, single, oldest, frame, preview, partner]
        for page in opened[:3]:
            await live(page)
        for page in opened[3:]:
            await page.locator("live-blog .list h3").first.wait_for()
        quoting = [first, single, partner]
        former = newsroom.words(doomed)
        for page in quoting:
            quoted = await page.evaluate(QUOTED)
            assert all(word in quoted for word in former)
        for page in opened:
            assert await rid_of(page, ()) >= former

        await newsroom.correct(doomed)
        for page in opened:
            await page.locator(f"text={said('h', 1, 1)}").first.wait_for(state="attached")
            assert await rid_of(page, newsroom.gone) >= newsroom.words(doomed)
        assert await single.title() == f"Le {said('h', 1, 1)} – Le Tour"
        for page in quoting:
            await confirmations(page)

        await newsroom.delete(doomed)
        await confirmed(newsroom, doomed, opened, viewers=6, shown=6)
        for page in opened:
            await rid_of(page, newsroom.gone, beside=page is first)
        assert await single.locator("[rel=canonical]").count() == 0


async def test_a_confirmation_waits_for_the_offline_copy(site: Site, browser: Browser) -> None:
    """The document is rid of the entry at once; the page says so when the service worker has dropped the copy, too."""
    slug = "copie"
    await site.liveblog(slug, 0)
    newsroom = Newsroom(site, slug)
    doomed = await newsroom.publish()
    words = newsroom.words(doomed)
    async with pages(browser) as open_page:
        page = await open_page(site.url(slug), script=SOON + WATCH + HOLD)
        await live(page)
        copied = partial(strings, page, "() => window.__copied()")
        await settles(lambda: _sorted(copied()), sorted(words))
        await newsroom.delete(doomed)
        await rid_of(page, newsroom.gone)
        await page.evaluate(AFTER_TIMERS)
        assert (await site.newsroom.takedown(slug, doomed))["waiting"] == 1
        assert set(await copied()) == words
        await page.evaluate(RELEASE)
        await confirmed(newsroom, doomed, [page], viewers=1, shown=1)


async def test_the_last_tab_takes_its_notifications_along(site: Site, browser: Browser) -> None:
    """Nobody would be there to take them back."""
    slug = "dernier"
    await site.liveblog(slug, 1)
    await site.liveblog("autre", 1)
    newsroom = Newsroom(site, slug)
    async with pages(browser) as open_page:
        page = await open_page(f"{site.server.url}/healthz", script=WATCH, permissions=["notifications"])
        await page.evaluate(REMEMBER, [slug, {"alerts": True}])
        await page.goto(site.url(slug))
        await live(page)
        await page.evaluate("() => navigator.serviceWorker.ready.then(() => undefined)")
        await page.evaluate(SHOW, "hidden")
        await newsroom.publish(key_event=True)
        other = await open_page(site.url("autre"), beside=page)
        noticed = partial(strings, other, "() => window.__noticed()")
        await settles(noticed, [said("h", 1, 0)])
        await page.close()
        await settles(noticed, list[str]())
