"""Entries as HTML and as plain text. Pages, the widget and the stream show an entry with the same HTML."""

from __future__ import annotations

import sys
from copy import copy
from sys import getsizeof
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from markupsafe import Markup

from liveserver.content.body_renderer import BodyRenderer
from liveserver.content.embed_providers import EmbedProviders
from liveserver.content.plain_text import BLOCK, plain_text, shortened
from liveserver.content.translations import texts_for
from liveserver.domain.entry import Entry, Verification
from liveserver.protocol import json_encoding
from liveserver.rendering.page_models import Article, Only
from liveserver.rendering.template import template
from liveserver.utils.lru_cache import KEPT_BYTES, LruCache

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from jinja2 import Template

    from liveserver.content.media.picture import Illustration
    from liveserver.content.translations import Translations
    from liveserver.domain.liveblog import Liveblog
    from liveserver.rendering.urls import Urls

TITLE_LENGTH = 80
DESCRIPTION_LENGTH = 200
LONG_TEXT = 600
"""The length of an entry's text, in characters, above which a pinned entry is folded."""

ARTICLES_BYTES = 16 * 1024 * 1024
"""The greatest number of bytes that a renderer uses for remembered HTML, and for the entries in this HTML.

Remembered HTML needn't be made again when another entry of the page changes."""
TEXTS_BYTES = 16 * 1024 * 1024
"""The greatest number of bytes that a renderer uses for remembered plain texts, and for the bodies of these texts.

Rendering one page uses the text of an entry several times, for example for its title. Twenty bodies of the greatest
length and their texts need half of these bytes."""
ENTRY_BYTES = 1024
"""The approximate number of bytes that a remembered entry needs besides its body and its HTML."""


