"""The rules of the specifications for feeds and sitemaps, and a feed reader's view of a feed."""

from __future__ import annotations

import re
from calendar import timegm
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from xml.etree import ElementTree

import feedparser
import orjson

from liveserver.content.plain_text import plain_text

ATOM = "{http://www.w3.org/2005/Atom}"
TOMBSTONE = "{http://purl.org/atompub/tombstones/1.0}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}"
CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
MEDIA = "{http://search.yahoo.com/mrss/}"
NEWS = "{http://www.google.com/schemas/sitemap-news/0.9}"

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_UUID = re.compile(r"urn:uuid:([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})")


class Picture(NamedTuple):
    """A picture of an entry, as a feed tells it beside the content."""

    url: str
    type: str
    text: str | None
    """A description in words."""
    size: tuple[int, int] | None = None
    """Width and height, where the format has a place for them."""


class Item(NamedTuple):
    """An entry, as every surface tells it; times in whole seconds, which is what RSS and JSON-LD have."""

    id: str
    title: str
    published: datetime
    updated: datetime
    text: str
    """Of the whole content, labels and corrections too."""
    pictures: tuple[Picture, ...] = ()


def moment(text: str) -> datetime:
    """An RFC 3339 time in UTC, cut to seconds."""
    assert _RFC3339.fullmatch(text), text
    return datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)


def entry_id(urn: str) -> str:
    match = _UUID.fullmatch(urn)
    assert match, urn
    return match[1]


def absolute(url: str | None) -> str:
    """An absolute address of the web, without blanks."""
    assert url is not None
    parts = urlsplit(url)
    assert parts.scheme in {"http", "https"}, url
    assert parts.netloc, url
    assert not re.search(r"\s", url), url
    return url


def one(parent: ElementTree.Element, name: str) -> ElementTree.Element:
    found = parent.findall(name)
    assert len(found) == 1, (parent.tag, name, len(found))
    return found[0]


def text_of(parent: ElementTree.Element, name: str) -> str:
    text = one(parent, name).text
    assert text, (parent.tag, name)
    return text


def rss_items(body: bytes) -> list[Item]:
    """The items of an RSS feed that keeps RSS 2.0's rules and the RSS profile's."""
    root = ElementTree.fromstring(body)
    assert (root.tag, root.attrib["version"]) == ("rss", "2.0")
    channel = one(root, "channel")
    assert len(root) == 1
    text_of(channel, "title")
    text_of(channel, "description")
    text_of(channel, "language")
    absolute(text_of(channel, "link"))
    parsedate_to_datetime(text_of(channel, "lastBuildDate"))
    itself = one(channel, f"{ATOM}link").attrib
    assert (itself["rel"], itself["type"]) == ("self", "application/rss+xml")
    absolute(itself["href"])
    items = []
    for item in channel.findall("item"):
        absolute(text_of(item, "link"))
        guid = one(item, "guid")
        assert guid.attrib["isPermaLink"] == "false"
        published = text_of(item, "pubDate")
        assert published.endswith(" GMT")
        items.append(
            Item(
                entry_id(str(guid.text)),
                text_of(item, "title"),
                parsedate_to_datetime(published),
                moment(text_of(item, f"{ATOM}updated")),
                plain_text(text_of(item, f"{CONTENT}encoded")),
                tuple(_rss_picture(media) for media in item.findall(f"{MEDIA}content")),
            )
        )
        one(item, "description")
    return items


def _rss_picture(media: ElementTree.Element) -> Picture:
    """Media RSS 1.5.1, `<media:content>`: the medium, the type and the size are of the file that `url` names."""
    assert set(media.attrib) == {"url", "type", "medium", "width", "height"}
    assert media.attrib["medium"] == "image"
    description = media.find(f"{MEDIA}description")
    if description is not None:
        assert description.attrib == {"type": "plain"}
        assert description.text
    return _picture(
        media.attrib["url"],
        media.attrib["type"],
        None if description is None else description.text,
        (int(media.attrib["width"]), int(media.attrib["height"])),
    )


def _picture(url: str, media_type: str, text: str | None, size: tuple[int, int] | None = None) -> Picture:
    assert media_type in {"image/jpeg", "image/webp"}
    assert text != ""
    return Picture(absolute(url), media_type, text, size)


