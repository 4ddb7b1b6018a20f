"""The states of the reader's page that the gallery shows, and the text about each of them.

Each function for a state opens a page in the view, brings it into the state, and returns it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from liveblogs import ids

from liveserver.cli.demo.script import Edit, Publish, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from newsroom import Gallery
    from playwright.sync_api import Browser, Page


@dataclass(frozen=True)
class View:
    """The settings with which a page is opened in the browser for one picture."""

    gallery: Gallery
    browser: Browser
    options: dict[str, Any]
    at: datetime

    def open(self, path: str, *, live: bool = True, at: datetime | None = None) -> Page:
        """Open a page at a path of the server, and return it. With `live`, waits until the page is connected.

        `at`: the time that the browser's clock shows (None: the time of the view).
        """
        context = self.browser.new_context(
            locale="fr-FR", timezone_id="Europe/Paris", reduced_motion="reduce", **self.options
        )
        page = context.new_page()
        page.clock.set_fixed_time(at or self.at)
        page.goto(self.gallery.url + path)
        if live:
            connected(page)
        return page


def connected(page: Page) -> None:
    """Wait until the page is connected to its stream, and shows one viewer."""
    page.locator('[data-connection][data-state="live"]').wait_for(state="attached")
    page.locator("[data-viewers]", has_text="1").wait_for(state="attached")


def bring(page: Page, id_: str, part: str = "", *, from_top: int = 120) -> None:
    """Scroll so that an entry is `from_top` pixels below the window's top. `part`: a CSS selector within the entry."""
    place = page.locator(f"#entry-{id_} {part}".strip()).first
    place.evaluate(
        "(element, top) => scrollTo({top: element.getBoundingClientRect().top + scrollY - top, behavior: 'instant'})",
        from_top,
    )
    page.wait_for_timeout(200)


def story(gallery: Gallery, view: View, steps: int = 30) -> tuple[Page, dict[str, str], str]:
    """Create a live blog for one state, which may change it, and open it. Returns the page, the entries' ids, the slug.

    `steps`: the number of steps of the demo's story that the live blog has.
    """
    slug = f"tempete-ysaline-{time.monotonic_ns()}"
    ids = gallery.storm(slug, steps)
    return view.open(f"/live/{slug}", at=gallery.later(minutes=1)), ids, slug


def live(gallery: Gallery, view: View) -> Page:
    """Show a live blog that is live, with nothing special about it."""
    return view.open("/live/tempete-ysaline")


def empty(gallery: Gallery, view: View) -> Page:
    """Show a live blog that is live and has no entry yet."""
    return view.open("/live/conseil")


def upcoming(gallery: Gallery, view: View) -> Page:
    """Show a live blog that is announced and hasn't begun."""
    return view.open("/live/conseil-a-venir")


def pending(gallery: Gallery, view: View) -> Page:
    """Show what happens if three entries are published while the reader is further down on the page."""
    page, ids, slug = story(gallery, view)
    bring(page, ids["vagues"])
    for step in load().steps[30:33]:
        assert isinstance(step, Publish)
        gallery.later(minutes=1)
        gallery.publish(slug, step.entry)
    page.locator("[data-news]", has_text="3").wait_for()
    return page


def corrected(gallery: Gallery, view: View) -> Page:
    """Show an entry that was edited, with its correction."""
    page = view.open("/live/tempete-ysaline")
    bring(page, ids["coupure-2"])
    return page


def told(gallery: Gallery, view: View) -> Page:
    """Show the notice of a correction of an entry that the reader has just read."""
    page, ids, slug = story(gallery, view, 27)
    page.locator(f"#entry-{ids['coupure-2']}").scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    bring(page, ids["famille"])
    edit = next(step for step in load().steps if isinstance(step, Edit) and step.ref == "coupure-2")
    gallery.edit(slug, ids["coupure-2"], **edit.entry, correction=edit.correction)
    page.locator("[data-notice=corrected]").wait_for()
    return page


def told_gone(gallery: Gallery, view: View) -> Page:
    """Show the page after the notice of a correction, when the corrected entry was deleted."""
    page = told(gallery, view)
    corrected = page.locator("[data-notice=corrected] a").first
    gallery.delete(*_named_by(page, corrected.get_attribute("href")))
    page.locator("[data-notice=corrected]").wait_for(state="detached")
    return page


def labels(gallery: Gallery, view: View) -> Page:
    """Show only the entries with the label `denied`, and the explanation of all labels."""
    page = view.open("/live/tempete-ysaline-fin?verification=denied")
    page.locator(".filters summary").click()
    page.mouse.move(0, 0)
    return page


def picture(gallery: Gallery, view: View) -> Page:
    """Show an entry with one picture."""
    page = view.open("/live/images")
    bring(page, ids["image"], from_top=40)
    page.wait_for_function("[...document.images].slice(0, 2).every(image => image.complete)")
    return page


