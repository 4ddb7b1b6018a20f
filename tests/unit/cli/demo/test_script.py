"""The demo's text: complete, consistent, and in correct French typography."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from liveserver.cli.demo.script import Delete, Edit, Publish, load
from liveserver.domain.entry import Verification
from liveserver.domain.ids import SLUG_PATTERN
from liveserver.domain.liveblog import LiveblogStatus

SCRIPT = load()
FIELDS = {"body", "heading", "authors", "key_event", "breaking", "pinned", "tags", "verification", "source"}
ELEMENTS = {"p", "ul", "ol", "li", "blockquote", "strong", "em", "a"}
NARROW = "\u202f"
NO_BREAK = "\u00a0"


class Text(HTMLParser):
    """The text, elements and link targets of an HTML fragment; fails on markup that isn't balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.elements: set[str] = set()
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        self.elements.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag in {"p", "li"}:
            self.text += "\n"

    def handle_data(self, data: str) -> None:
        self.text += data


def entries() -> list[tuple[str, dict[str, object]]]:
    return [(step.ref, step.entry) for step in SCRIPT.steps if not isinstance(step, Delete)]


def texts() -> list[str]:
    """Every text that a reader sees."""
    found = [SCRIPT.liveblog["title"], SCRIPT.liveblog["summary"]]
    for step in SCRIPT.steps:
        if isinstance(step, Delete):
            continue
        found += [step.entry[name] for name in ("heading", "source") if name in step.entry]
        found += [*step.entry.get("tags", []), *step.entry.get("authors", [])]
        if "body" in step.entry:
            found.append(Text(step.entry["body"]).text)
        if isinstance(step, Edit):
            found.append(step.correction)
    return found


def test_liveblog() -> None:
    """The live blog is one that the API takes."""
    liveblog = SCRIPT.liveblog
    assert set(liveblog) == {"slug", "title", "summary", "language", "timezone", "status"}
    assert re.fullmatch(SLUG_PATTERN, liveblog["slug"])
    assert (liveblog["language"], liveblog["timezone"]) == ("fr", "Europe/Paris")
    assert liveblog["status"] == LiveblogStatus.LIVE


def test_references() -> None:
    """Each ref is published once, and edited or deleted only while it is there."""
    there: set[str] = set()
    gone: set[str] = set()
    for step in SCRIPT.steps:
        if isinstance(step, Publish):
            assert step.ref not in there | gone
            there.add(step.ref)
        else:
            assert step.ref in there
        if isinstance(step, Delete):
            there.remove(step.ref)
            gone.add(step.ref)


def test_variety() -> None:
    """The script shows everything that a reader's page can show."""
    published = [step.entry for step in SCRIPT.steps if isinstance(step, Publish)]
    assert len(published) >= 40
    assert sum(isinstance(step, Edit) for step in SCRIPT.steps) == 3
    assert sum(isinstance(step, Delete) for step in SCRIPT.steps) == 1
    assert sum(entry.get("pinned", False) for entry in published) == 1
    assert sum(entry.get("breaking", False) for entry in published) == 2
    assert 5 <= sum(entry.get("key_event", False) for entry in published) <= 9
    assert {entry["verification"] for _, entry in entries() if "verification" in entry} == set(Verification)
    assert len({author for entry in published for author in entry["authors"]}) == 3
    assert sum("heading" in entry for entry in published) > len(published) / 2
    elements = set().union(*(Text(str(entry["body"])).elements for _, entry in entries()))
    assert elements == ELEMENTS


@pytest.mark.parametrize(("ref", "entry"), entries())
def test_entry(ref: str, entry: dict[str, object]) -> None:
    """An entry has known fields only, a body of a live blog's length, and a source when it says how sure it is."""
    assert set(entry) <= FIELDS
    body = Text(str(entry["body"]))
    assert 70 <= len(body.text) <= 900, ref
    assert all(link.startswith("https://example.org/") for link in body.links)
    assert len(str(entry.get("heading", ""))) <= 90
    assert ("verification" in entry) == ("source" in entry)


@pytest.mark.parametrize("text", texts())
def test_typography(text: str) -> None:
    """Curly apostrophes, French quotation marks, and spaces that don't break, where French has them."""
    assert not re.search(r"""['"“”]""", text)
    assert not re.search(rf"[^{NARROW}][;!?»]", text)
    assert not re.search(rf"«[^{NARROW}]", text)
    assert not re.search(rf"[^{NO_BREAK}]:", text)
    assert not re.search(r"\d \d|\d (?:km|m|cm|h|%|€)\b", text)
    assert not re.search(r"  | [,.]|\.\.\.|--", text)
    assert text.count("«") == text.count("»")