def atom_items(body: bytes) -> list[Item]:
    """The entries of an Atom feed that keeps RFC 4287, 4.1, and RFC 6721, 3."""
    root = ElementTree.fromstring(body)
    assert root.tag == f"{ATOM}feed"
    absolute(text_of(root, f"{ATOM}id"))
    text_of(root, f"{ATOM}title")
    moment(text_of(root, f"{ATOM}updated"))
    text_of(one(root, f"{ATOM}author"), f"{ATOM}name")
    links = {(link.attrib["rel"], link.attrib["type"]): link for link in root.findall(f"{ATOM}link")}
    assert set(links) == {("alternate", "text/html"), ("self", "application/atom+xml")}
    items = []
    for entry in root.findall(f"{ATOM}entry"):
        links_of = entry.findall(f"{ATOM}link")
        assert all(absolute(link.attrib["href"]) for link in links_of)
        assert [link.attrib["type"] for link in links_of if link.attrib["rel"] == "alternate"] == ["text/html"]
        assert {link.attrib["rel"] for link in links_of} <= {"alternate", "enclosure", "via"}
        for author in entry.findall(f"{ATOM}author"):
            text_of(author, f"{ATOM}name")
        assert all(category.attrib["term"] for category in entry.findall(f"{ATOM}category"))
        content = one(entry, f"{ATOM}content")
        assert content.attrib == {"type": "html"}
        items.append(
            Item(
                entry_id(text_of(entry, f"{ATOM}id")),
                text_of(entry, f"{ATOM}title"),
                moment(text_of(entry, f"{ATOM}published")),
                moment(text_of(entry, f"{ATOM}updated")),
                plain_text(str(content.text)),
                tuple(
                    _picture(link.attrib["href"], link.attrib["type"], link.attrib.get("title"))
                    for link in links_of
                    if link.attrib["rel"] == "enclosure"
                ),
            )
        )
    deleted = [(d.attrib["ref"], moment(d.attrib["when"])) for d in root.findall(f"{TOMBSTONE}deleted-entry")]
    assert len(deleted) == len(set(deleted))
    assert not {item.id for item in items} & {entry_id(ref) for ref, _ in deleted}
    return items


def json_items(body: bytes) -> list[Item]:
    """The items of a JSON Feed that keeps version 1.1."""
    feed: dict[str, Any] = orjson.loads(body)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["title"]
    assert feed["language"]
    absolute(feed["home_page_url"])
    absolute(feed["feed_url"])
    assert all(author["name"] for author in feed["authors"])
    items = []
    for item in feed["items"]:
        absolute(item["url"])
        assert all(author["name"] for author in item.get("authors", []))
        assert all(isinstance(tag, str) for tag in item.get("tags", []))
        attachments = item.get("attachments", [])
        assert item.get("image") == (attachments[0]["url"] if attachments else None)
        titles = [attachment["title"] for attachment in attachments if "title" in attachment]
        assert len(titles) == len(set(titles)), "of the same title are formats of the same thing"
        items.append(
            Item(
                entry_id(item["id"]),
                item["title"],
                moment(item["date_published"]),
                moment(item["date_modified"]),
                plain_text(item["content_html"]),
                tuple(_picture(a["url"], a["mime_type"], a.get("title")) for a in attachments),
            )
        )
    return items


ITEMS = {"rss": rss_items, "atom": atom_items, "json": json_items}


def reader_items(body: bytes) -> list[Item]:
    """The items that feedparser reads in RSS or Atom."""
    parsed = feedparser.parse(body)
    assert not parsed.bozo, parsed.get("bozo_exception")
    assert parsed.feed.title
    return [
        Item(
            entry_id(entry.id),
            entry.title,
            datetime.fromtimestamp(timegm(entry.published_parsed), UTC),
            datetime.fromtimestamp(timegm(entry.updated_parsed), UTC),
            plain_text(next(content.value for content in entry.content)),
        )
        for entry in parsed.entries
    ]


def sitemap_urls(body: bytes) -> dict[str, ElementTree.Element]:
    """The addresses of a sitemap that keeps the protocol's rules and those of news sitemaps."""
    root = ElementTree.fromstring(body)
    assert root.tag == f"{SITEMAP}urlset"
    assert len(root) > 0, "the schema wants one address at least"
    urls = {}
    for url in root:
        assert url.tag == f"{SITEMAP}url"
        urls[absolute(text_of(url, f"{SITEMAP}loc"))] = url
        if url.find(f"{SITEMAP}lastmod") is not None:
            moment(text_of(url, f"{SITEMAP}lastmod"))
        for news in url.findall(f"{NEWS}news"):
            publication = one(news, f"{NEWS}publication")
            text_of(publication, f"{NEWS}name")
            assert re.fullmatch("[a-z]{2,3}|zh-cn|zh-tw", text_of(publication, f"{NEWS}language"))
            moment(text_of(news, f"{NEWS}publication_date"))
            text_of(news, f"{NEWS}title")
    assert len(urls) == len(root) <= 1000
    return urls
