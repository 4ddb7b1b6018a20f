"""The cost of parsing a body, estimated in one pass. A body that costs too much is refused before parsing.

Parsers of HTML and Markdown need quadratic time for constructs that are left open (elements, emphasis, brackets).
Somebody may send a hundred kilobytes of open constructs. To sanitise a body within the limits of this module takes a
thread at most half a second. To sanitise a newsroom's longest list of results takes about half a second, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.errors import FieldError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

TAGS_MAX = 10_000
"""How many tags a body may have, opening tags and end tags together. Parsing a tag takes some 8 µs. A list of 2,000
results with a bold word in each has 8,000 tags."""
DEPTH_MAX = 64
"""How many elements may be open at the same place of a body, including elements that are never closed. Lists within
lists within quotations have about a dozen open elements."""
MARKDOWN_MAX = 50_000
"""How many points a body's Markdown may cost (`Markdown.total`). A point is work of 5 to 9 µs. 100,000 characters of
prose cost 5,000 points, or 18,000 if every sixth word is bold, in italics or a link. A list of 2,000 results costs
42,000."""
PICTURES_MAX = 200
"""How many pictures a body may have. In the body that readers get, the HTML of a picture is five times as long as in
the store."""
SAFE_MAX = 200_000
"""How many characters a sanitised body may have. This is twice the length that is accepted before sanitising, as
sanitising replaces some characters by character references."""

_VOID = frozenset(
    {
        *("area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "image", "img", "input"),
        *("keygen", "link", "meta", "param", "source", "track", "wbr"),
    }
)
_FORMATTING = frozenset(
    {"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
)
"""The names of elements that parsers open again in the next block, if these elements are still open at the end of a
block."""
_IMPLIED = frozenset({"p", "li", "dt", "dd"})
"""The names of elements that need no end tag. Such an element ends, at the latest, where its parent ends, or where its
parent's next element with the same name begins. `dt` also ends where `dd` begins, and `dd` where `dt` begins."""
_BLOCKS = frozenset(
    {
        *("address", "article", "aside", "blockquote", "details", "div", "dl", "fieldset", "figcaption", "figure"),
        *("footer", "header", "main", "nav", "ol", "pre", "section", "summary", "ul"),
    }
)
_UNCLEAR = frozenset(
    {
        *("iframe", "math", "noembed", "noframes", "noscript", "option", "optgroup", "plaintext", "script", "select"),
        *("style", "svg", "template", "textarea", "title", "xmp"),
    }
)
"""The names of elements within which a parser may read a tag as text, or ignore the tag."""

_CROSSED = {
    "p": _FORMATTING,
    **dict.fromkeys(("li", "dt", "dd"), _FORMATTING | {"p"}),
    **dict.fromkeys(_FORMATTING, _FORMATTING | {"p"}),
    **dict.fromkeys(_BLOCKS, _FORMATTING | _IMPLIED),
}
"""For each name of an element: the names of the elements that may be left open within it. If only such elements are
open at the element's end tag, every parser closes the element there. Any other name has `_FORMATTING`."""
_LOOK_BACK = 8

_BEGINNING = re.compile(r"<[a-zA-Z]")
_ANY = re.compile(r"<[a-zA-Z/!?]")
_VALUE = r"""(?>"[^"]*+"|'[^']*+'|[^ \t\r\n"'<>=`]++)"""
_ATTRIBUTES = rf"""(?>[ \t\r\n]++(?>[^ \t\r\n"'<>/=]++(?>[ \t\r\n]*+=[ \t\r\n]*+{_VALUE})?+)?+)*+"""
# Tags and comments that all parsers read in the same way; and whole elements like scripts and frames, if they contain
# no tag.
_CLEAR = re.compile(
    rf"<(?:!--[^<>]*+(?<=--)>|(script|style|iframe|title|textarea){_ATTRIBUTES}>[^<]*+</\1[ \t\r\n]*+>"
    rf"|(/?)([a-z][a-z0-9-]*+){_ATTRIBUTES}/?>)",
    re.IGNORECASE,
)

