"""The cost of parsing a body, estimated in one pass, so that a body that costs too much is refused before parsing.

Parsers of HTML and Markdown take quadratic time for constructs that are left open (elements, emphasis, brackets), and a
hundred kilobytes may consist of nothing else. Any body within these limits is made safe in half a second of a thread;
a newsroom's longest list of results takes as long.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.errors import FieldError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

TAGS_MAX = 10_000
"""Tags that a body may have, opening and closing ones, of some 8 µs each. A list of 2,000 results with a bold word each
has 8,000."""
DEPTH_MAX = 64
"""The deepest nesting of elements, counting those that were never closed. Lists in lists in quotes come to a dozen."""
MARKDOWN_MAX = 50_000
"""The most that a body's Markdown may cost (`Markdown.total`), in points of 5 to 9 µs. 100,000 characters of prose cost
5,000 points; 18,000, if every sixth word is bold, in italics or a link; a list of 2,000 results costs 42,000."""
PICTURES_MAX = 200
"""Pictures that a body may have. For readers, each takes five times the bytes that are stored."""
SAFE_MAX = 200_000
"""Characters of a body after it was made safe: twice the accepted length, as characters may become references."""

_VOID = frozenset(
    {
        *("area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "image", "img", "input"),
        *("keygen", "link", "meta", "param", "source", "track", "wbr"),
    }
)
_FORMATTING = frozenset(
    {"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
)
"""Elements that continue in the next block if they were left open in one."""
_IMPLIED = frozenset({"p", "li", "dt", "dd"})
"""Elements that end where the next of their kind begins, or where their parent ends."""
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
"""Elements in which text may look like a tag, or a tag like text."""

_CROSSED = {
    "p": _FORMATTING,
    **dict.fromkeys(("li", "dt", "dd"), _FORMATTING | {"p"}),
    **dict.fromkeys(_FORMATTING, _FORMATTING | {"p"}),
    **dict.fromkeys(_BLOCKS, _FORMATTING | _IMPLIED),
}
"""Elements that may be open within an element without keeping its end tag from closing it."""
_LOOK_BACK = 8

_BEGINNING = re.compile(r"<[a-zA-Z]")
_ANY = re.compile(r"<[a-zA-Z/!?]")
_VALUE = r"""(?>"[^"]*+"|'[^']*+'|[^ \t\r\n"'<>=`]++)"""
_ATTRIBUTES = rf"""(?>[ \t\r\n]++(?>[^ \t\r\n"'<>/=]++(?>[ \t\r\n]*+=[ \t\r\n]*+{_VALUE})?+)?+)*+"""
# Tags and comments that every parser reads alike; and scripts, frames and the like with no tag in them.
_CLEAR = re.compile(
    rf"<(?:!--[^<>]*+(?<=--)>|(script|style|iframe|title|textarea){_ATTRIBUTES}>[^<]*+</\1[ \t\r\n]*+>"
    rf"|(/?)([a-z][a-z0-9-]*+){_ATTRIBUTES}/?>)",
    re.IGNORECASE,
)

_SIGNS = "\r\n!#$%&*+-:<=>@[\\]^_`{}~"
"""The characters at which Markdown tries its rules."""
_DEAR = {"*": 1, "_": 1, "~": 1, "`": 1, "&": 1, "<": 8}
"""Extra points of these signs: each may become an element, a character reference, or a link."""
_LINE = 8
"""Points of a line, which may be an item of a list."""
_WORD = r"[ \t]+[^ \t\r\n]"
# Constructs that are open within a line end at a blank line, and at a line that certainly begins an item of a list. A
# bullet may follow anything; a number other than one only an item.
_NEXT = re.compile(rf"\n(?:[ \t\r]*+| {{0,3}}>[> \t\r]*+)\n|\n(?= {{0,3}}(?:[-*+]|1[.)]){_WORD})")
_ITEM = re.compile(rf" {{0,3}}(?:[-*+]|\d{{1,9}}[.)]){_WORD}[^\n]*+\n(?= ?\d{{1,9}}[.)]{_WORD})", re.ASCII)


class Markdown(NamedTuple):
    """The cost of some Markdown, by cause. One point is the work for one sign."""

    lines: int
    signs: int
    brackets: int
    """The cost of searching the rest of the paragraph, for each bracket, for the one that closes it."""

    @property
    def total(self) -> int:
        """The whole cost, in points."""
        return sum(self)


def check_html(html: str) -> None:
    """Raise InvalidInput if HTML has more tags, or a deeper nesting, than a body may have."""
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
    """Raise InvalidInput if Markdown costs more than a body's may."""
    cost = markdown_cost(text)
    if cost.total > MARKDOWN_MAX:
        raise _refusal(
            f"is too much Markdown for one entry: its lines come to {cost.lines:,} points ({_LINE} each), its signs "
            f"(* [ - and the like) to {cost.signs:,}, brackets within one paragraph to {cost.brackets:,}. That is "
            f"{cost.total:,}, and {MARKDOWN_MAX:,} are allowed: {_SPLIT}, or send it as HTML"
        )


def check_clean(html: str) -> None:
    """Raise InvalidInput if cleaned HTML is longer, or has more tags, than a stored body may have."""
    if len(html) > SAFE_MAX:
        raise _refusal(f"comes to {len(html):,} characters of safe HTML, and {SAFE_MAX:,} are allowed: {_SPLIT}")
    if (tags := html.count("<")) > TAGS_MAX:
        raise _refusal(f"comes to {tags:,} tags of safe HTML, and {TAGS_MAX:,} are allowed: {_SPLIT}")


def check_safe(html: str) -> None:
    """Raise InvalidInput if sanitised HTML has more than a stored body may have: characters, tags or pictures."""
    check_clean(html)
    if (pictures := html.count("<img ")) > PICTURES_MAX:
        raise _refusal(f"has {pictures:,} pictures, and {PICTURES_MAX} are allowed: {_SPLIT}")


def markdown_cost(text: str) -> Markdown:
    """Estimate the cost of some Markdown."""
    signs = sum(map(text.count, _SIGNS)) + sum(text.count(sign) * extra for sign, extra in _DEAR.items())
    lines = text.count("\n") + text.count("\r") - text.count("\r\n")
    return Markdown(_LINE * lines, signs, sum(map(_bracket_cost, _paragraphs(text))) if "[" in text else 0)


def _paragraphs(text: str) -> Iterator[str]:
    """Yield parts of some Markdown, so that each paragraph is wholly in one of them."""
    for part in _NEXT.split(text):
        begin = 0
        while item := _ITEM.match(part, begin):
            yield item[0]
            begin = item.end()
        yield part[begin:]


def _bracket_cost(text: str) -> int:
    brackets = text.count("[")
    return brackets * sum(map(text.count, _SIGNS)) // 25 if brackets else 0


def depth_of(html: str) -> int:
    """Return the greatest number of elements open at the same time, in any HTML parser.

    An end tag counts only if every parser closes an element there. From the first place on that parsers may read
    differently, no element is assumed to be closed.
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
    """Remove an element that ends, and those that end with it; formatting left open in it goes on after it."""
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
