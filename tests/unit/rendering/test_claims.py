"""A claim doesn't read as fact: wherever its title stands alone, the label that the page has beside it goes with it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import orjson
import pytest

from liveserver.domain.entry import Verification
from liveserver.rendering.structured_data import entry_posting
from liveserver.rendering.urls import FEEDS
from tests.support.api.site import ENTRIES, LIVEBLOG, SLUG
from tests.support.documents import ENTRIES as RENDERER
from tests.support.documents import LIVEBLOG as MATCH
from tests.support.documents import Document, an_entry
from tests.support.feed_rules import ITEMS

if TYPE_CHECKING:
    from tests.support.api.site import JSON, Site

PAGE = f"/live/{SLUG}"
TITLE = "Le barrage a cédé"
WORDS = "L’eau est dans la vallée."
LABELS = {
    ("denied", "préfecture"): "Démenti\u00a0: préfecture",
    ("denied", None): "Démenti",
    ("claimed", "{un} <témoin>"): "Affirmation\u00a0: {un} <témoin>",
    ("claimed", None): "Affirmation non confirmée",
    ("unverified", "réseaux"): "Non vérifié\u00a0: réseaux",
    ("unverified", None): "Non vérifié",
    ("confirmed", "préfecture"): "",
    ("confirmed", None): "",
    (None, "préfecture"): "",
    (None, None): "",
}
"""The words that go with a title, by the entry's verification and source."""


def meta(document: Document, name: str) -> str:
    return str(document.one("meta", property=name)["content"])


def article_of(html: str, entry_id: str) -> JSON:
    """The names of an article: the one for scripts, and the one that is read aloud, without the time."""
    document = Document(html)
    article = document.one("article", data_id=entry_id)
    named = str(article["aria-labelledby"]).split()[1:]
    by_id = {element.attributes.get("id"): element.text for element in document.elements}
    return {"data-title": article["data-title"], "accessible name": " – ".join(by_id[name] for name in named)}


def posting_of(html: str, entry_id: str) -> JSON:
    """The posting of an entry that search engines are told."""
    posting: JSON = json.loads(Document(html).one("script", type="application/ld+json").text)
    updates: list[JSON] = posting.get("liveBlogUpdate", [posting])
    return next(update for update in updates if update["url"].endswith(entry_id))


async def titles(site: Site, entry: JSON) -> dict[str, str]:
    """Under what title every surface shows an entry that is a key event."""
    entry_id = entry["id"]
    permalink = (await site.reader.get(entry["url"])).text
    page = (await site.reader.get(PAGE)).text
    fragment = (await site.reader.get(f"/embed/{SLUG}/fragment")).text
    widget = (await site.reader.get(f"/embed/{SLUG}")).text
    snapshot = (await site.reader.get(f"{LIVEBLOG}/snapshot")).json()
    changes = (await site.reader.get(f"{LIVEBLOG}/changes", params={"after": f"{snapshot['epoch']}-0"})).json()
    document = Document(permalink)
    found: dict[str, str] = {
        "<title>": document.one("title").text.removesuffix(" – Les marées"),
        "og:title": meta(document, "og:title"),
        "og:image:alt": meta(document, "og:image:alt"),
        "key events": next(
            e.text for e in Document(page).all("span") if e.parents[-2].attributes.get("data-id") == entry_id
        ),
        "key events of the API": next(e["title"] for e in snapshot["key_events"] if e["id"] == entry_id),
    }
    articles = {"permalink": permalink, "page": page, "fragment": fragment, "frame": widget}
    articles |= {
        "API": (await site.reader.get(f"{ENTRIES}/{entry_id}")).json()["html"],
        "snapshot": snapshot["entries"][0]["html"],
        "stream": changes["events"][-1]["entry"]["html"],
    }
    for surface, html in articles.items():
        found |= {f"{name}, {surface}": title for name, title in article_of(html, entry_id).items()}
    for surface, html in {"permalink": permalink, "page": page, "fragment": fragment}.items():
        found[f"JSON-LD, {surface}"] = posting_of(html, entry_id)["headline"]
    for kind in FEEDS:
        found[f"feed.{kind}"] = ITEMS[kind]((await site.reader.get(f"{PAGE}/feed.{kind}")).content)[0].title
    return found


@pytest.mark.parametrize(("verification", "source"), LABELS)
async def test_every_title_has_its_label(site: Site, verification: str | None, source: str | None) -> None:
    label = LABELS[verification, source]
    entry = await site.publish(
        f"<p>{WORDS}</p>", heading=TITLE, verification=verification, source=source, key_event=True
    )
    expected = f"{label} – {TITLE}" if label else TITLE
    found = await titles(site, entry)
    assert found == dict.fromkeys(found, expected)


