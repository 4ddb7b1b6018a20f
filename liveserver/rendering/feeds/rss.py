"""A live blog as RSS 2.0. The same feed always gives the same bytes."""

from __future__ import annotations

from datetime import UTC
from email.utils import format_datetime
from html import escape
from typing import TYPE_CHECKING

from liveserver.protocol import json_encoding
from liveserver.rendering.feeds.item import content, published, urn
from liveserver.rendering.urls import FEEDS
from liveserver.utils.xml_writer import document, element, new_document

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.domain.snapshot import Feed
    from liveserver.rendering.entry_renderer import EntryRenderer


def rss(feed: Feed, renderer: EntryRenderer) -> bytes:
    """Return the feed as RSS 2.0, with extensions that feed readers know: content, dc:creator, atom:updated, media.

    Pictures are `media:content` and not `enclosure`, as an item should have at most one enclosure. An enclosure must
    also name the picture's size in bytes.

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
    element(channel, "link", renderer.urls.liveblog(liveblog.slug))
    element(channel, "description", liveblog.summary or liveblog.title)
    element(channel, "language", liveblog.language)
    element(channel, "lastBuildDate", _rfc822(feed.changed_at))
    element(channel, "generator", "liveserver")
    element(channel, "atom:link", rel="self", type=FEEDS["rss"], href=renderer.urls.feed(liveblog.slug, "rss"))
    for entry in feed.entries:
        item = element(channel, "item")
        element(item, "title", renderer.title(liveblog, entry))
        element(item, "link", renderer.urls.entry(liveblog.slug, entry.id))
        element(item, "guid", urn(entry.id), isPermaLink="false")
        element(item, "pubDate", _rfc822(published(entry)))
        element(item, "atom:updated", json_encoding.timestamp(entry.updated_at))
        for author in entry.authors:
            element(item, "dc:creator", author)
        for tag in entry.tags:
            element(item, "category", tag)
        if entry.via is not None:
            element(item, "atom:link", rel="via", href=entry.via.url, title=entry.via.name)
        element(item, "description", escape(renderer.summary(liveblog, entry), quote=False))
        element(item, "content:encoded", content(liveblog, entry, renderer))
        for url, picture, alt, caption in renderer.illustrations(entry):
            size = {"width": str(picture.width), "height": str(picture.height)}
            media = element(item, "media:content", url=url, type=picture.media_type, medium="image", **size)
            if alt or caption:
                element(media, "media:description", alt or caption, type="plain")
    return document(root)


def _rfc822(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)
