"""The paragraphs of a body, made of the blocks and tables that a stored body can't have.

A stored body has neither `<div>` nor `<table>`. Text that stood in blocks of its own stays in blocks of its own, so
that no words or figures run together. A row of a table becomes a paragraph: `<p>Inscrits | 12 | 34</p>`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

INLINE = {
    *("a", "em", "strong", "b", "i", "u", "s", "del", "ins", "sub", "sup", "small", "mark", "abbr", "cite", "q"),
    *("code", "kbd", "time", "span", "bdi", "bdo", "br"),
}
"""The names of the permitted elements that stand within a line of text, except `img`."""

DISSOLVED = {"div", "table", "caption", "thead", "tbody", "tfoot", "tr", "td", "th"}
"""The names of the elements that the HTML cleaner keeps for this module, which replaces all of them."""

# Here, too, each < begins a tag and each > ends one, as in all HTML that a serialiser has written.
_TOKEN = re.compile(r"<[^>]*>|[^<]+")
_NAME = re.compile(r"<(/?)([a-z0-9]+)([^>]*)>")
_NEEDED = re.compile(r"<(?:div|table)\b|<p>\s*</p>")
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_EDGE = "\0"
"""The character that stands for the edge of a block or a line break while a cell is made into one line. HTML from the
parser never has this character."""
_EDGES = re.compile(rf" ?{_EDGE} ?")


class _Row(NamedTuple):
    """A row that is being read."""

    attributes: str
    cells: list[tuple[str, list[str]]]
    """For each cell, the attributes of its tag, and its content as tokens of HTML."""
    outer: list[str]
    """The list to which the finished row is added: the HTML so far of the body, or of the cell around the table."""


class _Paragraphs:
    """The HTML that is made of tokens, with the state of this work at the token that was reached."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tokens
        self._spanning = _spanning(tokens)
        self._parts: list[str] = []
        self._rows: list[_Row] = []
        self._places: list[str | None] = [None]
        """A stack: an item for the body, and one for each open block. An item is the attributes of the paragraphs that
        are made of the block's own text; None if this text stays without a paragraph."""
        self._is_open = False
        """True while a paragraph is open that this object has added: its `<p>` isn't among the tokens."""
        self._follows_text = False
        """True if the HTML so far ends in text without a paragraph."""
        self._is_apart = False
        """True if a tag of DISSOLVED, or an empty paragraph, was left out since the last text."""

    def html(self) -> str:
        tokens = self._tokens
        at = 0
        while at < len(tokens):
            match = _NAME.match(tokens[at])
            if match is None or match[2] == "img" or match[2] in INLINE:
                self._inline(at, match[2] if match else "")
            elif match[2] in DISSOLVED:
                self._dissolve(match[1], match[2], match[3])
            elif tokens[at] == "<p>" and (length := _empty(tokens, at)):
                self._edge()
                at += length - 1
            else:
                self._block(tokens[at], match[1], match[2])
            at += 1
        self._end_paragraph()
        return "".join(self._parts)

    def _inline(self, at: int, name: str) -> None:
        token = self._tokens[at]
        attributes = self._places[-1]
        if at in self._spanning:
            self._end_paragraph()
            self._parts.append(token)
            return
        if not self._is_open:
            if not name and token.isspace():
                self._parts += [token] if attributes is None else []
                return
            if attributes is not None or (self._follows_text and self._is_apart and name != "br"):
                self._parts.append(f"<p{attributes or ''}>")
                self._is_open = True
        self._parts.append(token)
        self._is_apart = False
        self._follows_text = not self._is_open and name != "br"

    def _block(self, token: str, end: str, name: str) -> None:
        self._end_paragraph()
        self._parts.append(token)
        if end:
            self._leave()
        elif name != "hr":
            self._places.append(None)
        self._follows_text = self._is_apart = False

    def _dissolve(self, end: str, name: str, attributes: str) -> None:
        self._edge()
        if end:
            self._leave()
            if self._rows and name == "tr":
                self._end_row(self._rows.pop())
            elif self._rows and name in {"td", "th"}:
                self._follows_text = False
            return
        self._places.append(attributes or self._places[-1] or "")
        if name == "tr":
            self._rows.append(_Row(self._places[-1] or "", [], self._parts))
        elif self._rows and name in {"td", "th"}:
            self._parts = []
            self._rows[-1].cells.append((attributes, self._parts))
            self._follows_text = False

    def _end_row(self, row: _Row) -> None:
        self._parts = row.outer
        contents = [content for _, content in row.cells]
        if len(contents) == 1 or (any(map(_has_blocks, contents)) and sum(map(_has_content, contents)) == 1):
            # One cell alone is layout, and no figure of a table: its lists, quotations and pictures stay.
            added = [token for content in contents for token in content]
        else:
            line = bar_separated(
                f"<span{attributes}>{line}</span>" if attributes and line else line
                for attributes, line in ((attributes, _line(content)) for attributes, content in row.cells)
            )
            added = [f"<p{row.attributes}>", *_TOKEN.findall(line), "</p>"] if line else []
        self._parts += added
        if added:
            self._follows_text = False

    def _leave(self) -> None:
        if len(self._places) > 1:
            self._places.pop()

    def _edge(self) -> None:
        self._end_paragraph()
        self._is_apart = True

    def _end_paragraph(self) -> None:
        if self._is_open:
            self._parts.append("</p>")
        self._is_open = False


