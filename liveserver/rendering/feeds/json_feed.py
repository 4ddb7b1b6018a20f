"""A live blog as JSON Feed 1.1. The same feed always gives the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.protocol import json_encoding
from liveserver.rendering.feeds.item import content, published, urn

if TYPE_CHECKING:
    from liveserver.content.media.picture import Illustration
    from liveserver.domain.snapshot import Feed
    from liveserver.rendering.entry_renderer import EntryRenderer


def json_feed(feed: Feed, renderer: EntryRenderer) -> bytes:
    """Return the feed as JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""
    liveblog = feed.liveblog
    items = []
    for entry in feed.entries:
        item: json_encoding.JSON = {
            "id": urn(entry.id),
            "url": renderer.urls.entry(liveblog.slug, entry.id),
            "title": renderer.title(liveblog, entry),
            "content_html": content(liveblog, entry, renderer),
            "date_published": json_encoding.timestamp(published(entry)),
            "date_modified": json_encoding.timestamp(entry.updated_at),
        }
        if entry.authors:
            item["authors"] = [{"name": author} for author in entry.authors]
        if entry.tags:
            item["tags"] = list(entry.tags)
        if entry.via is not None:
            item["_via"] = entry.via._asdict()
        if illustrations := renderer.illustrations(entry):
            item["image"] = illustrations[0].url
            item["attachments"] = _attachments(illustrations)
        items.append(item)
    value: json_encoding.JSON = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": liveblog.title,
        "home_page_url": renderer.urls.liveblog(liveblog.slug),
        "feed_url": renderer.urls.feed(liveblog.slug, "json"),
        "language": liveblog.language,
        "authors": [{"name": renderer.site_name, "url": renderer.urls.home}],
        "items": items,
    }
    if liveblog.summary:
        value["description"] = liveblog.summary
    return json_encoding.dumps(value)


def _attachments(illustrations: list[Illustration]) -> list[json_encoding.JSON]:
    attachments: list[json_encoding.JSON] = []
    titles: set[str] = set()
    for url, picture, alt, caption in illustrations:
        attachment: json_encoding.JSON = {"url": url, "mime_type": picture.media_type}
        title = alt or caption
        # In JSON Feed, two attachments with the same title mean one picture in two formats.
        if title and title not in titles:
            attachment["title"] = title
            titles.add(title)
        attachments.append(attachment)
    return attachments