_SIGNS = "\r\n!#$%&*+-:<=>@[\\]^_`{}~"
"""The characters at which a Markdown parser tries its rules. Each such character costs one point."""
_DEAR = {"*": 1, "_": 1, "~": 1, "`": 1, "&": 1, "<": 8}
"""The extra points for some of the characters in `_SIGNS`, in addition to the usual one point. Each of these characters
may become an element, a character reference, or a link."""
_CELL = 3
"""The points that a cell of a table costs. Cells that a short row lacks cost as much, as the parser adds them."""
_DELIMITERS = re.compile(r"[ \t>]*+([-:|][-:| \t]*+)")
"""The line below the heads of a table: `|---|---|`."""
_LINE = 8
"""The points that each line costs, in addition to its characters, as any line may be an item of a list."""
_WORD = r"[ \t]+[^ \t\r\n]"
# Open emphasis and open brackets end at a blank line, and at a line that is certain to begin an item of a list. A line
# with a bullet, or the number 1, begins an item after any line. A line with another number begins an item only after an
# item.
_NEXT = re.compile(rf"\n(?:[ \t\r]*+| {{0,3}}>[> \t\r]*+)\n|\n(?= {{0,3}}(?:[-*+]|1[.)]){_WORD})")
_ITEM = re.compile(rf" {{0,3}}(?:[-*+]|\d{{1,9}}[.)]){_WORD}[^\n]*+\n(?= ?\d{{1,9}}[.)]{_WORD})", re.ASCII)


class Markdown(NamedTuple):
    """The estimated cost of parsing some Markdown, in points, by cause. One point is the work of parsing one character
    that may be part of Markdown's syntax (`_SIGNS`)."""

    lines: int
    signs: int
    brackets: int
    """The cost of searching for closing brackets: for each opening bracket, the parser searches the rest of the
    paragraph."""
    cells: int
    """The cost of the cells of tables."""

    @property
    def total(self) -> int:
        """The whole cost, in points."""
        return sum(self)


def check_html(html: str) -> None:
    """Raise InvalidInput if HTML that isn't parsed yet has more tags, or deeper nesting, than a body may have."""
    if html.count("<") <= DEPTH_MAX:
        return
    if (tags := len(_ANY.findall(html))) > TAGS_MAX:
        raise _refusal(f"has {tags:,} tags, and {TAGS_MAX:,} are allowed: {_SPLIT}")
    if (depth := depth_of(html)) > DEPTH_MAX:
        raise _refusal(
            f"has {depth:,} elements within one another or not closed, and {DEPTH_MAX} are allowed: close what is left "
            "open, or nest them less"
        )


def check_markdown(text: str) -> None:
    """Raise InvalidInput if parsing some Markdown would cost more than MARKDOWN_MAX points."""
    cost = markdown_cost(text)
    if cost.total > MARKDOWN_MAX:
        raise _refusal(
            f"is too much Markdown for one entry: its lines come to {cost.lines:,} points ({_LINE} each), its signs "
            f"(* [ - and the like) to {cost.signs:,}, brackets within one paragraph to {cost.brackets:,}, cells of "
            f"tables to {cost.cells:,} ({_CELL} each). That is {cost.total:,}, and {MARKDOWN_MAX:,} are allowed: "
            f"{_SPLIT}, or send it as HTML"
        )


def check_clean(html: str) -> None:
    """Raise InvalidInput if HTML that the HTML cleaner (`nh3`) returned has more characters or tags than a stored body
    may have."""
    if len(html) > SAFE_MAX:
        raise _refusal(f"comes to {len(html):,} characters of safe HTML, and {SAFE_MAX:,} are allowed: {_SPLIT}")
    if (tags := html.count("<")) > TAGS_MAX:
        raise _refusal(f"comes to {tags:,} tags of safe HTML, and {TAGS_MAX:,} are allowed: {_SPLIT}")