def in_paragraphs(html: str) -> str:
    """Return HTML that a serialiser has written, without its `<div>`s, its tables and its empty paragraphs.

    Text in a `<div>` or a caption becomes paragraphs. Text after a `<div>`, a table or an empty paragraph becomes a
    paragraph, too, if text without a paragraph stands before. A row becomes one paragraph with ` | ` between its cells,
    and ` / ` between the lines of a cell. A row isn't put into one line if it has a single cell, or if it has blocks
    and only one cell with content. Applying this function to its own result changes nothing. The time grows with the
    length of the HTML times the depth of its nested tables.
    """
    return _Paragraphs(_TOKEN.findall(html)).html() if _NEEDED.search(html) else html


def bar_separated(cells: Iterable[str]) -> str:
    """Return the HTML of a row's cells as one line, with bars between them. Return an empty string if all are empty."""
    kept = list(cells)
    if not any(kept):
        return ""
    return "".join(("| " if at else "") + (f"{cell} " if cell else "") for at, cell in enumerate(kept)).rstrip(" ")


def _spanning(tokens: Sequence[str]) -> set[int]:
    """Return the indices of the opening tags and end tags of inline elements that have blocks within them."""
    spanning: set[int] = set()
    opened: list[int] = []
    for at, token in enumerate(tokens):
        match = _NAME.match(token)
        if match is None or match[2] in {"br", "img"}:
            continue
        if match[2] not in INLINE:
            for begin in reversed(opened):
                if begin in spanning:
                    break
                spanning.add(begin)
        elif not match[1]:
            opened.append(at)
        elif opened and opened.pop() in spanning:
            spanning.add(at)
    return spanning


def _empty(tokens: Sequence[str], at: int) -> int:
    """Return the number of tokens of the paragraph that begins at `tokens[at]` if it is empty; otherwise 0."""
    if tokens[at + 1 : at + 2] == ["</p>"]:
        return 2
    return 3 if tokens[at + 2 : at + 3] == ["</p>"] and tokens[at + 1].isspace() else 0


def _has_content(content: Sequence[str]) -> bool:
    return any(not token.isspace() if token[0] != "<" else token.startswith("<img ") for token in content)


def _has_blocks(content: Sequence[str]) -> bool:
    """True if the tokens of a cell have more than one paragraph, or any block that isn't a paragraph."""
    names = [match[2] for match in map(_NAME.match, content) if match and match[2] not in INLINE]
    return names.count("p") > 2 or any(name not in {"p", "img"} for name in names)


def _line(content: Iterable[str]) -> str:
    """Return the content of a cell as one line of HTML, with ` / ` between its blocks and between its lines. Return an
    empty string if the cell has neither text nor a picture."""
    parts: list[str] = []
    is_begun = is_apart = False
    for token in content:
        match = _NAME.match(token)
        if match and match[2] in INLINE and match[2] != "br":
            parts.append(token)
        elif match and match[2] != "img":
            is_apart = True
        elif match or not token.isspace():
            if is_apart and is_begun:
                parts.insert(_before_opening_tags(parts), _EDGE)
            parts.append(token if match else _BLANKS.sub(" ", token))
            is_begun, is_apart = True, False
        elif is_begun and not is_apart:
            parts.append(" ")
    return _EDGES.sub(" / ", "".join(parts)).strip(" ") if is_begun else ""


def _before_opening_tags(parts: Sequence[str]) -> int:
    """Return the index of the first of the opening tags at the end of `parts`; `len(parts)` if there are none."""
    at = len(parts)
    while parts[at - 1][0] == "<" and parts[at - 1][1] != "/" and not parts[at - 1].startswith("<img "):
        at -= 1
    return at