def pictures(gallery: Gallery, view: View) -> Page:
    """Show an entry with a gallery of pictures and a quotation."""
    page = view.open("/live/images")
    bring(page, ids["images"], from_top=40)
    page.evaluate("Promise.all([...document.images].map(image => (image.loading = 'eager', image.decode())))")
    return page


def video(gallery: Gallery, view: View) -> Page:
    """Show an entry with a video, whose card asks the reader before it loads the video."""
    page = view.open("/live/images")
    bring(page, ids["video"], from_top=90)
    page.locator(f"#entry-{ids['video']} .embed-link").click()
    page.locator(".embed-offer button").wait_for()
    page.mouse.move(0, 0)
    return page


def since(gallery: Gallery, view: View) -> Page:
    """Show the page to a reader who comes back after two hours, with the card of what was published since."""
    page, ids, slug = story(gallery, view, 26)
    bring(page, ids["vagues"])
    bring(page, ids["hopital"])
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(300)
    page.goto(f"{gallery.url}/healthz")
    # Hours pass in a moment here, so the browser would show the page from its cache.
    page.route("**/live/*", lambda route: route.continue_())
    for step in load().steps[26:34]:
        gallery.later(minutes=11)
        match step:
            case Publish(ref, entry):
                ids[ref] = gallery.publish(slug, entry)
            case Edit(ref, entry, correction):
                gallery.edit(slug, ids[ref], **entry, correction=correction)
            case _:
                pass
    gallery.edit(
        slug, ids["hopital"], correction="L’hôpital a du carburant pour trois jours, et non pour trois heures."
    )
    page.clock.set_fixed_time(gallery.later(minutes=25))
    page.goto(f"{gallery.url}/live/{slug}")
    connected(page)
    page.locator("[data-notice=since]").wait_for()
    return page


def since_gone(gallery: Gallery, view: View) -> Page:
    """Show the card of what was published since, after the first entry that it linked to was deleted."""
    page = since(gallery, view)
    link = page.locator("[data-notice=since] li a").first
    address = link.get_attribute("href")
    gallery.delete(*_named_by(page, address))
    page.locator(f"[data-notice=since] [href='{address}']").wait_for(state="detached")
    return page


def _named_by(page: Page, address: str | None) -> tuple[str, str]:
    """Return the slug of the live blog, and the id of the entry to which a link (`address`) on its page leads."""
    return page.url.rpartition("/live/")[2].partition("?")[0], (address or "").rpartition("entry-")[2].rpartition("/")[
        2
    ]


def ended(gallery: Gallery, view: View) -> Page:
    """Show a live blog that has ended."""
    return view.open("/live/tempete-ysaline-fin")


def permalink(gallery: Gallery, view: View) -> Page:
    """Show the page that a link to one entry opens."""
    page = view.open(f"/live/tempete-ysaline-fin/entries/{ids['fin:chalutier']}")
    page.wait_for_timeout(200)
    return page


def gone(gallery: Gallery, view: View) -> Page:
    """Show the page that a link to a deleted entry opens."""
    return view.open(f"/live/tempete-ysaline/entries/{ids['toiture-doublon']}", live=False)


def missing(gallery: Gallery, view: View) -> Page:
    """Show the page that a link to a live blog that doesn't exist opens."""
    return view.open("/live/nulle-part", live=False)


def offline(gallery: Gallery, view: View) -> Page:
    """Show a page that is opened again without a network, 38 minutes after it was last read."""
    page = view.open("/healthz", live=False)
    path = "/live/tempete-ysaline"

    def dated(route: Any) -> None:
        answer = route.fetch()
        stamp = view.at.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        route.fulfill(response=answer, headers={**answer.headers, "date": stamp})

    page.context.route(f"{gallery.url}{path}", dated)
    page.goto(gallery.url + path)
    connected(page)
    page.wait_for_function(
        "navigator.serviceWorker.ready.then(() => caches.open('liveserver-pages')).then(cache => cache.keys())"
        ".then(copied => copied.length > 2)"
    )
    page.context.unroute(f"{gallery.url}{path}")
    page.context.set_offline(True)
    page.clock.set_fixed_time(view.at + timedelta(minutes=38))
    page.reload()
    page.locator("[data-connection]", has_text="Hors connexion").wait_for()
    return page


def reconnecting(gallery: Gallery, view: View) -> Page:
    """Show a page that can't connect to its stream, as it looks after more than five seconds."""
    page = view.open("/healthz", live=False)
    page.route_web_socket("**/ws*", lambda socket: socket.close())
    page.route("**/events?*", lambda route: route.abort())
    page.route("**/changes?*", lambda route: route.abort())
    page.goto(f"{gallery.url}/live/tempete-ysaline")
    page.locator("[data-connection]").wait_for(state="visible")
    return page


