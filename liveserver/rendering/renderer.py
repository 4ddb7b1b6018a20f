"""Live blogs and entries as HTML. An entry's HTML is made here once; page, widget and stream all show the same."""

from __future__ import annotations

import json
import sys
from copy import copy
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from sys import getsizeof
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from liveserver.content.blocks import MEDIA_PATH
from liveserver.content.body_renderer import BodyRenderer
from liveserver.content.embed_providers import EmbedProviders
from liveserver.content.plain_text import BLOCK, plain_text, shortened
from liveserver.content.translations import FALLBACK, Translations, text_direction, texts_for
from liveserver.domain.change import Position
from liveserver.domain.entry import Entry, Verification
from liveserver.domain.errors import SettingsError
from liveserver.protocol import encoding
from liveserver.rendering import share_card
from liveserver.rendering.pacing import Pace
from liveserver.rendering.page_models import EVERY, EntryPageView, Only, Order, PageView
from liveserver.rendering.structured_data import entry_posting, liveblog_posting
from liveserver.utils.lru_cache import KEPT_BYTES, LruCache

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from jinja2 import Template

    from liveserver.content.media.picture import Illustration
    from liveserver.domain.liveblog import Liveblog

TITLE_LENGTH = 80
DESCRIPTION_LENGTH = 200
CARD_TITLE_LENGTH = 160
FEEDS = {
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    "json": "application/feed+json",
}
"""The media type of each feed, by the ending of its address."""
KEY_EVENTS_SHOWN = 4
"""The newest key events, which stand in the summary as it opens; the others are folded below them."""

LONG_TEXT = 600
"""Characters beyond which a pinned entry is folded."""

ARTICLES_BYTES = 16 * 1024 * 1024
"""Memory for the HTML of entries, so that a change of one costs the rendering of one."""
TEXTS_BYTES = 16 * 1024 * 1024
"""Memory for the text of entries' bodies, which search engines are told and titles are made from: a page asks for each
three times, and twenty of the longest that are accepted take half of it."""
ENTRY_BYTES = 1024
"""What an entry takes beside its body, about."""


@dataclass(frozen=True, slots=True)
class Assets:
    """The reader's built files, as paths below `/static/`."""

    script: str = "reader.js"
    styles: tuple[str, ...] = ("reader.css",)
    icon: str = "icon.svg"

    @classmethod
    def built(cls) -> Assets:
        """What Vite's manifest names. Raises `SettingsError` if the bundle is missing."""
        manifest = files("liveserver.rendering") / "static" / ".vite" / "manifest.json"
        try:
            entry = json.loads(manifest.read_text("utf-8"))["src/reader/main.ts"]
        except FileNotFoundError:
            raise SettingsError("the front end is not built: run make web") from None
        return cls(script=entry["file"], styles=tuple(entry.get("css", ())))