class EntryRenderer:
    """Renders published entries, and remembers the HTML and the plain texts that were used most recently.

    It does no I/O, and only one thread may use it. `site_name`: the site's name for readers; None for the host name in
    the site's address.
    """

    def __init__(
        self, urls: Urls, *, site_name: str | None = None, embed_providers: EmbedProviders | None = None
    ) -> None:
        self.urls = urls
        self.site_name = site_name or urls.host
        self.embed_providers = embed_providers or EmbedProviders()
        self._bodies = BodyRenderer(media_url=urls.media, embed_providers=self.embed_providers)
        self._article = template("entry.html")
        self._content = template("content.html")
        self._rendered: LruCache[tuple[Template, str, str, str, Entry], str] = LruCache(ARTICLES_BYTES)
        self._texts: LruCache[str, str] = LruCache(TEXTS_BYTES)

    def article(self, liveblog: Liveblog, entry: Entry) -> str:
        """Return the whole entry as HTML, in one `<article>`.

        Equal arguments give the same HTML. The HTML is remembered, so that the change of one entry doesn't make the
        server render the other entries of the page again.
        """
        return self._remembered(self._article, liveblog, entry)

    def content(self, liveblog: Liveblog, entry: Entry) -> str:
        """Return the entry's HTML for a feed: label, body, source and corrections, without heading and byline."""
        return self._remembered(self._content, liveblog, entry)

    def articles(self, liveblog: Liveblog, entries: Iterable[Entry]) -> list[Article]:
        """Return an `Article` for each entry, in the given order. The entries must be published."""
        zone, texts = ZoneInfo(liveblog.timezone), texts_for(liveblog.language)
        articles = []
        for entry in entries:
            assert entry.published_at is not None
            moment = entry.published_at.astimezone(zone)
            html = Markup(self.article(liveblog, entry))
            articles.append(Article(moment.date().isoformat(), texts.date(moment), html))
        return articles

    def title(self, liveblog: Liveblog, entry: Entry) -> str:
        """Return the entry's `bare_title` on one line of plain text. If the entry is a claim, its label comes first."""
        return self._after_label(liveblog, entry, self.bare_title(entry))

    def bare_title(self, entry: Entry) -> str:
        """Return the entry's title without a label: its heading, or else the beginning of its text, or else `…`.

        The beginning has at most `TITLE_LENGTH` characters, and an ellipsis if the text is longer.
        """
        return entry.heading or shortened(self.text(entry), TITLE_LENGTH) or "…"

    def text(self, entry: Entry) -> str:
        """Return the entry's body as plain text, on one line."""
        text = self._texts.get(entry.body)
        if text is None:
            text = plain_text(entry.body)
            self._texts.put(entry.body, text, getsizeof(text) + getsizeof(entry.body) + KEPT_BYTES)
        return text

    def labelled_text(self, liveblog: Liveblog, entry: Entry) -> str:
        """Return the entry's body as plain text, on one line. The text of a claim begins with the claim's label."""
        return self._after_label(liveblog, entry, self.text(entry))

    def summary(self, liveblog: Liveblog, entry: Entry) -> str:
        """Return the label of the entry's verification and the body's text, together cut to 200 or so characters.

        An entry without a verification has no label. Here, even a `confirmed` entry has a label.
        """
        texts = texts_for(liveblog.language)
        return shortened(texts.labelled(_label(texts, entry), self.text(entry)), DESCRIPTION_LENGTH)

    def claim_label(self, liveblog: Liveblog, entry: Entry) -> str:
        """Return a claim's label: how sure the newsroom is, and whose claim it is. Empty if the entry is no claim."""
        return _label(texts_for(liveblog.language), entry) if entry.is_claim else ""

    def illustrations(self, entry: Entry) -> list[Illustration]:
        """Return the pictures in an entry's body, in order, for the picture lists of feeds and structured data."""
        return self._bodies.illustrations(entry.body)

    def unbounded(self) -> EntryRenderer:
        """Return a new renderer for one answer. It has a memory of its own, empty at first and without a limit."""
        renderer = copy(self)
        renderer._rendered, renderer._texts = LruCache(sys.maxsize), LruCache(sys.maxsize)
        return renderer

    def share(self, other: EntryRenderer, liveblog: Liveblog, entry: Entry, *, feed: bool = False) -> None:
        """Put the entry's HTML and its body's plain text into the memory of `other`.

        If this renderer doesn't remember them, it makes them first. `feed`: True for the HTML of `content`; False
        for the HTML of `article`.
        """
        template = self._content if feed else self._article
        html = self._remembered(template, liveblog, entry)
        other._rendered.put(self._key(template, liveblog, entry), html, 0)
        self.share_text(other, entry)

    def share_text(self, other: EntryRenderer, entry: Entry) -> None:
        """Put the plain text of the entry's body into the memory of `other`.

        If this renderer doesn't remember the text, it makes the text first.
        """
        other._texts.put(entry.body, self.text(entry), 0)

    def _after_label(self, liveblog: Liveblog, entry: Entry, text: str) -> str:
        return texts_for(liveblog.language).labelled(self.claim_label(liveblog, entry), text)

    def _remembered(self, template: Template, liveblog: Liveblog, entry: Entry) -> str:
        key = self._key(template, liveblog, entry)
        html = self._rendered.get(key)
        if html is None:
            html = self._render(template, liveblog, entry)
            self._rendered.put(key, html, getsizeof(html) + getsizeof(entry.body) + ENTRY_BYTES)
        return html

    @staticmethod
    def _key(template: Template, liveblog: Liveblog, entry: Entry) -> tuple[Template, str, str, str, Entry]:
        # The key has the entry itself, not its id and version: after a backup was restored, another state of the entry
        # may have the same id and version.
        return (template, liveblog.slug, liveblog.language, liveblog.timezone, entry)

    def _render(self, template: Template, liveblog: Liveblog, entry: Entry) -> str:
        """Fill the template for pages or the template for feeds with an entry, and return the HTML.

        Both templates get the same values, except for the body: in a feed, its embeds stay plain links.
        """
        assert entry.published_at is not None
        texts = texts_for(liveblog.language)
        zone = ZoneInfo(liveblog.timezone)
        published = entry.published_at.astimezone(zone)
        body = entry.body if not entry.body or BLOCK.search(entry.body) else f"<p>{entry.body}</p>"
        in_feed = template is self._content
        return template.render(
            entry=entry,
            title=self.title(liveblog, entry),
            body=Markup(self._bodies.with_pictures(body) if in_feed else self._bodies.shown(body, texts)),
            url=self.urls.entry(liveblog.slug, entry.id),
            published=published,
            edited=_edited(texts, published, entry, zone),
            verification=_verification(texts, entry),
            verification_url=self.urls.entries(liveblog.slug, only=Only(verification=entry.verification)),
            via=_via(texts, entry),
            tags=[(tag, self.urls.entries(liveblog.slug, only=Only(tag=tag))) for tag in entry.tags],
            long=len(self.text(entry)) > LONG_TEXT,
            corrections=[(c.at.astimezone(zone), c.note) for c in entry.corrections],
            t=texts,
            timestamp=json_encoding.timestamp,
        )


def _edited(texts: Translations, published: datetime, entry: Entry, zone: ZoneInfo) -> str | None:
    """Return the note that an entry was edited after its publication; None if it wasn't edited.

    An entry may be backdated: it was created later than `published`. In that case, only changes after the creation are
    edits.
    """
    if entry.updated_at <= max(published, entry.created_at):
        return None
    updated = entry.updated_at.astimezone(zone)
    if updated.date() == published.date():
        return texts.text("entry.edited", time=texts.time(updated))
    return texts.text("entry.edited_other_day", date=texts.short_date(updated), time=texts.time(updated))


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
