"""The addresses of a site."""

from __future__ import annotations

import pytest

from liveserver.domain.entry import Verification
from liveserver.domain.errors import NotFound
from liveserver.rendering.page_models import Only
from liveserver.rendering.urls import Urls

ROOT = Urls("https://live.example.org")
BELOW = Urls("https://example.org/direct", media_url="https://cdn.example/m")


def test_addresses_are_absolute_and_paths_begin_where_the_site_does() -> None:
    assert (ROOT.home, ROOT.host, ROOT.media) == (
        "https://live.example.org/",
        "live.example.org",
        "https://live.example.org/media",
    )
    assert (BELOW.home, BELOW.host, BELOW.media) == (
        "https://example.org/direct/",
        "example.org",
        "https://cdn.example/m",
    )
    assert BELOW.liveblog("match") == "https://example.org/direct/live/match"
    assert BELOW.entry("match", "7") == "https://example.org/direct/live/match/entries/7"
    assert BELOW.feed("match", "rss") == "https://example.org/direct/live/match/feed.rss"
    assert BELOW.static("a.js") == "https://example.org/direct/static/a.js"
    assert BELOW.oembed("match") == (
        "https://example.org/direct/oembed?url=https%3A%2F%2Fexample.org%2Fdirect%2Flive%2Fmatch"
    )
    assert BELOW.widget_script == "https://example.org/direct/embed/v1.js"
    assert BELOW.pinned_widget_script("0f") == "https://example.org/direct/embed/v1-0f.js"
    assert BELOW.widget("match") == "https://example.org/direct/embed/match"
    assert BELOW.widget("match", {"theme": "dark", "lang": "fr"}).endswith("/embed/match?theme=dark&lang=fr")
    assert (ROOT.static_path, BELOW.static_path) == ("/static/", "/direct/static/")
    assert (ROOT.api_path("match"), BELOW.api_path("match")) == (
        "/api/v1/liveblogs/match",
        "/direct/api/v1/liveblogs/match",
    )
    assert BELOW.path_of(BELOW.liveblog("match")) == "/direct/live/match"


def test_a_list_says_what_differs_from_the_first_page() -> None:
    assert ROOT.entries("match") == ROOT.liveblog("match")
    assert ROOT.entries("match", only=Only(verification=Verification.DENIED), cursor="a+/") == (
        "https://live.example.org/live/match?verification=denied&cursor=a%2B%2F"
    )
    assert ROOT.entries("match", order="oldest", only=Only(tag="à b", key_events=True)) == (
        "https://live.example.org/live/match?tag=%C3%A0%20b&key_events=true&order=oldest"
    )


@pytest.mark.parametrize("url", ["/live/match", "/live/match/", "/live/match/entries/7", "/live/match?a=b#c"])
def test_the_live_blog_of_an_address(url: str) -> None:
    assert ROOT.slug_of(f"https://live.example.org{url}") == "match"
    assert ROOT.slug_of(f"http://LIVE.example.org{url}") == "match"
    assert BELOW.slug_of(f"https://example.org/direct{url}") == "match"


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/live/match",
        "ftp://live.example.org/live/match",
        "https://live.example.org/",
        "https://live.example.org/embed/match",
        "https://live.example.org/live/Match!",
        "https://[",
    ],
)
def test_an_address_of_no_live_blog_here(url: str) -> None:
    with pytest.raises(NotFound):
        ROOT.slug_of(url)
    with pytest.raises(NotFound):
        BELOW.slug_of("https://example.org/live/match")