def plain(gallery: Gallery, view: View) -> Page:
    """Show the end of a page in a browser without JavaScript."""
    page = view.open("/live/tempete-ysaline", live=False)
    page.locator("a[data-older]").scroll_into_view_if_needed()
    page.mouse.wheel(0, 900)
    page.wait_for_timeout(300)
    return page


def older(gallery: Gallery, view: View) -> Page:
    """Show the second page of a live blog, with older entries."""
    page = view.open("/live/tempete-ysaline-fin", live=False)
    page.goto(page.locator("a[data-older]").get_attribute("href") or "")
    connected(page)
    return page


def tag(gallery: Gallery, view: View) -> Page:
    """Show only the entries with one tag."""
    return view.open("/live/tempete-ysaline-fin?tag=sauvetage")


def oldest(gallery: Gallery, view: View) -> Page:
    """Show the entries of a live blog in the order of the events, oldest first."""
    return view.open("/live/tempete-ysaline-fin?order=oldest")


def arabic(gallery: Gallery, view: View) -> Page:
    """Show a live blog in Arabic, which is written from right to left."""
    return view.open("/live/fayadan")


def index(gallery: Gallery, view: View) -> Page:
    """Show the page that lists all live blogs."""
    return view.open("/", live=False)


def keyboard(gallery: Gallery, view: View) -> Page:
    """Show which element has the focus of the keyboard: the button to share an entry."""
    page = view.open("/live/tempete-ysaline")
    bring(page, ids["hopital"])
    page.locator(f"#entry-{ids['hopital']} .share").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    return page


@dataclass(frozen=True)
class Picture:
    """A picture of the gallery: its name, the text about it, and how to take it."""

    name: str
    says: str
    state: Callable[[Gallery, View], Page]
    """The function that opens a page, brings it into the state to be shown, and returns it."""
    sizes: tuple[str, ...] = ("wide",)
    options: dict[str, Any] = field(default_factory=dict)


SIZES = {
    "wide": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
    # What 1,280 × 900 pixels become at 200 %.
    "zoom": {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2},
}
BOTH = ("wide", "phone")
DARK = {"color_scheme": "dark"}
PICTURES = [
    Picture("index", "All live blogs.", index),
    Picture(
        "upcoming", "Announced: the title and the summary stand, and a line says that it is about to begin.", upcoming
    ),
    Picture("empty", "Open, and nothing published yet.", empty, BOTH),
    Picture("live", "Live, at rest: key moments, the pinned entry, the newest entries.", live, BOTH),
    Picture("live-dark", "The same where the device is set to dark.", live, BOTH, DARK),
    Picture(
        "pending",
        "New entries while the reader is further down: what is read stays, a button and the title count.",
        pending,
        BOTH,
    ),
    Picture("corrected", "An entry that was edited, with its correction.", corrected, BOTH),
    Picture("told", "The correction told, once, to a reader who had read the old text.", told, BOTH),
    Picture("told-gone", "The same after that entry was deleted: nothing of it is left.", told_gone, BOTH),
    Picture("labels", "Denied claims only, and what each label means.", labels, BOTH),
    Picture("picture", "A picture, with its credit.", picture, BOTH),
    Picture("pictures", "A gallery and a quote.", pictures, BOTH),
    Picture("video", "The card of a video, after a click: nothing was requested from its site yet.", video, BOTH),
    Picture("since", "Back after two hours: what came since, and a way to read on from there.", since, BOTH),
    Picture("since-gone", "The same after the first of them was deleted.", since_gone, BOTH),
    Picture("ended", "Ended.", ended),
    Picture("permalink", "A link to one entry opens at it, among its neighbours.", permalink, BOTH),
    Picture("gone", "A link to an entry that was deleted (410).", gone),
    Picture("missing", "A link that leads nowhere (404).", missing, ("phone",)),
    Picture("offline", "Without a network: what was read last, and how old it is.", offline, ("phone",)),
    Picture("reconnecting", "The connection has been away for more than five seconds.", reconnecting, ("phone",)),
    Picture("plain", "Without JavaScript: older entries are a link.", plain, BOTH, {"java_script_enabled": False}),
    Picture("older", "A page of older entries.", older, BOTH),
    Picture("oldest", "From the beginning.", oldest),
    Picture("tag", "Only the entries with a tag.", tag, ("phone",)),
    Picture("keyboard", "Where the keyboard is.", keyboard),
    Picture("arabic", "A live blog in Arabic; our own texts, which we don't have in it, are English.", arabic, BOTH),
    Picture("zoom", "At 200 %.", live, ("zoom",)),
]
