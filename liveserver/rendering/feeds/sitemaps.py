"""Sitemaps of the live blogs, and robots.txt. Pure: lists in, bytes out.

https://www.sitemaps.org/protocol.html and https://developers.google.com/search/docs/crawling-indexing/sitemaps/news-sitemap
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from liveserver.protocol import encoding
from liveserver.utils.xml_writer import document, element, new_document

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from xml.etree import ElementTree

    from liveserver.domain.snapshot import Listing
    from liveserver.rendering.urls import Urls

MEDIA_TYPE = "application/xml"

NEWS_AGE = timedelta(hours=48)
"""The time for which a live blog is news, by Google's rule."""
NEWS_LENGTH = 1_000
"""Addresses in a news sitemap, by the same."""
PAGE_LENGTH = 1_000
"""Numbers of live blogs to a sitemap. An index may name 50,000 sitemaps."""

_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_NEWS = "http://www.google.com/schemas/sitemap-news/0.9"


def index(highest_number: int, urls: Urls) -> bytes:
    """The index of the sitemaps: that of what is news, and those of all live blogs by their numbers."""
    root = new_document("sitemapindex", {"xmlns": _SITEMAP})
    names = ["sitemap-news.xml", *(f"sitemap-{page}.xml" for page in range(1, pages(highest_number) + 1))]
    for name in names:
        element(element(root, "sitemap"), "loc", f"{urls.home}{name}")
    return document(root)


def pages(highest_number: int) -> int:
    """The number of sitemaps that all live blogs take."""
    return -(-highest_number // PAGE_LENGTH)


def numbers(page: int) -> range:
    """The numbers of the live blogs on a page; the first page is 1."""
    return range((page - 1) * PAGE_LENGTH + 1, page * PAGE_LENGTH + 1)


def sitemap(listings: Iterable[Listing], urls: Urls) -> bytes:
    """The given live blogs, with when they last changed."""
    root = new_document("urlset", {"xmlns": _SITEMAP})
    for listing in listings:
        _add_url(root, listing, urls)
    return _document(root, urls)


def news(listings: Iterable[Listing], urls: Urls, *, site_name: str, now: datetime) -> bytes:
    """The given live blogs, marked as news while their first entry is no older than `NEWS_AGE`.

    One that goes on for longer is listed with its last change and without the mark, as Google asks. One without
    entries is no article yet.
    """
    root = new_document("urlset", {"xmlns": _SITEMAP, "xmlns:news": _NEWS})
    for listing in listings:
        if listing.began_at is None:
            continue
        url = _add_url(root, listing, urls)
        if listing.began_at < now - NEWS_AGE:
            continue
        mark = element(url, "news:news")
        publication = element(mark, "news:publication")
        element(publication, "news:name", site_name)
        element(publication, "news:language", news_language(listing.liveblog.language))
        element(mark, "news:publication_date", encoding.timestamp(listing.began_at))
        element(mark, "news:title", listing.liveblog.title)
    return _document(root, urls)


def news_language(language: str) -> str:
    """A BCP 47 tag as the news sitemap has it: ISO 639, and `zh-cn` or `zh-tw` for Chinese."""
    base, *rest = language.lower().split("-")
    if base != "zh":
        return base
    return "zh-tw" if {"hant", "tw", "hk", "mo"}.intersection(rest) else "zh-cn"


def robots(urls: Urls) -> bytes:
    """Everything may be read but what is no page; the pages themselves say which of them don't belong in an index."""
    path = urlsplit(urls.home).path
    lines = ["User-agent: *", *(f"Disallow: {path}{name}" for name in ("api/", "desk")), ""]
    return "\n".join([*lines, f"Sitemap: {urls.home}sitemap.xml", ""]).encode()


def _document(root: ElementTree.Element, urls: Urls) -> bytes:
    """The sitemap; of the home page where there is nothing else: the protocol allows none without an address."""
    if len(root) == 0:
        element(element(root, "url"), "loc", urls.home)
    return document(root)


def _add_url(root: ElementTree.Element, listing: Listing, urls: Urls) -> ElementTree.Element:
    url = element(root, "url")
    element(url, "loc", urls.liveblog(listing.liveblog.slug))
    element(url, "lastmod", encoding.timestamp(listing.changed_at))
    return url
