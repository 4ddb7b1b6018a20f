"""Feeds, sitemaps, robots.txt and share cards over HTTP. Their content has tests of its own, without a server."""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from liveserver.http.pages import share_cards as share_cards_module
from liveserver.rendering.feeds import sitemaps
from liveserver.rendering.feeds.writers import LENGTH
from liveserver.rendering.urls import FEEDS
from tests.support.api.site import BASE, LIVEBLOG, SLUG, database_away
from tests.support.feed_rules import ATOM, ITEMS, SITEMAP, TOMBSTONE, sitemap_urls, text_of
from tests.support.images import quarters, saved

if TYPE_CHECKING:
    import httpx2

    from tests.support.api.site import Site

PAGE = f"/live/{SLUG}"
FEED_PATHS = [f"{PAGE}/feed.{kind}" for kind in FEEDS]


def picture(response: httpx2.Response) -> tuple[int, int]:
    """The size of the picture that an answer is."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    with Image.open(BytesIO(response.content)) as image:
        assert image.format == "PNG"
        return image.size


def card_of(response: httpx2.Response) -> str:
    """The picture that a page names."""
    match = re.search(r'<meta property="og:image" content="([^"]+)">', response.text)
    assert match
    return match[1]


@pytest.mark.parametrize(("kind", "media_type"), FEEDS.items())
async def test_feed(site: Site, kind: str, media_type: str) -> None:
    """Newest first, pinned ones in their place and once, drafts not at all; anyone may read it."""
    entries = [await site.publish(f"<p>{number}</p>", pinned=number == 0) for number in range(3)]
    await site.publish(status="draft")
    response = await site.reader.get(f"{PAGE}/feed.{kind}")
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.headers["cache-control"] == "public, no-cache"
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["x-robots-tag"] == "noindex"
    assert [item.id for item in ITEMS[kind](response.content)] == [entry["id"] for entry in reversed(entries)]


@pytest.mark.parametrize("path", FEED_PATHS)
async def test_not_modified(site: Site, path: str) -> None:
    """304 until something on it changes; a draft doesn't."""
    await site.publish()
    before = await site.reader.get(path)
    await site.publish(status="draft")
    unchanged = await site.reader.get(path, headers={"If-None-Match": before.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == before.headers["etag"]
    await site.publish()
    assert (await site.reader.get(path, headers={"If-None-Match": before.headers["etag"]})).status_code == 200
    head = await site.reader.head(path)
    assert (head.status_code, head.content) == (200, b"")


async def test_a_feed_is_made_once_for_each_change(site: Site) -> None:
    """However many ask for it."""
    for made in (1, 2):
        await site.publish()
        for _ in range(3):
            assert (await site.reader.get(FEED_PATHS[0])).status_code == 200
        assert site.parts.page_cache.misses == made


async def test_a_feed_is_no_archive(site: Site) -> None:
    """The newest fifty; an old pinned entry is at the top of the page, and not in the feed."""
    entries = [await site.publish(str(number), pinned=number == 0) for number in range(LENGTH + 3)]
    expected = [entry["id"] for entry in reversed(entries)][:LENGTH]
    for kind in FEEDS:
        response = await site.reader.get(f"{PAGE}/feed.{kind}")
        assert [item.id for item in ITEMS[kind](response.content)] == expected


async def test_a_deleted_entry_leaves_the_feeds(site: Site) -> None:
    """Nothing of what it said is left; Atom names it, so that a reader of the feed can forget it too."""
    words = "Zanzibar"
    entry = await site.publish(f"<p>{words}</p>", heading=words, authors=[words], tags=[words], source=words)
    card = card_of(await site.reader.get(entry["url"]))
    for path in FEED_PATHS:
        assert words in (await site.reader.get(path)).text
    picture(await site.reader.get(card))
    await site.delete(entry)
    for path in FEED_PATHS:
        text = (await site.reader.get(path)).text
        assert words not in text
        assert (entry["id"] in text) == path.endswith(".atom")
    atom = ElementTree.fromstring((await site.reader.get(f"{PAGE}/feed.atom")).content)
    (tombstone,) = atom.findall(f"{TOMBSTONE}deleted-entry")
    assert tombstone.attrib["ref"] == f"urn:uuid:{entry['id']}"
    assert tombstone.attrib["when"] == atom.findtext(f"{ATOM}updated")
    assert (await site.reader.get(card)).status_code == 410
    assert (await site.reader.get(f"{entry['url']}/card.png")).status_code == 410


async def test_pictures_go_with_the_entry(site: Site) -> None:
    """Feeds and structured data name files that there are; what an edit takes out, or a deletion, is named nowhere."""
    file = ("quai.jpg", saved(quarters(), "JPEG"), "image/jpeg")
    images = [
        (await site.editor.post("/api/v1/media", files={"file": file}, data={"alt": f"Quai {number}"})).json()
        for number in range(2)
    ]
    first, second = (image["html"] for image in images)
    entry = await site.publish(f"<p>Voyez.</p>{first}{second}")
    paths = [*FEED_PATHS, PAGE, entry["url"], f"/embed/{SLUG}/fragment"]

    async def named() -> dict[str, list[str]]:
        """The pictures that each surface names beside the entry's own HTML."""
        found = {}
        for path in paths[:3]:
            items = ITEMS[path.rpartition(".")[2]]((await site.reader.get(path)).content)
            found[path] = [picture.url for item in items for picture in item.pictures]
        for path in paths[3:]:
            html = (await site.reader.get(path)).text
            found[path] = re.findall(r'"url":"([^"]+/media/[^"]+)"', html)
        return found

    urls = [image["url"] for image in images]
    assert await named() == dict.fromkeys(paths, urls)
    for url in urls:
        assert (await site.reader.get(url)).status_code == 200
    entry = await site.edit(entry, body=second, correction="Le premier quai n’y était pas.")
    assert await named() == dict.fromkeys(paths, urls[1:])
    await site.delete(entry)
    assert await named() == {path: [] for path in paths}


async def test_sitemaps(site: Site) -> None:
    """From robots.txt to the index to every live blog; the news are those with a change within two days."""
    await site.publish()
    await site.open_liveblog("autre")
    robots = await site.reader.get("/robots.txt")
    assert robots.headers["content-type"] == "text/plain; charset=utf-8"
    (line,) = [line for line in robots.text.splitlines() if line.startswith("Sitemap: ")]
    index = await site.reader.get(line.removeprefix("Sitemap: "))
    assert index.headers["content-type"] == "application/xml"
    assert index.headers["cache-control"] == "public, max-age=60"
    locations = [text_of(sitemap, f"{SITEMAP}loc") for sitemap in ElementTree.fromstring(index.content)]
    news, everything = [await site.reader.get(location) for location in locations]
    assert list(sitemap_urls(news.content)) == [f"{BASE}{PAGE}"]
    assert list(sitemap_urls(everything.content)) == [f"{BASE}{PAGE}", f"{BASE}/live/autre"]
    kept = await site.reader.get(locations[1], headers={"If-None-Match": everything.headers["etag"]})
    assert (kept.status_code, kept.content) == (304, b"")


async def test_news_ends(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing changed for longer than a live blog is news."""
    await site.publish()
    monkeypatch.setattr(sitemaps, "NEWS_AGE", -sitemaps.NEWS_AGE)
    assert list(sitemap_urls((await site.reader.get("/sitemap-news.xml")).content)) == [f"{BASE}/"]


@pytest.mark.parametrize(
    "path", ["/sitemap-0.xml", "/sitemap-2.xml", "/sitemap-x.xml", "/sitemap-99999999999999999999.xml"]
)
async def test_sitemaps_that_there_are_not(site: Site, path: str) -> None:
    assert (await site.reader.get(path)).status_code == 404


async def test_no_live_blog_has_any(site: Site) -> None:
    """404 for what there is nothing of, as for its page."""
    draft = await site.publish(status="draft")
    paths = [f"/live/rien/{name}" for name in ("feed.rss", "feed.atom", "feed.json", "card.png", "card-0.png")]
    paths += [f"{PAGE}/feed.xml", f"{PAGE}/entries/{draft['id']}/card.png", f"{PAGE}/entries/x/card.png"]
    for path in paths:
        assert (await site.reader.get(path)).status_code == 404, path


async def test_cards(site: Site) -> None:
    """The pages name pictures that there are, small enough for everyone who fetches them."""
    entry = await site.publish(heading="L’eau a passé la première marche")
    for page in (PAGE, entry["url"]):
        response = await site.reader.get(card_of(await site.reader.get(page)))
        assert picture(response) == (1200, 630)
        assert response.headers["cache-control"] == "public, max-age=3600"
        kept = await site.reader.get(str(response.url), headers={"If-None-Match": response.headers["etag"]})
        assert (kept.status_code, kept.content) == (304, b"")


async def test_an_older_cards_address_leads_to_the_newest(site: Site) -> None:
    """The card from before the correction isn't shown again."""
    entry = await site.publish(heading="12 blessés")
    before = card_of(await site.reader.get(entry["url"]))
    old = (await site.reader.get(before)).content
    entry = await site.edit(entry, heading="8 blessés", correction="8 et non 12.")
    after = card_of(await site.reader.get(entry["url"]))
    assert after != before
    for url in (before, f"{entry['url']}/card.png"):
        response = await site.reader.get(url)
        assert (response.status_code, response.headers["location"]) == (302, after)
        assert response.headers["cache-control"] == "public, no-cache"
    assert (await site.reader.get(after)).content != old
    page_card = card_of(await site.reader.get(PAGE))
    await site.editor.patch(LIVEBLOG, json={"status": "ended"}, headers={"If-Match": "*"})
    response = await site.reader.get(page_card)
    assert (response.status_code, response.headers["location"]) == (302, card_of(await site.reader.get(PAGE)))


async def test_a_card_is_drawn_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask at a time: a link that is shared is asked for by every network within seconds."""
    drawn: list[Any] = []
    a_second = threading.Barrier(2)

    def draw(card: Any) -> bytes:
        drawn.append(card)
        with suppress(threading.BrokenBarrierError):
            a_second.wait(timeout=0.3)
        return b"picture"

    monkeypatch.setattr(share_cards_module, "draw", draw)
    await site.editor.patch(LIVEBLOG, json={"title": "Une seule fois"}, headers={"If-Match": "*"})
    url = card_of(await site.reader.get(PAGE))
    responses = await asyncio.gather(*(site.reader.get(url) for _ in range(5)))
    assert [response.content for response in responses] == [b"picture"] * 5
    assert len(drawn) == 1


async def test_the_database_is_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 and when to come back: a crawler that got 404 would forget the page."""
    await site.publish()
    with database_away(monkeypatch):
        for path in (*FEED_PATHS, f"{PAGE}/card.png", "/sitemap.xml", "/sitemap-news.xml", "/sitemap-1.xml"):
            response = await site.reader.get(path)
            assert (response.status_code, response.headers["retry-after"]) == (503, "2"), path
        assert (await site.reader.get("/robots.txt")).status_code == 200


@pytest.mark.parametrize("path", [*FEED_PATHS, f"{PAGE}/card.png", "/sitemap.xml", "/robots.txt"])
async def test_only_read(site: Site, path: str) -> None:
    assert (await site.editor.post(path, json={})).status_code == 405
