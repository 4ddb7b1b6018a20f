"""Sitemaps of the live blogs, and robots.txt, as bytes. The functions do no I/O.

https://www.sitemaps.org/protocol.html and https://developers.google.com/search/docs/crawling-indexing/sitemaps/news-sitemap
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from liveserver.protocol import json_encoding
from liveserver.utils.xml_writer import document, element, new_document

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from xml.etree import ElementTree

    from liveserver.domain.snapshot import Listing
    from liveserver.rendering.urls import Urls

MEDIA_TYPE = "application/xml"

NEWS_AGE = timedelta(hours=48)
"""The greatest age of a live blog's oldest entry at which the live blog is still news, by Google's rules."""
NEWS_LENGTH = 1_000
"""The greatest number of live blogs in a news sitemap, by Google's rules. The caller of `news` keeps to it."""
PAGE_LENGTH = 1_000
"""The greatest number of live blogs in one sitemap. The store numbers the live blogs. The first sitemap has the numbers
1 to 1,000, the second sitemap the next thousand, and so on. An index may name up to 50,000 sitemaps."""

_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_NEWS = "http://www.google.com/schemas/sitemap-news/0.9"


def index(highest_number: int, urls: Urls) -> bytes:
    """Return the index of the sitemaps. It names the news sitemap, and the sitemaps that together cover all live blogs.

    `highest_number`: the number of the newest live blog; 0 if there is no live blog.
    """
    root = new_document("sitemapindex", {"xmlns": _SITEMAP})
    names = ["sitemap-news.xml", *(f"sitemap-{page}.xml" for page in range(1, pages(highest_number) + 1))]
    for name in names:
        element(element(root, "sitemap"), "loc", f"{urls.home}{name}")
    return document(root)


def pages(highest_number: int) -> int:
    """Return the number of sitemaps that all live blogs need. `highest_number`: the number of the newest live blog."""
    return -(-highest_number // PAGE_LENGTH)


def numbers(page: int) -> range:
    """Return the numbers of the live blogs that a sitemap covers. `page`: the sitemap's number, from 1."""
    return range((page - 1) * PAGE_LENGTH + 1, page * PAGE_LENGTH + 1)


def sitemap(listings: Iterable[Listing], urls: Urls) -> bytes:
    """Return a sitemap of these live blogs, each with the time of its last change."""
    root = new_document("urlset", {"xmlns": _SITEMAP})
    for listing in listings:
        _add_url(root, listing, urls)
    return _document(root, urls)


def news(listings: Iterable[Listing], urls: Urls, *, site_name: str, now: datetime) -> bytes:
    """Return the news sitemap of these live blogs.

    A live blog without entries is no article yet, and isn't listed. Each other live blog is listed with the time of its
    last change. It is marked as news while its oldest entry is no older than `NEWS_AGE`. After that, it is listed
    without the mark, as Google asks.
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
        element(mark, "news:publication_date", json_encoding.timestamp(listing.began_at))
        element(mark, "news:title", listing.liveblog.title)
    return _document(root, urls)


def news_language(language: str) -> str:
    """Return the code of a language for a news sitemap: by ISO 639, but `zh-cn` or `zh-tw` for Chinese.

    `language`: a language tag by BCP 47, such as `pt-BR`.
    """
    base, *rest = language.lower().split("-")
    if base != "zh":
        return base
    return "zh-tw" if {"hant", "tw", "hk", "mo"}.intersection(rest) else "zh-cn"


def robots(urls: Urls) -> bytes:
    """Return `robots.txt`. It lets crawlers read everything except the API and `/desk`.

    A page that doesn't belong in a search engine's index says so in its own headers or HTML.
    """
    path = urlsplit(urls.home).path
    lines = ["User-agent: *", *(f"Disallow: {path}{name}" for name in ("api/", "desk")), ""]
    return "\n".join([*lines, f"Sitemap: {urls.home}sitemap.xml", ""]).encode()


def _document(root: ElementTree.Element, urls: Urls) -> bytes:
    """Return a sitemap as bytes. If no live blog is in it, add the home page: the protocol demands at least one URL."""
    if len(root) == 0:
        element(element(root, "url"), "loc", urls.home)
    return document(root)


def _add_url(root: ElementTree.Element, listing: Listing, urls: Urls) -> ElementTree.Element:
    url = element(root, "url")
    element(url, "loc", urls.liveblog(listing.liveblog.slug))
    element(url, "lastmod", json_encoding.timestamp(listing.changed_at))
    return url
