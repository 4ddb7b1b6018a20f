"""RSS, Atom and JSON Feed, held to their specifications and read by a feed reader."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import feedparser
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liveserver.domain.entry import Correction, Entry, Verification
from liveserver.domain.snapshot import Deletion, Feed
from liveserver.rendering.entry_renderer import EntryRenderer
from liveserver.rendering.feeds.item import absolute
from liveserver.rendering.feeds.writers import WRITERS
from liveserver.rendering.urls import FEEDS, Urls
from tests.support.documents import ENTRIES, LIVEBLOG, NOON, SITE, URLS, an_entry, id_of
from tests.support.feed_rules import ATOM, CREATOR, ITEMS, TOMBSTONE, Item, Picture, reader_items

LATER = NOON + timedelta(minutes=5)
KINDS = sorted(FEEDS)


def a_feed(*entries: Entry, deleted: tuple[Deletion, ...] = (), **liveblog: Any) -> Feed:
    return Feed(replace(LIVEBLOG, **liveblog), list(entries), list(deleted), LATER)


def written(kind: str, feed: Feed) -> bytes:
    return WRITERS[kind](feed, ENTRIES)


@pytest.mark.parametrize("kind", KINDS)
def test_entries(kind: str) -> None:
    """Whole, in the order given, with their times; the same bytes again."""
    entries = (
        an_entry(2, heading="Deux & <trois>", updated_at=LATER),
        an_entry(1, NOON - timedelta(days=1), body="<p>Un <b>but</b>\u202f! 1 &lt; 2 &amp; 3</p>", pinned=True),
    )
    body = written(kind, a_feed(*entries))
    assert ITEMS[kind](body) == [
        Item(id_of(2), "Deux & <trois>", NOON, LATER, "Texte 2"),
        Item(
            id_of(1),
            "Un but\u202f! 1 < 2 & 3",
            NOON - timedelta(days=1),
            NOON - timedelta(days=1),
            "Un but\u202f! 1 < 2 & 3",
        ),
    ]
    assert written(kind, a_feed(*entries)) == body


@pytest.mark.parametrize("kind", ["rss", "atom"])
def test_a_feed_reader_agrees(kind: str) -> None:
    """Titles are texts and contents are HTML, to a reader that isn't ours."""
    entry = an_entry(
        heading="1 < 2 &amp; <b>",
        body="<p>Un <em>but</em> &lt;b&gt; &amp;amp;</p>",
        authors=("Ada", "<Eve>"),
        tags=("a & b",),
    )
    body = written(kind, a_feed(entry, an_entry(2)))
    items = ITEMS[kind](body)
    # feedparser takes any title for HTML where the format doesn't say what it is.
    told = reader_items(body)
    assert [item._replace(title="") for item in told] == [item._replace(title="") for item in items]
    parsed = feedparser.parse(body)
    assert parsed.version == {"rss": "rss20", "atom": "atom10"}[kind]
    assert parsed.feed.language == "fr"
    assert parsed.feed.link == f"{SITE}/live/match"
    assert parsed.entries[0].link == URLS.entry("match", entry.id)
    assert [author["name"] for author in parsed.entries[0].authors] == ["Ada", "<Eve>"]
    assert [tag.term for tag in parsed.entries[0].tags] == ["a & b"]
    assert parsed.entries[0].content[0].value == "<p>Un <em>but</em> &lt;b&gt; &amp;amp;</p>"
    assert parsed.entries[0].content[0].type == "text/html"


def test_rss() -> None:
    channel = ElementTree.fromstring(written("rss", a_feed(an_entry(authors=("Ada", "Eve"), tags=("un", "deux")))))[0]
    assert channel.findtext("description") == LIVEBLOG.summary
    assert channel.findtext("lastBuildDate") == "Sun, 22 Nov 2026 12:12:00 GMT"
    item = channel.find("item")
    assert item is not None
    assert item.findtext("pubDate") == "Sun, 22 Nov 2026 12:07:00 GMT"
    assert [creator.text for creator in item.findall(CREATOR)] == ["Ada", "Eve"]
    assert [category.text for category in item.findall("category")] == ["un", "deux"]
    assert item.findtext("description") == "Texte 1"