@pytest.mark.parametrize("after", ["denied", "confirmed", None])
async def test_a_label_that_changes_does_so_everywhere(site: Site, after: str | None) -> None:
    """A claim that is denied, or confirmed, or whose label is taken away."""
    entry = await site.publish(heading=TITLE, verification="claimed", source="un témoin", key_event=True)
    await titles(site, entry)
    entry = await site.edit(entry, verification=after, correction="Le barrage tient.")
    expected = f"Démenti\u00a0: un témoin – {TITLE}" if after == "denied" else TITLE
    found = await titles(site, entry)
    assert found == dict.fromkeys(found, expected)
    await site.delete(entry)
    for path in (PAGE, entry["url"], f"/embed/{SLUG}", f"/embed/{SLUG}/fragment", f"{LIVEBLOG}/snapshot"):
        assert TITLE not in (await site.reader.get(path)).text
    for kind in FEEDS:
        assert TITLE not in (await site.reader.get(f"{PAGE}/feed.{kind}")).text


@pytest.mark.parametrize(
    ("language", "label"), [("en-GB", "Denied: Kiev"), ("fr-CA", "Démenti\u00a0: Kiev"), ("uk", "Denied: Kiev")]
)
def test_labels_are_in_the_live_blogs_language(language: str, label: str) -> None:
    """Ours is English where we have no texts in it."""
    entry = an_entry(verification=Verification.DENIED, source="Kiev", body="<p>Le <b>pont</b>.</p>")
    liveblog = replace(MATCH, language=language)
    assert RENDERER.title(liveblog, entry) == f"{label} – Le pont."


@pytest.mark.parametrize("where", ["permalink", "page", "fragment"])
@pytest.mark.parametrize("verification", ["denied", "claimed", "unverified", "confirmed", None])
async def test_structured_data(site: Site, where: str, verification: str | None) -> None:
    """The text has the label too; what is claimed is told as a `Claim`, and as no more than that."""
    entry = await site.publish(f"<p>{WORDS}</p>", heading=TITLE, verification=verification, source="Kiev")
    paths = {"permalink": entry["url"], "page": PAGE, "fragment": f"/embed/{SLUG}/fragment"}
    posting = posting_of((await site.reader.get(paths[where])).text, entry["id"])
    if verification in {None, "confirmed"}:
        assert posting["articleBody"] == WORDS
        assert "about" not in posting
    else:
        source = {"denied": "préfecture", "claimed": "{un} <témoin>", "unverified": "réseaux"}[verification]
        label = LABELS[verification, source].replace(source, "Kiev")
        assert posting["about"] == {"@type": "Claim", "text": TITLE, "description": label}
        assert posting["articleBody"] == f"{label} – {WORDS}"
        assert "ClaimReview" not in json.dumps(posting)


def test_a_claim_without_words() -> None:
    """A picture that nothing is said of is labelled all the same."""
    entry = an_entry(verification=Verification.UNVERIFIED, body="")
    posting = entry_posting(MATCH, entry, RENDERER)
    assert (posting["headline"], posting["articleBody"]) == ("Non vérifié – …", "Non vérifié")
    assert RENDERER.summary(MATCH, entry) == "Non vérifié"


@pytest.mark.parametrize(("verification", "source"), LABELS)
async def test_no_label_twice(site: Site, verification: str | None, source: str | None) -> None:
    """Where the label stands beside the heading, that is bare; and a feed’s content has the label once."""
    entry = await site.publish(f"<p>{WORDS}</p>", heading=TITLE, verification=verification, source=source)
    for path in (PAGE, entry["url"], f"/embed/{SLUG}", f"/embed/{SLUG}/fragment"):
        document = Document((await site.reader.get(path)).text)
        assert document.one("h3", class_="entry-heading").text == TITLE
        shown = [e.text for e in document.all("li") if str(e.attributes.get("class")).startswith("label label-")]
        assert [text for text in shown if LABELS[verification, source] in text] == shown
        assert len(shown) == (verification is not None)
    content = orjson.loads((await site.reader.get(f"{PAGE}/feed.json")).content)["items"][0]["content_html"]
    label = LABELS[verification, source]
    assert TITLE not in content
    if label:
        assert ElementTree.fromstring(f"<div>{content}</div>").findtext("p/strong") == label


async def test_what_has_the_live_blogs_title_needs_no_label(site: Site) -> None:
    """Titles of frames, of the oEmbed, of the sitemap for news: none of them is an entry's, whatever is asked for."""
    entry = await site.publish(heading=TITLE, verification="denied", source="Kiev")
    oembed: dict[str, Any] = (await site.reader.get("/oembed", params={"url": entry["url"]})).json()
    assert oembed["title"] == "Les marées"
    assert TITLE not in json.dumps(oembed, ensure_ascii=False)
    assert TITLE not in (await site.reader.get("/sitemap-news.xml")).text
    assert Document((await site.reader.get(f"/embed/{SLUG}")).text).one("title").text == "Les marées"
