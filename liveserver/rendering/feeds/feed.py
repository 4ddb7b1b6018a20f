"""A live blog as RSS 2.0, Atom (RFC 4287) and JSON Feed 1.1. Pure: the same feed gives the same bytes.

Items are named by their entry's UUID, which holds also when the site moves; pinned entries stand where their time puts
them; deleted ones are absent, and named as such in Atom (RFC 6721), the one format that can.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import format_datetime
from html import escape, unescape
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from liveserver.protocol import encoding
from liveserver.rendering.renderer import FEEDS
from liveserver.utils.xml_writer import document, element, new_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from liveserver.content.media.picture import Illustration
    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.snapshot import Feed
    from liveserver.rendering.renderer import Renderer

LENGTH = 50
"""Entries in a feed."""

_TAG = re.compile(r'<[a-z][a-z0-9]*(?:\s[^\s"=>]+(?:="[^"]*")?)*\s*/?>', re.IGNORECASE)
_RELATIVE = re.compile(r'="(?!https?://)|srcset="')
"""Where no value of an attribute begins so, all addresses are absolute."""
# With a scheme and a host it is absolute; of a list, the others may not be.
_ADDRESS = re.compile(r'(?<=\s)(?:(href|src|cite)="(?!https?://)([^"]*)"|(srcset)="([^"]*)")', re.IGNORECASE)


def rss(feed: Feed, renderer: Renderer) -> bytes:
    """RSS 2.0 with the extensions that its readers know: content, dc:creator, atom:updated, media:content.

    Pictures are no enclosures: of those an item should have one at most, and the bytes of each are to be told.

    https://www.rssboard.org/rss-specification, https://www.rssboard.org/rss-profile and
    https://www.rssboard.org/media-rss
    """
    liveblog = feed.liveblog
    root = new_document(
        "rss",
        {
            "version": "2.0",
            "xmlns:atom": "http://www.w3.org/2005/Atom",
            "xmlns:content": "http://purl.org/rss/1.0/modules/content/",
            "xmlns:dc": "http://purl.org/dc/elements/1.1/",
            "xmlns:media": "http://search.yahoo.com/mrss/",
        },
    )
    channel = element(root, "channel")
    element(channel, "title", liveblog.title)
    element(channel, "link", renderer.liveblog_url(liveblog.slug))
    element(channel, "description", liveblog.summary or liveblog.title)
    element(channel, "language", liveblog.language)
    element(channel, "lastBuildDate", _rfc822(feed.changed_at))
    element(channel, "generator", "liveserver")
    element(channel, "atom:link", rel="self", type=FEEDS["rss"], href=renderer.feed_url(liveblog.slug, "rss"))
    for entry in feed.entries:
        item = element(channel, "item")
        element(item, "title", renderer.entry_title(liveblog, entry))
        element(item, "link", renderer.entry_url(liveblog.slug, entry.id))
        element(item, "guid", _name(entry.id), isPermaLink="false")
        element(item, "pubDate", _rfc822(_published(entry)))
        element(item, "atom:updated", encoding.timestamp(entry.updated_at))
        for author in entry.authors:
            element(item, "dc:creator", author)
        for tag in entry.tags:
            element(item, "category", tag)
        if entry.via is not None:
            element(item, "atom:link", rel="via", href=entry.via.url, title=entry.via.name)
        element(item, "description", escape(renderer.entry_summary(liveblog, entry), quote=False))
        element(item, "content:encoded", _content(liveblog, entry, renderer))
        for url, picture, alt, caption in renderer.entry_illustrations(entry):
            size = {"width": str(picture.width), "height": str(picture.height)}
            media = element(item, "media:content", url=url, type=picture.media_type, medium="image", **size)
            if alt or caption:
                element(media, "media:description", alt or caption, type="plain")
    return document(root)


def atom(feed: Feed, renderer: Renderer) -> bytes:
    """Atom, with `deleted-entry` for what a reader may have kept."""
    liveblog = feed.liveblog
    url = renderer.liveblog_url(liveblog.slug)
    root = new_document(
        "feed",
        {
            "xmlns": "http://www.w3.org/2005/Atom",
            "xmlns:at": "http://purl.org/atompub/tombstones/1.0",
            "xml:lang": liveblog.language,
        },
    )
    element(root, "id", url)
    element(root, "title", liveblog.title)
    if liveblog.summary:
        element(root, "subtitle", liveblog.summary)
    element(root, "updated", encoding.timestamp(feed.changed_at))
    element(element(root, "author"), "name", renderer.site_name)
    element(root, "link", rel="alternate", type="text/html", href=url)
    element(root, "link", rel="self", type=FEEDS["atom"], href=renderer.feed_url(liveblog.slug, "atom"))
    element(root, "generator", "liveserver")
    for entry in feed.entries:
        item = element(root, "entry")
        element(item, "id", _name(entry.id))
        element(item, "title", renderer.entry_title(liveblog, entry))
        element(item, "link", rel="alternate", type="text/html", href=renderer.entry_url(liveblog.slug, entry.id))
        element(item, "published", encoding.timestamp(_published(entry)))
        element(item, "updated", encoding.timestamp(entry.updated_at))
        for author in entry.authors:
            element(element(item, "author"), "name", author)
        for tag in entry.tags:
            element(item, "category", term=tag)
        if entry.via is not None:
            element(item, "link", rel="via", href=entry.via.url, title=entry.via.name)
        for url, picture, alt, caption in renderer.entry_illustrations(entry):
            title = {"title": alt or caption} if alt or caption else {}
            element(item, "link", rel="enclosure", type=picture.media_type, href=url, **title)
        element(item, "content", _content(liveblog, entry, renderer), type="html")
    for deletion in feed.deleted:
        element(root, "at:deleted-entry", ref=_name(deletion.id), when=encoding.timestamp(deletion.at))
    return document(root)


def json_feed(feed: Feed, renderer: Renderer) -> bytes:
    """JSON Feed. https://www.jsonfeed.org/version/1.1/"""
    liveblog = feed.liveblog
    items = []
    for entry in feed.entries:
        item: encoding.JSON = {
            "id": _name(entry.id),
            "url": renderer.entry_url(liveblog.slug, entry.id),
            "title": renderer.entry_title(liveblog, entry),
            "content_html": _content(liveblog, entry, renderer),
            "date_published": encoding.timestamp(_published(entry)),
            "date_modified": encoding.timestamp(entry.updated_at),
        }
        if entry.authors:
            item["authors"] = [{"name": author} for author in entry.authors]
        if entry.tags:
            item["tags"] = list(entry.tags)
        if entry.via is not None:
            item["_via"] = entry.via._asdict()
        if illustrations := renderer.entry_illustrations(entry):
            item["image"] = illustrations[0].url
            item["attachments"] = _attachments(illustrations)
        items.append(item)
    value: encoding.JSON = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": liveblog.title,
        "home_page_url": renderer.liveblog_url(liveblog.slug),
        "feed_url": renderer.feed_url(liveblog.slug, "json"),
        "language": liveblog.language,
        "authors": [{"name": renderer.site_name, "url": renderer.home_url}],
        "items": items,
    }
    if liveblog.summary:
        value["description"] = liveblog.summary
    return encoding.dumps(value)


