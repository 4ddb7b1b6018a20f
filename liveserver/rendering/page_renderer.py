"""The reader's pages as HTML: pages of a live blog and of an entry, the list of live blogs, and pages for errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from markupsafe import Markup

from liveserver.content.translations import FALLBACK, Translations, text_direction, texts_for
from liveserver.domain.change import Position
from liveserver.domain.entry import Entry, Verification
from liveserver.protocol import json_encoding
from liveserver.rendering.assets import Assets
from liveserver.rendering.page_models import EVERY, EntryPageView, Only, Order, PageView
from liveserver.rendering.share_card import ShareCards
from liveserver.rendering.structured_data import entry_posting, liveblog_posting
from liveserver.rendering.template import json_block, template
from liveserver.rendering.urls import FEEDS, Urls

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.domain.liveblog import Liveblog
    from liveserver.rendering.entry_renderer import EntryRenderer

KEY_EVENTS_SHOWN = 4
"""The number of key events that the summary at the top of a page shows unfolded. These are the newest key events. The
other key events are folded below."""


@dataclass(frozen=True)
class PageRenderer:
    """Renders whole pages. It does no I/O, and only one thread may use it.

    `entries`: the renderer of the single entries on a page.
    """

    entries: EntryRenderer
    assets: Assets = field(default_factory=Assets.built)

    @property
    def urls(self) -> Urls:
        """The site's addresses."""
        return self.entries.urls

    @property
    def cards(self) -> ShareCards:
        """The site's share cards."""
        return ShareCards(self.entries)

    def page(self, view: PageView) -> str:
        """Return the HTML of `/live/{slug}`: the first page, or a page with older entries, another order or a
        filter."""
        slug, texts = view.liveblog.slug, texts_for(view.liveblog.language)
        pinned_apart = view.order == "newest" and view.only == EVERY
        entries = [entry for entry in view.entries if not (pinned_apart and entry.pinned)]
        pinned, key_events = (view.pinned, view.key_events) if view.first else ([], [])
        posting = None
        if view.first:
            shown = [*pinned, *entries]
            posting = json_block(
                liveblog_posting(
                    view.liveblog,
                    shown,
                    self.entries,
                    key_events=key_events,
                    began_at=view.began_at,
                    changed_at=view.changed_at,
                )
            )
        other: Order = "oldest" if view.order == "newest" else "newest"
        return self._liveblog_page(
            "page.html",
            view.liveblog,
            kind="first" if view.first else "older",
            root=_root(view.order, view.only),
            view=view,
            entries=self.entries.articles(view.liveblog, entries),
            pinned=self.entries.articles(view.liveblog, pinned),
            key_events=self._key_events(view.liveblog, key_events, {entry.id for entry in [*pinned, *entries]}),
            key_events_shown=KEY_EVENTS_SHOWN,
            updated=_last_update([*pinned, *entries], view.newer_cursor) if view.only == EVERY else None,
            card=self.cards.liveblog_url(view.liveblog),
            card_alt=view.liveblog.title,
            ends=self._ends(view, view.entries, view.only),
            other_order=other,
            other_order_url=self.urls.entries(slug, order=other, only=view.only),
            filters=self._filters(slug, texts, view.only),
            only=_only_label(texts, view.only),
            json_ld=posting,
        )

    def entry_page(self, view: EntryPageView) -> str:
        """Return the HTML of `/live/{slug}/entries/{id}`, which shows the entry, and entries before and after it."""
        entries = [*view.newer, view.entry, *view.older]
        if view.order == "oldest":
            entries.reverse()
        return self._liveblog_page(
            "entry_page.html",
            view.liveblog,
            kind="entry",
            root={**_root(view.order, EVERY), "data-focus": view.entry.id},
            view=view,
            entry=view.entry,
            entry_url=self.urls.entry(view.liveblog.slug, view.entry.id),
            title=self.entries.title(view.liveblog, view.entry),
            description=self.entries.summary(view.liveblog, view.entry),
            card=self.cards.entry_url(view.liveblog, view.entry),
            card_alt=self.entries.title(view.liveblog, view.entry),
            json_ld=json_block(entry_posting(view.liveblog, view.entry, self.entries)),
            entries=[
                (day, label, _linked(html) if entry.id == view.entry.id else html)
                for entry, (day, label, html) in zip(
                    entries, self.entries.articles(view.liveblog, entries), strict=True
                )
            ],
            ends=self._ends(view, entries, EVERY),
            updated=_last_update(entries, view.newer_cursor),
        )

    def error_page(
        self, status: int, *, language: str = FALLBACK, liveblog: Liveblog | None = None, seconds: int | None = None
    ) -> str:
        """Return the HTML of the page for a 403, a 404, a 410 (a deleted entry), a 429 or a 503.

        `liveblog`: the live blog to which the page links; the page is then in the live blog's language. None for a page
        without such a link; the page is then in `language`. `seconds`: for a 429, the number of seconds after which the
        browser reloads the page, for the page's text; None for other statuses.
        """
        kind = {403: "not_here", 404: "not_found", 410: "gone", 429: "too_many"}.get(status, "unavailable")
        return self.fill(
            "error.html",
            texts_for(liveblog.language if liveblog else language).language,
            status=status,
            kind=kind,
            seconds=str(seconds),
            liveblog=liveblog,
            liveblog_url=liveblog and self.urls.liveblog(liveblog.slug),
            text_direction=text_direction,
        )

    def index_page(self, liveblogs: list[Liveblog], language: str | None = None) -> str:
        """Return the HTML of `/`, which lists the live blogs in the given order.

        `language`: the reader's language; None if we have no texts in it. In that case, the page is in the language of
        the first live blog. It is in English if we have no texts in that language, or if there is no live blog.
        """
        return self.fill(
            "index.html",
            texts_for(language or (liveblogs[0].language if liveblogs else FALLBACK)).language,
            site_name=self.entries.site_name,
            liveblogs=[(liveblog, self.urls.liveblog(liveblog.slug)) for liveblog in liveblogs],
            text_direction=text_direction,
        )

    def fill(self, name: str, language: str, **values: Any) -> str:
        """Return the HTML of the template file `name`, filled with `values` and with the values that every page needs.

        Every page needs, among others, our texts in `language` and the addresses of its scripts and styles.
        """
        frame = {
            "t": texts_for(language),
            "language": language,
            "direction": text_direction(language),
            "assets": self.assets,
            "static": self.urls.static_path,
            "home_url": self.urls.home,
            "timestamp": json_encoding.timestamp,
            "root": {},
        }
        return template(name).render({**frame, **values})

    def _ends(self, view: PageView | EntryPageView, entries: list[Entry], only: Only) -> dict[str, End]:
        """Return the ends of a page's list of entries: a dict with the keys `newer` and `older`.

        `entries`: the list in the page's order. `only`: the filter of the pages to which the ends link.
        """
        slug = view.liveblog.slug
        newest, oldest = (entries[-1:], entries[:1]) if view.order == "oldest" else (entries[:1], entries[-1:])
        return {
            "newer": _end(
                self.urls.entries(slug, order="oldest", cursor=view.newer_cursor, only=only), view.newer_cursor, newest
            ),
            "older": _end(self.urls.entries(slug, cursor=view.older_cursor, only=only), view.older_cursor, oldest),
        }

    def _filters(self, slug: str, texts: Translations, only: Only) -> list[dict[str, Any]]:
        """Return the filters that a reader may choose, as the template's values: key events, and one per verification.

        `only`: the filter of this page.
        """
        filters = [("key_event", Only(key_events=True)), *((v.value, Only(verification=v)) for v in Verification)]
        return [
            {
                "name": name,
                "label": texts.text(f"entry.{name}"),
                "meaning": texts.text(f"meaning.{name}"),
                "url": self.urls.entries(slug, only=choice),
                "chosen": choice == only,
            }
            for name, choice in filters
        ]

    def _liveblog_page(self, name: str, liveblog: Liveblog, *, kind: str, root: dict[str, str], **values: Any) -> str:
        """Fill the template `name` for a page of a live blog, and return the page's HTML.

        The page's `<html>` element has attributes that tell the page's script which entries the page shows. `kind`: the
        value of `data-page` (`first`, `older` or `entry`). `root`: further attributes, by name.
        """
        texts = texts_for(liveblog.language)
        return self.fill(
            name,
            liveblog.language,
            liveblog=liveblog,
            liveblog_url=self.urls.liveblog(liveblog.slug),
            site_name=self.entries.site_name,
            feeds=[(media_type, self.urls.feed(liveblog.slug, extension)) for extension, media_type in FEEDS.items()],
            oembed_url=self.urls.oembed(liveblog.slug),
            zone=ZoneInfo(liveblog.timezone),
            root={
                "data-liveblog-slug": liveblog.slug,
                "data-api": self.urls.api_path(liveblog.slug),
                "data-position": str(Position(liveblog.epoch, liveblog.seq)),
                "data-language": liveblog.language,
                "data-timezone": liveblog.timezone,
                "data-page": kind,
                "data-url": self.urls.liveblog(liveblog.slug),
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

    def _key_events(self, liveblog: Liveblog, key_events: list[Entry], shown: set[str]) -> list[dict[str, str]]:
        """Return the lines of the summary of key events, as values for the template.

        Each line links to its key event on this page, or to the permalink if this page doesn't show the key event.
        `shown`: the ids of the entries on this page.
        """
        zone, texts = ZoneInfo(liveblog.timezone), texts_for(liveblog.language)
        moments = [entry.published_at.astimezone(zone) for entry in key_events if entry.published_at]
        one_day = len({moment.date() for moment in moments}) == 1
        return [
            {
                "id": entry.id,
                "title": self.entries.title(liveblog, entry),
                "url": self.urls.entry(liveblog.slug, entry.id),
                "href": f"#entry-{entry.id}" if entry.id in shown else self.urls.entry(liveblog.slug, entry.id),
                "published_at": json_encoding.timestamp(moment),
                "time": texts.time(moment) if one_day else texts.short_date_time(moment),
            }
            for entry, moment in zip(key_events, moments, strict=True)
        ]


class End(NamedTuple):
    """One end of a page's list of entries, and the link to the entries beyond it."""

    url: str
    """The address of the page with the entries beyond this end. Readers don't see it if `cursor` is empty."""
    cursor: str
    """The cursor of the entries beyond this end; empty if there are no such entries."""
    place: str
    """The outermost entry at this end, for the page's script: its time of publication, a space, and its id.

    The outermost entry may be a pinned entry that the page shows at its top, not in its list. Empty without entries."""


def _end(url: str, cursor: str | None, last: list[Entry]) -> End:
    place = "".join(f"{json_encoding.timestamp(entry.published_at)} {entry.id}" for entry in last if entry.published_at)
    return End(url, cursor or "", place)


def _linked(html: Markup) -> Markup:
    """Return an entry's HTML, marked as the page's own entry. Browsers scroll to this entry even without a script."""
    return Markup(str(html).replace('<article class="entry', '<article tabindex="-1" autofocus class="entry focus', 1))


def _root(order: Order, only: Only) -> dict[str, str]:
    """Return the attributes of `<html>` from which a page's script reads the page's order and filter.

    The order `oldest` has an attribute, and so has a filter other than `EVERY`. The defaults have none.
    """
    attributes: dict[str, str] = {} if order == "newest" else {"data-order": order}
    if only != EVERY:
        attributes["data-only"] = json_encoding.dumps(only._asdict()).decode()
    return attributes


def _only_label(texts: Translations, only: Only) -> tuple[str, str] | None:
    """Return a filter's label, and a sentence that explains the filter to readers; None if there is no filter.

    The sentence is empty if the filter is a tag.
    """
    if only.verification is not None:
        return texts.text(f"entry.{only.verification.value}"), texts.text(f"meaning.{only.verification.value}")
    if only.key_events:
        return texts.text("entry.key_event"), texts.text("meaning.key_event")
    return None if only.tag is None else (f"#{only.tag}", "")


def _last_update(entries: list[Entry], newer_cursor: str | None) -> datetime | None:
    """Return the latest `updated_at` of a page's entries; None if the page has no entries, or isn't the newest page.

    `newer_cursor`: the cursor of the entries that are newer than the page's; None on the newest page.
    """
    return None if newer_cursor else max((entry.updated_at for entry in entries), default=None)
