"""What HTML says, whatever it says it with."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from liveserver.content import plain_text as plain_text_module
from liveserver.content.plain_text import plain_text

if TYPE_CHECKING:
    import pytest

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
