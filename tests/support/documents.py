"""A live blog and its entries, as pages and articles of HTML that a test can look into."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from liveserver.domain.liveblog import Liveblog, LiveblogStatus
from liveserver.rendering.assets import Assets
from liveserver.rendering.entry_renderer import EntryRenderer
from liveserver.rendering.page_models import PageView
from liveserver.rendering.page_renderer import PageRenderer
from liveserver.rendering.urls import Urls
from tests.support.store_samples import an_entry as sample

if TYPE_CHECKING:
    from liveserver.domain.entry import Entry

SITE = "https://live.example.org"
# 13:07 in Paris, which is an hour ahead of UTC in winter.
NOON = datetime(2026, 11, 22, 12, 7, tzinfo=UTC)

URLS = Urls(SITE)
ENTRIES = EntryRenderer(URLS)
PAGES = PageRenderer(ENTRIES, Assets(script="assets/reader-1.js", styles=("assets/reader-2.css",)))

LIVEBLOG = Liveblog(
    slug="match",
    title="Le match : France – Brésil",
    summary="Suivez la finale <en direct>.",
    language="fr",
    timezone="Europe/Paris",
    status=LiveblogStatus.LIVE,
    version=1,
    epoch="k3f9x2ab",
    seq=42,
    changed_seq=0,
    created_at=NOON - timedelta(hours=3),
    updated_at=NOON - timedelta(hours=3),
)


def id_of(number: int) -> str:
    return f"01930000-0000-7000-8000-{number:012d}"


def an_entry(number: int = 1, at: datetime = NOON, **fields: Any) -> Entry:
    """The sample's number tells it from others: its id, its seq, its text."""
    return sample(at, **{"id": id_of(number), "seq": number, "body": f"<p>Texte {number}</p>", **fields})


class Element:
    """An element of a document: its attributes, the text in it, and the elements that it stands in."""

    def __init__(self, tag: str, attributes: dict[str, str | None], parents: list[Element]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.parents = parents
        self.text = ""

    def __getitem__(self, name: str) -> str | None:
        return self.attributes[name]


class Document(HTMLParser):
    """HTML as a list of elements; fails where an element is closed that isn't the last one opened."""

    VOID = frozenset({"base", "meta", "link", "img", "br", "hr", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"an attribute twice in <{tag}>"
        element = Element(tag, dict(attrs), list(self._open))
        self.elements.append(element)
        if tag not in self.VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """The elements of a tag with these attributes (`class` is `class_`, a hyphen is `_`)."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [e for e in self.elements if e.tag == tag and wanted.items() <= e.attributes.items()]

    def one(self, tag: str, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, (tag, attributes, len(found))
        return found[0]

    def ids(self, name: str = "entries") -> list[int]:
        """The numbers of the entries in the list of this name."""
        return [
            int(str(e["data-id"])[-4:])
            for e in self.all("article")
            if any(parent.attributes.get("data-list") == name for parent in e.parents)
        ]


def entry_document(entry: Entry, **liveblog: Any) -> Document:
    return Document(ENTRIES.article(replace(LIVEBLOG, **liveblog), entry))


def page_document(**view: Any) -> Document:
    return Document(PAGES.page(PageView(LIVEBLOG, **{"entries": [], **view})))