def check_safe(html: str) -> None:
    """Raise InvalidInput if sanitised HTML has more characters, tags or pictures than a stored body may have."""
    check_clean(html)
    if (pictures := html.count("<img ")) > PICTURES_MAX:
        raise _refusal(f"has {pictures:,} pictures, and {PICTURES_MAX} are allowed: {_SPLIT}")


def markdown_cost(text: str) -> Markdown:
    """Estimate the cost of parsing some Markdown, without parsing it."""
    signs = sum(map(text.count, _SIGNS)) + sum(text.count(sign) * extra for sign, extra in _DEAR.items())
    lines = text.count("\n") + text.count("\r") - text.count("\r\n")
    brackets = sum(map(_bracket_cost, _paragraphs(text))) if "[" in text else 0
    return Markdown(_LINE * lines, signs, brackets, _CELL * cells_of(text) if "|" in text else 0)


def cells_of(text: str) -> int:
    """Return an upper bound of how many cells the tables in some Markdown have."""
    cells = rows = 0
    below = ""
    for line in reversed(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")):
        # A row is a line. A table ends at a blank line at the latest.
        rows = rows + 1 if line.strip(" \t>") else 0
        if "|" in line and "-" in below and (delimiters := _DELIMITERS.fullmatch(below)):
            cells += rows * sum(map(bool, map(str.strip, delimiters[1].split("|"))))
        below = line
    return cells


def _paragraphs(text: str) -> Iterator[str]:
    """Yield Markdown in parts. No paragraph is divided between two parts; a part may have several paragraphs."""
    for part in _NEXT.split(text):
        begin = 0
        while item := _ITEM.match(part, begin):
            yield item[0]
            begin = item.end()
        yield part[begin:]


def _bracket_cost(text: str) -> int:
    """Return the cost, in points, of searching for the `]` of each `[` in a part of some Markdown."""
    brackets = text.count("[")
    return brackets * sum(map(text.count, _SIGNS)) // 25 if brackets else 0


def depth_of(html: str) -> int:
    """Return an upper bound of how many elements are open at the same time while an HTML parser reads this HTML.

    The bound is valid for every parser. An end tag counts only if all parsers close an element at it. After the first
    place that parsers may read in different ways, no element is assumed to be closed.
    """
    opened: list[str] = []
    deepest = position = 0
    while match := _ANY.search(html, position):
        token = _CLEAR.match(html, match.start())
        name = token[3].lower() if token and token[3] else ""
        if token is None or name in _UNCLEAR:
            return max(deepest, len(opened) + len(_BEGINNING.findall(html, match.start())))
        position = token.end()
        if not name or name in _VOID:
            continue
        if token[2]:
            _close(opened, name)
            continue
        if name in _IMPLIED:
            for sibling in ("dt", "dd") if name in {"dt", "dd"} else (name,):
                _close(opened, sibling)
        opened.append(name)
        deepest = max(deepest, len(opened))
    return deepest


def _close(opened: list[str], name: str) -> None:
    """Remove from `opened` the innermost element with this name, and the elements that end together with it.

    Formatting elements that are open within the ending element stay in `opened`, as parsers continue these elements
    after the end tag. If the ending element is a formatting element itself, all elements within it stay. Nothing is
    removed if some parsers might not close the element, or if the element isn't among the last `_LOOK_BACK` open
    elements.
    """
    crossed = _CROSSED.get(name, _FORMATTING)
    for index in range(len(opened) - 1, max(-1, len(opened) - 1 - _LOOK_BACK), -1):
        if opened[index] == name:
            within = opened[index + 1 :]
            opened[index:] = (
                within if name in _FORMATTING else [element for element in within if element in _FORMATTING]
            )
            return
        if opened[index] not in crossed:
            return


_SPLIT = "split it into several entries"


def _refusal(detail: str) -> InvalidInput:
    return InvalidInput([FieldError("/body", detail)])