def test_rss_summary_is_html() -> None:
    """A description is read as HTML: what looks like a tag in the text is none."""
    rss = ElementTree.fromstring(written("rss", a_feed(an_entry(body="<p>1 &lt;b&gt; &amp; 2</p>"))))
    assert rss.findtext("channel/item/description") == "1 &lt;b&gt; &amp; 2"
    assert ElementTree.fromstring(written("rss", a_feed(summary="")))[0].findtext("description") == LIVEBLOG.title


def test_atom_names_what_was_deleted() -> None:
    """So that a reader can drop what it has kept (RFC 6721)."""
    feed = a_feed(an_entry(2), deleted=(Deletion(id_of(3), LATER), Deletion(id_of(1), NOON)))
    root = ElementTree.fromstring(written("atom", feed))
    assert [dict(d.attrib) for d in root.findall(f"{TOMBSTONE}deleted-entry")] == [
        {"ref": f"urn:uuid:{id_of(3)}", "when": "2026-11-22T12:12:00.000Z"},
        {"ref": f"urn:uuid:{id_of(1)}", "when": "2026-11-22T12:07:00.000Z"},
    ]
    assert root.findtext(f"{ATOM}updated") == "2026-11-22T12:12:00.000Z"
    for kind in ("rss", "json"):
        assert id_of(3).encode() not in written(kind, feed)


def test_json_feed() -> None:
    feed = orjson.loads(written("json", a_feed(an_entry(authors=("Ada",), tags=("un",)), an_entry(2))))
    assert feed["feed_url"] == f"{SITE}/live/match/feed.json"
    assert feed["authors"] == [{"name": "live.example.org", "url": f"{SITE}/"}]
    first, second = feed["items"]
    assert (first["authors"], first["tags"]) == ([{"name": "Ada"}], ["un"])
    assert not {"authors", "tags"} & set(second)
    assert feed["description"] == LIVEBLOG.summary
    assert "description" not in orjson.loads(written("json", a_feed(summary="")))


@pytest.mark.parametrize("kind", KINDS)
def test_no_claim_without_its_label(kind: str) -> None:
    """Readers of the feed are told all that readers of the page are: a claim, its source and its corrections."""
    entry = an_entry(
        verification=Verification.DENIED,
        source="état-major",
        corrections=(Correction(LATER, "8 et non <12>."),),
        body="<p>Le pont.</p>",
    )
    (item,) = ITEMS[kind](written(kind, a_feed(entry)))
    assert item.text == "Démenti\u00a0: état-major Le pont. Correction, 13\u00a0h\u00a012\u00a0: 8 et non <12>."
    (item,) = ITEMS[kind](written(kind, a_feed(an_entry(source="AFP", body="Le pont."))))
    assert item.text == "Le pont. Source\u00a0: AFP"
    rss = ElementTree.fromstring(written("rss", a_feed(entry)))
    assert rss.findtext("channel/item/description") == "Démenti\u00a0: état-major – Le pont."


A, B, C = f"{'a' * 32}-1600x900.jpg", f"{'b' * 32}-1600x900.webp", f"{'c' * 32}-1600x900.jpg"
ILLUSTRATED = (
    f'<p>Avant</p><figure><img src="/media/{A}" alt="Le quai &amp; &quot;la&quot; mer"></figure>'
    f'<figure class="gallery"><figure><img src="/media/{B}" alt=""><figcaption>Le <b>port</b></figcaption></figure>'
    f'<figure><img src="/media/{C}" alt=""></figure></figure><p>1 <img src="/media/{A}" alt="encore"></p>'
)


