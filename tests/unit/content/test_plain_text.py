"""The text in HTML, whatever elements it stands in."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveserver.content import plain_text as plain_text_module
from liveserver.content.plain_text import is_empty, lines_of, plain_text
from liveserver.content.sanitiser import sanitise

IMG = '<img src="/media/0123456789abcdef0123456789abcdef-160x80.webp" alt="La mer">'

REFERENCES = ("&amp;", "&lt;", "&gt;", "&nbsp;", "&quot;", "&", "amp;", "lt;", "&#39;", "&eacute;", "&amp", ";", "&&")
SPACES = (" ", "  ", "\t", "\n", "\r\n", "\f", " \n ", "\u00a0", "\u2009", "     ")


@given(st.lists(st.sampled_from([*REFERENCES, *SPACES, "a", "é", "<p>", "</p>", "<br>"])).map("".join))
def test_references_and_spaces(html: str) -> None:
    """As the standard library reads the ones, and HTML the others."""
    text = re.sub(r"</?(?:p|br)>", " ", html)
    assert plain_text(html) == re.sub(r"[ \t\r\n\f]+", " ", unescape(text)).strip()


def test_the_references_that_a_serialiser_writes_are_read_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """40,000 of them took 40 ms, and a feed may have fifty such entries."""
    calls: list[str] = []

    def counted(text: str) -> str:
        calls.append(text)
        return unescape(text)

    monkeypatch.setattr(plain_text_module, "unescape", counted)
    assert plain_text("<p>" + "&amp;&lt;p&gt;&nbsp;" * 1_000 + "</p>") == ("&<p>\u00a0" * 1_000).strip()
    assert calls == []
    assert plain_text("&eacute;&amp;") == "é&"
    assert calls == ["&eacute;&amp;"]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a</p><p>b</p>", "a b"),
        ("a<br>b", "a b"),
        ("<p>  « l’été\u202f» \n &amp; &lt;b&gt; </p>", "« l’été » & <b>"),
        ("<p> \u00a0 </p><hr>", ""),
        ("", ""),
    ],
)
def test_words(html: str, text: str) -> None:
    assert " ".join(plain_text(html).split()) == text
    assert is_empty(html) == (not text)


@given(st.text(max_size=50))
@settings(deadline=None)
def test_sanitised_text_is_its_words(text: str) -> None:
    plain = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f<&]", "", text)
    assert plain_text(sanitise(plain)).split() == plain.split()
    assert is_empty(sanitise(plain)) == (not plain.split())


def test_lines() -> None:
    """For a terminal: blocks part lines, inline elements don't."""
    html = "<p>Le pont est <strong>fermé</strong>.</p><ul><li>a&nbsp;b</li><li>c</li></ul><p>d<br>e &amp; f</p>texte"
    assert lines_of(html) == ["Le pont est fermé.", "• a b", "• c", "d", "e & f", "texte"]
    assert lines_of(f"<p>a</p><figure>{IMG}<figcaption>© b</figcaption></figure>c") == ["a", "[La mer]", "© b", "c"]


@pytest.mark.parametrize(
    ("body", "empty"),
    [
        ("", True),
        ("<p> \u00a0</p><hr>", True),
        ('<p><a href="https://x.example" title="a">\u2003</a></p>', True),
        ("<p>.</p>", False),
        (f"<figure>{IMG}</figure>", False),
        (f"<figure>{IMG.replace('La mer', '')}</figure>", False),
    ],
)
def test_empty(body: str, empty: bool) -> None:
    """Neither text nor a picture; what a picture shows need not be said."""
    assert is_empty(body) == empty
