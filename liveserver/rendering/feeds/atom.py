"""A live blog as Atom (RFC 4287). The same feed always gives the same bytes.

An Atom feed names the entries that were deleted (RFC 6721). The other formats can't name them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.protocol import json_encoding
from liveserver.rendering.feeds.item import content, published, urn
from liveserver.rendering.urls import FEEDS
from liveserver.utils.xml_writer import document, element, new_document

if TYPE_CHECKING:
    from liveserver.domain.snapshot import Feed
    from liveserver.rendering.entry_renderer import EntryRenderer


def atom(feed: Feed, renderer: EntryRenderer) -> bytes:
    """Return the feed as an Atom document. It has a `deleted-entry` for each entry of `feed.deleted`."""
    liveblog = feed.liveblog
    url = renderer.urls.liveblog(liveblog.slug)
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
    element(root, "updated", json_encoding.timestamp(feed.changed_at))
    element(element(root, "author"), "name", renderer.site_name)
    element(root, "link", rel="alternate", type="text/html", href=url)
    element(root, "link", rel="self", type=FEEDS["atom"], href=renderer.urls.feed(liveblog.slug, "atom"))
    element(root, "generator", "liveserver")
    for entry in feed.entries:
        item = element(root, "entry")
        element(item, "id", urn(entry.id))
        element(item, "title", renderer.title(liveblog, entry))
        element(item, "link", rel="alternate", type="text/html", href=renderer.urls.entry(liveblog.slug, entry.id))
        element(item, "published", json_encoding.timestamp(published(entry)))
        element(item, "updated", json_encoding.timestamp(entry.updated_at))
        for author in entry.authors:
            element(element(item, "author"), "name", author)
        for tag in entry.tags:
            element(item, "category", term=tag)
        if entry.via is not None:
            element(item, "link", rel="via", href=entry.via.url, title=entry.via.name)
        for url, picture, alt, caption in renderer.illustrations(entry):
            title = {"title": alt or caption} if alt or caption else {}
            element(item, "link", rel="enclosure", type=picture.media_type, href=url, **title)
        element(item, "content", content(liveblog, entry, renderer), type="html")
    for deletion in feed.deleted:
        element(root, "at:deleted-entry", ref=urn(deletion.id), when=json_encoding.timestamp(deletion.at))
    return document(root)