@cache
def _environment() -> Environment:
    """The templates. Compiling them takes longer than anything else that a new application does."""
    templates = (files("liveserver.rendering") / "templates").iterdir()
    return Environment(
        loader=DictLoader({file.name: file.read_text("utf-8") for file in templates if file.name.endswith(".html")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


class Renderer:
    """Makes HTML; holds templates, texts, and what it made of entries last. All methods are pure; for one thread.

    `public_url` is the site's address without a trailing slash: `https://live.example.org`; its host's name stands for
    `site_name` where that is None. `media_url`: where readers get pictures, if not there. `mastodon_hosts`: servers
    whose posts are shown, beside the known ones.
    """

    def __init__(
        self,
        *,
        public_url: str,
        site_name: str | None = None,
        assets: Assets | None = None,
        media_url: str | None = None,
        mastodon_hosts: Collection[str] = (),
    ) -> None:
        self.home_url = f"{public_url}/"
        self.site_name = site_name or urlsplit(public_url).hostname or public_url
        self._public_url = public_url
        self.media_url = media_url or public_url + MEDIA_PATH
        """What stands before the slash and a picture's name."""
        self.embed_providers = EmbedProviders(mastodon_hosts)
        self.bodies = BodyRenderer(media_url=self.media_url, embed_providers=self.embed_providers)
        self._base_path = urlsplit(public_url).path
        self._assets = assets or Assets.built()
        self._environment = _environment()
        self._entry = self._environment.get_template("entry.html")
        self._articles_made: LruCache[tuple[Template, str, str, str, Entry], str] = LruCache(ARTICLES_BYTES)
        self._texts_made: LruCache[str, str] = LruCache(TEXTS_BYTES)
        self._content = self._environment.get_template("content.html")

    def liveblog_url(self, slug: str) -> str:
        """The live blog's page."""
        return f"{self._public_url}/live/{slug}"

    def list_url(self, slug: str, *, order: Order = "newest", cursor: str | None = None, only: Only = EVERY) -> str:
        """A page of some of a live blog's entries."""
        query = {
            "tag": only.tag,
            "key_events": "true" if only.key_events else None,
            "verification": only.verification and only.verification.value,
            "order": None if order == "newest" else order,
            "cursor": cursor,
        }
        given = urlencode({name: value for name, value in query.items() if value is not None}, quote_via=quote, safe="")
        return f"{self.liveblog_url(slug)}?{given}" if given else self.liveblog_url(slug)

    def entry_url(self, slug: str, entry_id: str) -> str:
        """The entry's permalink."""
        return f"{self._public_url}/live/{slug}/entries/{entry_id}"

    def feed_url(self, slug: str, kind: str) -> str:
        """One of the live blog's `FEEDS`."""
        return f"{self._public_url}/live/{slug}/feed.{kind}"

    def liveblog_card(self, liveblog: Liveblog) -> share_card.Card:
        """What the picture of the live blog's page says."""
        return share_card.liveblog_card(liveblog, site=self.site_name)

    def entry_card(self, liveblog: Liveblog, entry: Entry) -> share_card.Card:
        """What the picture of a published entry's page says."""
        text = self.entry_text(entry)
        # Not `entry_title`: the label has a place of its own on the picture.
        title = entry.heading or shortened(text, CARD_TITLE_LENGTH)
        return share_card.entry_card(
            liveblog, entry, site=self.site_name, title=title, text=text if entry.heading else ""
        )

    def liveblog_card_url(self, liveblog: Liveblog) -> str:
        """Where the picture is: another address after each change that is seen on it."""
        return f"{self.liveblog_url(liveblog.slug)}/card-{self.liveblog_card(liveblog).hash}.png"

    def entry_card_url(self, liveblog: Liveblog, entry: Entry) -> str:
        """The same of a published entry."""
        return f"{self.entry_url(liveblog.slug, entry.id)}/card-{self.entry_card(liveblog, entry).hash}.png"

    def entry_title(self, liveblog: Liveblog, entry: Entry) -> str:
        """The entry in one line of plain text, wherever that stands alone: of a claim after its label."""
        return self._after_label(liveblog, entry, self.bare_title(entry))

    def bare_title(self, entry: Entry) -> str:
        """The heading, else the beginning of the body's text, about 80 characters cut at a word; without any label."""
        return entry.heading or shortened(self.entry_text(entry), TITLE_LENGTH) or "…"

    def claim_label(self, liveblog: Liveblog, entry: Entry) -> str:
        """How sure the newsroom is of a claim, and whose word that is; empty where the entry is none."""
        return _label(texts_for(liveblog.language), entry) if entry.is_claim else ""

    def entry_text(self, entry: Entry) -> str:
        """The body without markup, on one line."""
        text = self._texts_made.get(entry.body)
        if text is None:
            text = plain_text(entry.body)
            self._texts_made.put(entry.body, text, getsizeof(text) + getsizeof(entry.body) + KEPT_BYTES)
        return text

    def entry_illustrations(self, entry: Entry) -> list[Illustration]:
        """The pictures in the body, for machines that show them apart from it."""
        return self.bodies.illustrations(entry.body)

    def labelled_text(self, liveblog: Liveblog, entry: Entry) -> str:
        """The body without markup for where it stands alone: of a claim after its label."""
        return self._after_label(liveblog, entry, self.entry_text(entry))

    def entry_summary(self, liveblog: Liveblog, entry: Entry) -> str:
        """The beginning of the text, after the label where the entry has one, be it that of what is confirmed."""
        texts = texts_for(liveblog.language)
        return shortened(texts.labelled(_label(texts, entry), self.entry_text(entry)), DESCRIPTION_LENGTH)

    def _after_label(self, liveblog: Liveblog, entry: Entry, text: str) -> str:
        return texts_for(liveblog.language).labelled(self.claim_label(liveblog, entry), text)

    async def prepared(
        self, liveblog: Liveblog, entries: Iterable[Entry], *, named: Iterable[Entry] = (), feed: bool = False
    ) -> Renderer:
        """A renderer for one answer, which has the HTML and the texts of published entries, and of others the texts.

        The answer would have them made in a row, and nothing else would be done meanwhile: here the event loop has its
        turn after each few milliseconds. They are the answer's own: what is remembered for all may have no room for
        as much, and another thread may use them. `feed`: as `entry_content`.
        """
        own = copy(self)
        # For this answer only, so it needn't forget anything.
        own._articles_made, own._texts_made = LruCache(sys.maxsize), LruCache(sys.maxsize)
        template = self._content if feed else self._entry
        pace = Pace()
        for entry in entries:
            html = self._remembered(template, liveblog, entry)
            own._articles_made.put(self._key(template, liveblog, entry), html, 0)
            own._texts_made.put(entry.body, self.entry_text(entry), 0)
            await pace.step()
        for entry in named:
            own._texts_made.put(entry.body, self.entry_text(entry), 0)
            await pace.step()
        return own

    def entry_html(self, liveblog: Liveblog, entry: Entry) -> str:
        """The whole published entry as one `<article>`. It depends on nothing but the two arguments.

        Made once while it is remembered: a change of one entry must not cost the rendering of twenty.
        """
        return self._remembered(self._entry, liveblog, entry)

    def entry_content(self, liveblog: Liveblog, entry: Entry) -> str:
        """What a published entry says, for a feed: label, body, source and corrections; not the heading or byline."""
        return self._remembered(self._content, liveblog, entry)

    def _remembered(self, template: Template, liveblog: Liveblog, entry: Entry) -> str:
        key = self._key(template, liveblog, entry)
        html = self._articles_made.get(key)
        if html is None:
            html = self._entry_as(template, liveblog, entry)
            self._articles_made.put(key, html, getsizeof(html) + getsizeof(entry.body) + ENTRY_BYTES)
        return html

    @staticmethod
    def _key(template: Template, liveblog: Liveblog, entry: Entry) -> tuple[Template, str, str, str, Entry]:
        # The entry itself, not its id and version: a restored backup may hold another entry of that version.
        return (template, liveblog.slug, liveblog.language, liveblog.timezone, entry)

    def _entry_as(self, template: Template, liveblog: Liveblog, entry: Entry) -> str:
        assert entry.published_at is not None
        texts = texts_for(liveblog.language)
        zone = ZoneInfo(liveblog.timezone)
        published = entry.published_at.astimezone(zone)
        body = entry.body if BLOCK.search(entry.body) else f"<p>{entry.body}</p>"
        in_feed = template is self._content
        return template.render(
            entry=entry,
            title=self.entry_title(liveblog, entry),
            body=Markup(self.bodies.with_pictures(body) if in_feed else self.bodies.shown(body, texts)),
            url=self.entry_url(liveblog.slug, entry.id),
            published=published,
            edited=_edited(texts, published, entry, zone),
            verification=_verification(texts, entry),
            verification_url=self.list_url(liveblog.slug, only=Only(verification=entry.verification)),
            via=_via(texts, entry),
            tags=[(tag, self.list_url(liveblog.slug, only=Only(tag=tag))) for tag in entry.tags],
            long=len(self.entry_text(entry)) > LONG_TEXT,
            corrections=[(c.at.astimezone(zone), c.note) for c in entry.corrections],
            t=texts,
            timestamp=encoding.timestamp,
        )

    def page(self, view: PageView) -> str:
        """`/live/{slug}`: its first page, and every other choice of its entries."""
        slug, texts = view.liveblog.slug, texts_for(view.liveblog.language)
        apart = view.order == "newest" and view.only == EVERY
        entries = [entry for entry in view.entries if not (apart and entry.pinned)]
        pinned, key_events = (view.pinned, view.key_events) if view.first else ([], [])
        posting = None
        if view.first:
            shown = [*pinned, *entries]
            posting = json_block(
                liveblog_posting(
                    view.liveblog,
                    shown,
                    self,
                    key_events=key_events,
                    began_at=view.began_at,
                    changed_at=view.changed_at,
                )
            )
        other: Order = "oldest" if view.order == "newest" else "newest"
        return self._render(
            "page.html",
            view.liveblog,
            kind="first" if view.first else "older",
            root=_root(view.order, view.only),
            view=view,
            entries=self._articles(view.liveblog, entries),
            pinned=self._articles(view.liveblog, pinned),
            key_events=self._key_events(view.liveblog, key_events, {entry.id for entry in [*pinned, *entries]}),
            key_events_shown=KEY_EVENTS_SHOWN,
            updated=_last_update([*pinned, *entries], view.newer_cursor) if view.only == EVERY else None,
            card=self.liveblog_card_url(view.liveblog),
            card_alt=view.liveblog.title,
            ends=self._ends(view, view.entries, view.only),
            other_order=other,
            other_order_url=self.list_url(slug, order=other, only=view.only),
            filters=self._filters(slug, texts, view.only),
            only=_only_label(texts, view.only),
            json_ld=posting,
        )

    def entry_page(self, view: EntryPageView) -> str:
        """`/live/{slug}/entries/{id}`: the entry in its place, between those just after and just before it."""
        entries = [*view.newer, view.entry, *view.older]
        if view.order == "oldest":
            entries.reverse()
        return self._render(
            "entry_page.html",
            view.liveblog,
            kind="entry",
            root={**_root(view.order, EVERY), "data-focus": view.entry.id},
            view=view,
            entry=view.entry,
            entry_url=self.entry_url(view.liveblog.slug, view.entry.id),
            title=self.entry_title(view.liveblog, view.entry),
            description=self.entry_summary(view.liveblog, view.entry),
            card=self.entry_card_url(view.liveblog, view.entry),
            card_alt=self.entry_title(view.liveblog, view.entry),
            json_ld=json_block(entry_posting(view.liveblog, view.entry, self)),
            entries=[
                (day, label, _linked(html) if entry.id == view.entry.id else html)
                for entry, (day, label, html) in zip(entries, self._articles(view.liveblog, entries), strict=True)
            ],
            ends=self._ends(view, entries, EVERY),
            updated=_last_update(entries, view.newer_cursor),
        )

    def fill(self, template: str, language: str, **values: Any) -> str:
        """A template of our own, with what the frame of every page needs, and `values`."""
        return self._environment.get_template(template).render({**self._frame(language), **values})

    def dated_articles(self, liveblog: Liveblog, entries: list[Entry]) -> list[tuple[str, str, Markup]]:
        """Of published entries the day, for machines and for readers, and the HTML."""
        return self._articles(liveblog, entries)

    def oembed_url(self, slug: str) -> str:
        """Where a CMS learns how to embed the live blog."""
        return f"{self._public_url}/oembed?{urlencode({'url': self.liveblog_url(slug)})}"

    def _ends(self, view: PageView | EntryPageView, entries: list[Entry], only: Only) -> dict[str, End]:
        """What lies beyond a page's entries in time: of either side the way there."""
        slug = view.liveblog.slug
        newest, oldest = (entries[-1:], entries[:1]) if view.order == "oldest" else (entries[:1], entries[-1:])
        return {
            "newer": _end(
                self.list_url(slug, order="oldest", cursor=view.newer_cursor, only=only), view.newer_cursor, newest
            ),
            "older": _end(self.list_url(slug, cursor=view.older_cursor, only=only), view.older_cursor, oldest),
        }

    def _filters(self, slug: str, texts: Translations, only: Only) -> list[dict[str, Any]]:
        """What a reader may limit the list to, with what the verifications mean."""
        kinds = [("key_event", Only(key_events=True)), *((v.value, Only(verification=v)) for v in Verification)]
        return [
            {
                "name": name,
                "label": texts.text(f"entry.{name}"),
                "meaning": texts.text(f"meaning.{name}"),
                "url": self.list_url(slug, only=choice),
                "chosen": choice == only,
            }
            for name, choice in kinds
        ]

    def error_page(
        self, status: int, *, language: str = FALLBACK, liveblog: Liveblog | None = None, seconds: int | None = None
    ) -> str:
        """The page of a 403, a 404, a 410 (a deleted entry), a 429 or a 503; links to the live blog if it is given.

        `seconds`: after how many a browser asks again by itself, of a 429.
        """
        kind = {403: "not_here", 404: "not_found", 410: "gone", 429: "too_many"}.get(status, "unavailable")
        return self._environment.get_template("error.html").render(
            self._frame(texts_for(liveblog.language if liveblog else language).language),
            status=status,
            kind=kind,
            seconds=str(seconds),
            liveblog=liveblog,
            liveblog_url=liveblog and self.liveblog_url(liveblog.slug),
            text_direction=text_direction,
        )

    def index_page(self, liveblogs: list[Liveblog]) -> str:
        """`/`: the live blogs in the order given, in the language of the first, as far as we have texts in it."""
        return self._environment.get_template("index.html").render(
            self._frame(texts_for(liveblogs[0].language if liveblogs else FALLBACK).language),
            site_name=self.site_name,
            liveblogs=[(liveblog, self.liveblog_url(liveblog.slug)) for liveblog in liveblogs],
            text_direction=text_direction,
        )

    def _render(self, template: str, liveblog: Liveblog, *, kind: str, root: dict[str, str], **values: Any) -> str:
        texts = texts_for(liveblog.language)
        return self._environment.get_template(template).render(
            self._frame(liveblog.language),
            liveblog=liveblog,
            liveblog_url=self.liveblog_url(liveblog.slug),
            site_name=self.site_name,
            feeds=[(media_type, self.feed_url(liveblog.slug, kind)) for kind, media_type in FEEDS.items()],
            oembed_url=self.oembed_url(liveblog.slug),
            zone=ZoneInfo(liveblog.timezone),
            root={
                "data-liveblog-slug": liveblog.slug,
                "data-api": f"{self._base_path}/api/v1/liveblogs/{liveblog.slug}",
                "data-position": str(Position(liveblog.epoch, liveblog.seq)),
                "data-language": liveblog.language,
                "data-timezone": liveblog.timezone,
                "data-page": kind,
                "data-url": self.liveblog_url(liveblog.slug),
                **root,
            },
            reader_texts=json_block(
                {
                    "locale": texts.language,
                    "dates": texts.tables["dates"],
                    "status": texts.tables["status"],
                    "reader": texts.tables["reader"],
                    "attributes": texts.attributes,
                }
            ),
            **values,
        )

    def _frame(self, language: str) -> dict[str, Any]:
        """What the frame of every page needs."""
        return {
            "t": texts_for(language),
            "language": language,
            "direction": text_direction(language),
            "assets": self._assets,
            "static": f"{self._base_path}/static/",
            "home_url": self.home_url,
            "timestamp": encoding.timestamp,
            "root": {},
        }

    def _articles(self, liveblog: Liveblog, entries: list[Entry]) -> list[tuple[str, str, Markup]]:
        """Each entry's day (as the separators name it, for machines and for readers) and its HTML."""
        zone, texts = ZoneInfo(liveblog.timezone), texts_for(liveblog.language)
        articles = []
        for entry in entries:
            assert entry.published_at is not None
            moment = entry.published_at.astimezone(zone)
            html = Markup(self.entry_html(liveblog, entry))
            articles.append((moment.date().isoformat(), texts.date(moment), html))
        return articles

    def _key_events(self, liveblog: Liveblog, key_events: list[Entry], shown: set[str]) -> list[dict[str, str]]:
        """The lines of the summary: linked to the entry on this page, else to its permalink."""
        zone, texts = ZoneInfo(liveblog.timezone), texts_for(liveblog.language)
        moments = [entry.published_at.astimezone(zone) for entry in key_events if entry.published_at]
        one_day = len({moment.date() for moment in moments}) == 1
        return [
            {
                "id": entry.id,
                "title": self.entry_title(liveblog, entry),
                "url": self.entry_url(liveblog.slug, entry.id),
                "href": f"#entry-{entry.id}" if entry.id in shown else self.entry_url(liveblog.slug, entry.id),
                "published_at": encoding.timestamp(moment),
                "time": texts.time(moment) if one_day else texts.short_date_time(moment),
            }
            for entry, moment in zip(key_events, moments, strict=True)
        ]


def _edited(texts: Translations, published: datetime, entry: Entry, zone: ZoneInfo) -> str | None:
    """The mark of an entry that was edited after it was published (a backdated one is created after that)."""
    if entry.updated_at <= max(published, entry.created_at):
        return None
    updated = entry.updated_at.astimezone(zone)
    if updated.date() == published.date():
        return texts.text("entry.edited", time=texts.time(updated))
    return texts.text("entry.edited_other_day", date=texts.short_date(updated), time=texts.time(updated))


class End(NamedTuple):
    """An end of a page's list."""

    url: str
    cursor: str
    """Empty where nothing lies beyond."""
    place: str
    """The last entry on this side, shown or not: its time and id, as a script wants them."""


def _end(url: str, cursor: str | None, last: list[Entry]) -> End:
    place = "".join(f"{encoding.timestamp(entry.published_at)} {entry.id}" for entry in last if entry.published_at)
    return End(url, cursor or "", place)


def _linked(html: Markup) -> Markup:
    """The entry that a permalink leads to: browsers open the page there, also without the script."""
    return Markup(str(html).replace('<article class="entry', '<article tabindex="-1" autofocus class="entry focus', 1))


def _root(order: Order, only: Only) -> dict[str, str]:
    """What a script must know of a page that shows its entries otherwise than `/live/{slug}`."""
    found: dict[str, str] = {} if order == "newest" else {"data-order": order}
    if only != EVERY:
        found["data-only"] = encoding.dumps(only._asdict()).decode()
    return found


def _only_label(texts: Translations, only: Only) -> tuple[str, str] | None:
    """What a page is limited to, and what that means; None if to nothing."""
    if only.verification is not None:
        return texts.text(f"entry.{only.verification.value}"), texts.text(f"meaning.{only.verification.value}")
    if only.key_events:
        return texts.text("entry.key_event"), texts.text("meaning.key_event")
    return None if only.tag is None else (f"#{only.tag}", "")


def _label(texts: Translations, entry: Entry) -> str:
    return texts.verification(entry.verification.value, entry.source) if entry.verification else ""


def _verification(texts: Translations, entry: Entry) -> Markup | None:
    if entry.verification is None:
        return None
    name = f"entry.{Verification(entry.verification).value}"
    return texts.html(f"{name}_source", source=entry.source) if entry.source else texts.html(name)


def _via(texts: Translations, entry: Entry) -> Markup | None:
    if entry.via is None:
        return None
    link = Markup('<a href="{}" rel="noopener noreferrer">{}</a>').format(entry.via.url, entry.via.name)
    return texts.html("entry.via", whose=link)


def _last_update(entries: list[Entry], newer_cursor: str | None) -> datetime | None:
    """None where a page doesn't reach to the newest: the live blog's last update is on another."""
    return None if newer_cursor else max((entry.updated_at for entry in entries), default=None)


def json_block(value: Any) -> Markup:
    """JSON that is safe inside a `<script>` element."""
    return Markup(encoding.dumps(value).decode().replace("<", "\\u003c"))
