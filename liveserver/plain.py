"""What HTML says, as plain text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

BLOCK = re.compile(r"<(?:p|h[1-6]|ul|ol|dl|blockquote|figure|table|pre|hr|div|iframe)\b", re.IGNORECASE)
"""The beginning of an element that stands by itself: text without any is a paragraph."""


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.alternatives: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._separate(tag)
        if tag == "img":
            self.alternatives += [value for name, value in attrs if name == "alt" and value]

    def handle_endtag(self, tag: str) -> None:
        self._separate(tag)

    def _separate(self, tag: str) -> None:
        if tag in {"br", "li", "cite", "figcaption"} or BLOCK.match(f"<{tag}"):
            self.parts.append(" ")


def plain_text(html: str) -> str:
    """The text of some HTML on one line; if it has none, the descriptions of its images."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    return _line(parser.parts) or _line(parser.alternatives)


def shortened(text: str, length: int) -> str:
    """The text, or its beginning with an ellipsis, cut at a word: about so many characters."""
    if len(text) <= length:
        return text
    cut = text[: length + 1].rpartition(" ")[0] or text[:length]
    return cut.rstrip(" ,;:.–—-\u00a0\u202f") + "…"


def _line(parts: list[str]) -> str:
    return re.sub(r"[ \t\r\n\f]+", " ", "".join(parts)).strip()