@pytest.mark.parametrize("kind", KINDS)
def test_pictures(kind: str) -> None:
    """Each once, by its largest file, with what it shows, or else its caption; absolute also where a CDN has them."""
    size = (1600, 900) if kind == "rss" else None
    entries = (an_entry(2, body=ILLUSTRATED), an_entry(1))
    cdn = EntryRenderer(Urls(SITE, media_url="https://cdn.example/m"))
    for renderer, base in ((ENTRIES, f"{SITE}/media"), (cdn, "https://cdn.example/m")):
        first, second = ITEMS[kind](WRITERS[kind](a_feed(*entries), renderer))
        assert first.pictures == (
            Picture(f"{base}/{A}", "image/jpeg", 'Le quai & "la" mer', size),
            Picture(f"{base}/{B}", "image/webp", "Le port", size),
            Picture(f"{base}/{C}", "image/jpeg", None, size),
        )
        assert second.pictures == ()
    assert b"enclosure" not in written("rss", a_feed(*entries))


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_that_look_alike_in_words(kind: str) -> None:
    """To JSON Feed, attachments of one title are one thing in several formats: the second goes without."""
    body = "".join(f'<figure><img src="/media/{name}" alt="Le quai"></figure>' for name in (A, C))
    (item,) = ITEMS[kind](written(kind, a_feed(an_entry(body=body))))
    assert [picture.text for picture in item.pictures] == ["Le quai", None if kind == "json" else "Le quai"]


def test_a_feed_reader_finds_the_pictures() -> None:
    body = ILLUSTRATED.replace('alt=""', 'alt="<b>&amp;"')
    (rss,) = feedparser.parse(written("rss", a_feed(an_entry(body=body)))).entries
    urls = [f"{SITE}/media/{name}" for name in (A, B, C)]
    assert [media["url"] for media in rss.media_content] == urls
    assert {(m["medium"], m["width"], m["height"]) for m in rss.media_content} == {("image", "1600", "900")}
    (atom,) = feedparser.parse(written("atom", a_feed(an_entry(body=body)))).entries
    assert [enclosure.href for enclosure in atom.enclosures] == urls
    assert [enclosure.type for enclosure in atom.enclosures] == ["image/jpeg", "image/webp", "image/jpeg"]
    assert atom.link == URLS.entry("match", id_of(1))


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_feed(kind: str) -> None:
    body = written(kind, a_feed())
    assert ITEMS[kind](body) == []
    if kind != "json":
        assert reader_items(body) == []


@pytest.mark.parametrize("kind", ["rss", "atom"])
@given(text=st.text())
@example("\ufffe \x0b \x1f")
@settings(max_examples=60)
def test_whatever_is_written_is_xml(kind: str, text: str) -> None:
    """Also characters that XML has no way to write, which are left out."""
    feed = a_feed(an_entry(heading=f"x{text}", authors=(f"x{text}",), tags=(f"x{text}",)), title=f"x{text}")
    ElementTree.fromstring(written(kind, feed))


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (
            '<p><a href="/a?b=1&amp;c=2" rel="x">/a</a></p>',
            '<p><a href="https://x.org/a?b=1&amp;c=2" rel="x">/a</a></p>',
        ),
        ('<a href="https://y.org/é?a&amp;b">', '<a href="https://y.org/é?a&amp;b">'),
        ('<a href="mailto:a@x.org">', '<a href="mailto:a@x.org">'),
        ('<a title="a > b" href="c">', '<a title="a > b" href="https://x.org/live/c">'),
        ('<p>écrire href="/a" ou &lt;a href="/b"&gt;</p>', '<p>écrire href="/a" ou &lt;a href="/b"&gt;</p>'),
        (
            '<img src="/m/1.jpg" srcset="/m/1.jpg 480w, /m/2.jpg 9w" alt="x=">',
            '<img src="https://x.org/m/1.jpg" srcset="https://x.org/m/1.jpg 480w, https://x.org/m/2.jpg 9w" alt="x=">',
        ),
        ('<q cite="/source">a</q>', '<q cite="https://x.org/source">a</q>'),
        ('<a href="https://[">', '<a href="https://[">'),
        ('<a href="//y.org/&quot;">', '<a href="https://y.org/&quot;">'),
    ],
)
def test_addresses_become_absolute(html: str, expected: str) -> None:
    assert absolute(html, "https://x.org/live/match") == expected


def test_relative_addresses_in_a_feed() -> None:
    """An item is read far from the page that it was written for."""
    feed = orjson.loads(written("json", a_feed(an_entry(body='<p><a href="/plan">Plan</a></p>'))))
    assert f'href="{SITE}/plan"' in feed["items"][0]["content_html"]