WRITERS: dict[str, Callable[[Feed, Renderer], bytes]] = {"rss": rss, "atom": atom, "json": json_feed}
"""What makes each of the renderer's `FEEDS`."""


def absolute(html: str, base: str) -> str:
    """Serialised HTML whose addresses are absolute, for where nobody knows which page it stood on."""

    def address(match: re.Match[str]) -> str:
        name, value = match[1] or match[3], unescape(match[2] or match[4] or "")
        if name.lower() == "srcset":
            candidates = (candidate.split() for candidate in value.split(", "))
            joined = ", ".join(" ".join([_joined(base, parts[0]), *parts[1:]]) for parts in candidates if parts)
        else:
            joined = _joined(base, value)
        return match[0] if joined == value else f'{name}="{escape(joined)}"'

    if _RELATIVE.search(html) is None:
        # To see that takes a tenth of the time of going from tag to tag.
        return html
    return _TAG.sub(lambda tag: _ADDRESS.sub(address, tag[0]), html)


def _joined(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:
        # An address that was none to begin with, such as `https://[`.
        return address


def _attachments(illustrations: list[Illustration]) -> list[encoding.JSON]:
    attachments: list[encoding.JSON] = []
    titles: set[str] = set()
    for url, picture, alt, caption in illustrations:
        attachment: encoding.JSON = {"url": url, "mime_type": picture.media_type}
        title = alt or caption
        # Two of the same title would be the same thing in two formats.
        if title and title not in titles:
            attachment["title"] = title
            titles.add(title)
        attachments.append(attachment)
    return attachments


def _content(liveblog: Liveblog, entry: Entry, renderer: Renderer) -> str:
    return absolute(renderer.entry_content(liveblog, entry), renderer.entry_url(liveblog.slug, entry.id))


def _name(entry_id: str) -> str:
    return f"urn:uuid:{entry_id}"


def _published(entry: Entry) -> datetime:
    assert entry.published_at is not None
    return entry.published_at


def _rfc822(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)
