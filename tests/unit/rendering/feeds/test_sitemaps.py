"""Sitemaps and robots.txt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from liveserver.domain.snapshot import Listing
from liveserver.rendering.feeds import sitemaps
from liveserver.rendering.urls import Urls
from tests.support.documents import LIVEBLOG, NOON, SITE, URLS
from tests.support.feed_rules import NEWS, SITEMAP, sitemap_urls, text_of

if TYPE_CHECKING:
    from datetime import datetime


def a_listing(slug: str, began_at: datetime | None = NOON, changed_at: datetime = NOON, **fields: Any) -> Listing:
    return Listing(replace(LIVEBLOG, slug=slug, **fields), began_at, changed_at)


def news_of(*listings: Listing) -> dict[str, ElementTree.Element | None]:
    urls = sitemap_urls(sitemaps.news(listings, URLS, site_name="live.example.org", now=NOON))
    return {url.removeprefix(f"{SITE}/live/"): element.find(f"{NEWS}news") for url, element in urls.items()}


def test_news() -> None:
    found = news_of(a_listing("match", NOON - timedelta(hours=2), title="Le <match> & plus", language="fr-CA"))
    news = found["match"]
    assert news is not None
    assert text_of(news, f"{NEWS}title") == "Le <match> & plus"
    assert text_of(news, f"{NEWS}publication_date") == "2026-11-22T10:07:00.000Z"
    assert [element.text for element in news[0]] == ["live.example.org", "fr"]


def test_news_is_of_the_last_two_days() -> None:
    """One that began earlier and goes on is listed without the mark of news; one without entries isn't listed."""
    edge = NOON - timedelta(hours=48)
    found = news_of(
        a_listing("edge", edge), a_listing("old", edge - timedelta(milliseconds=1)), a_listing("empty", None)
    )
    assert {slug: news is not None for slug, news in found.items()} == {"edge": True, "old": False}


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("fr", "fr"),
        ("en-GB", "en"),
        ("gsw-CH", "gsw"),
        ("zh", "zh-cn"),
        ("zh-Hans-SG", "zh-cn"),
        ("zh-TW", "zh-tw"),
        ("zh-Hant-HK", "zh-tw"),
    ],
)
def test_languages_of_news(tag: str, language: str) -> None:
    assert sitemaps.news_language(tag) == language


def test_sitemap() -> None:
    urls = sitemap_urls(sitemaps.sitemap([a_listing("un", None), a_listing("deux", changed_at=NOON)], URLS))
    assert list(urls) == [f"{SITE}/live/un", f"{SITE}/live/deux"]
    assert text_of(urls[f"{SITE}/live/un"], f"{SITEMAP}lastmod") == "2026-11-22T12:07:00.000Z"
    assert text_of(urls[f"{SITE}/live/deux"], f"{SITEMAP}lastmod") == "2026-11-22T12:07:00.000Z"


@pytest.mark.parametrize("listings", [[], [a_listing("empty", None)]])
def test_nothing_is_news(listings: list[Listing]) -> None:
    """A sitemap without an address is invalid: the home page, which is no news, stands in for what there isn't."""
    (only,) = sitemap_urls(sitemaps.news(listings, URLS, site_name="live.example.org", now=NOON)).items()
    assert only[0] == f"{SITE}/"
    assert [child.tag for child in only[1]] == [f"{SITEMAP}loc"]
    assert list(sitemap_urls(sitemaps.sitemap([], URLS))) == [f"{SITE}/"]


@pytest.mark.parametrize(("highest", "pages"), [(0, 0), (1, 1), (1000, 1), (1001, 2)])
def test_index(highest: int, pages: int) -> None:
    """Every live blog is in one of the sitemaps, for good."""
    root = ElementTree.fromstring(sitemaps.index(highest, URLS))
    assert root.tag == f"{SITEMAP}sitemapindex"
    names = ["sitemap-news.xml", *(f"sitemap-{page}.xml" for page in range(1, pages + 1))]
    assert [text_of(sitemap, f"{SITEMAP}loc") for sitemap in root] == [f"{SITE}/{name}" for name in names]
    assert sitemaps.pages(highest) == pages
    listed = [number for page in range(1, pages + 1) for number in sitemaps.numbers(page)]
    assert listed[:highest] == list(range(1, highest + 1))


def test_robots() -> None:
    assert sitemaps.robots(URLS).decode().splitlines() == [
        "User-agent: *",
        "Disallow: /api/",
        "Disallow: /desk",
        "",
        f"Sitemap: {SITE}/sitemap.xml",
    ]
    below = Urls("https://example.org/direct")
    assert b"Disallow: /direct/api/\n" in sitemaps.robots(below)
    assert b"Sitemap: https://example.org/direct/sitemap.xml\n" in sitemaps.robots(below)
