"""The cost of parsing a body, estimated in one pass: a body that would cost too much is refused before it is parsed.

Parsers of HTML and Markdown are quadratic in what is left open (elements, emphasis, brackets), and a hundred kilobytes
can be nothing else. What these bounds allow is made safe in half a second of a thread, whatever it says: a newsroom's
longest list of results takes as long.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.errors import FieldError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

TAGS_MAX = 10_000
"""Tags of a body, opening and closing, some 8 µs each. A list of 2,000 results, a word of each in bold, has 8,000."""
DEPTH_MAX = 64
"""Elements within one another, those that were never closed among them. Lists in lists in quotes come to a dozen."""
MARKDOWN_MAX = 50_000
"""The most that a body's Markdown may cost (`Markdown.total`), in points of 5 to 9 µs each. 100,000 characters of prose
come to 5,000 and, every sixth word in bold, in italics or a link, to 18,000; a list of 2,000 results to 42,000."""
PICTURES_MAX = 200
"""Pictures of a body, of which readers get five times what is kept of them."""
SAFE_MAX = 200_000
"""Characters of a body once it is safe: twice what is accepted, for the references that characters become."""

_VOID = frozenset(
    {
        *("area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "image", "img", "input"),
        *("keygen", "link", "meta", "param", "source", "track", "wbr"),
    }
)
_FORMATTING = frozenset(
    {"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
)
"""What goes on in the next block, if it was left open in one."""
_IMPLIED = frozenset({"p", "li", "dt", "dd"})
"""What ends by itself where its like begins, or where that ends which it is in."""
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
"""In these, what looks like a tag may be none, or the other way round."""

_CROSSED = {
    "p": _FORMATTING,
    **dict.fromkeys(("li", "dt", "dd"), _FORMATTING | {"p"}),
    **dict.fromkeys(_FORMATTING, _FORMATTING | {"p"}),
    **dict.fromkeys(_BLOCKS, _FORMATTING | _IMPLIED),
}
"""What may be open within an element, and doesn't keep its end tag from closing it."""
_LOOK_BACK = 8

_BEGINNING = re.compile(r"<[a-zA-Z]")
_ANY = re.compile(r"<[a-zA-Z/!?]")
_VALUE = r"""(?>"[^"]*+"|'[^']*+'|[^ \t\r\n"'<>=`]++)"""
_ATTRIBUTES = rf"""(?>[ \t\r\n]++(?>[^ \t\r\n"'<>/=]++(?>[ \t\r\n]*+=[ \t\r\n]*+{_VALUE})?+)?+)*+"""
# What every parser reads alike; of scripts, frames and the like those with no tag in them.
_CLEAR = re.compile(
    rf"<(?:!--[^<>]*+(?<=--)>|(script|style|iframe|title|textarea){_ATTRIBUTES}>[^<]*+</\1[ \t\r\n]*+>"
    rf"|(/?)([a-z][a-z0-9-]*+){_ATTRIBUTES}/?>)",
    re.IGNORECASE,
)

_SIGNS = "\r\n!#$%&*+-:<=>@[\\]^_`{}~"
"""At each of these, Markdown tries its rules."""
_DEAR = {"*": 1, "_": 1, "~": 1, "`": 1, "&": 1, "<": 8}
"""What these signs count beside the one: they may become an element each, a character by its name, or an address."""
_LINE = 8
"""What a line counts, which may be an item of a list."""
_WORD = r"[ \t]+[^ \t\r\n]"
# Nothing that is open within a line goes on beyond a blank one, nor into an item of a list that begins there for
# certain: a bullet may follow anything, a number but one only an item.
_NEXT = re.compile(rf"\n(?:[ \t\r]*+| {{0,3}}>[> \t\r]*+)\n|\n(?= {{0,3}}(?:[-*+]|1[.)]){_WORD})")
_ITEM = re.compile(rf" {{0,3}}(?:[-*+]|\d{{1,9}}[.)]){_WORD}[^\n]*+\n(?= ?\d{{1,9}}[.)]{_WORD})", re.ASCII)


class Markdown(NamedTuple):
    """The cost of some Markdown, by its causes. One point is the work for one sign."""

    lines: int
    signs: int
    brackets: int
    """For each bracket, the rest of its paragraph is looked over for the one that closes it."""

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)


def check_html(html: str) -> None:
    """Raises InvalidInput for HTML with more tags, or more deeply nested, than a body may have."""
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
    """Raises InvalidInput for Markdown that makes more work than a body may make."""
    found = markdown_cost(text)
    if found.total > MARKDOWN_MAX:
        raise _refusal(
            f"is too much Markdown for one entry: its lines come to {found.lines:,} points ({_LINE} each), its signs "
            f"(* [ - and the like) to {found.signs:,}, brackets within one paragraph to {found.brackets:,}. That is "
            f"{found.total:,}, and {MARKDOWN_MAX:,} are allowed: {_SPLIT}, or send it as HTML"
        )


def check_clean(html: str) -> None:
    """Raises InvalidInput for HTML that is clean, but longer than what is kept of a body."""
    if len(html) > SAFE_MAX:
        raise _refusal(f"comes to {len(html):,} characters of safe HTML, and {SAFE_MAX:,} are allowed: {_SPLIT}")
    if (tags := html.count("<")) > TAGS_MAX:
        raise _refusal(f"comes to {tags:,} tags of safe HTML, and {TAGS_MAX:,} are allowed: {_SPLIT}")


def check_safe(html: str) -> None:
    """Raises InvalidInput for sanitised HTML, other sites' pictures gone, that is more than is kept of a body."""
    check_clean(html)
    if (pictures := html.count("<img ")) > PICTURES_MAX:
        raise _refusal(f"has {pictures:,} pictures, and {PICTURES_MAX} are allowed: {_SPLIT}")


def markdown_cost(text: str) -> Markdown:
    """About how much work some Markdown makes."""
    signs = sum(map(text.count, _SIGNS)) + sum(text.count(sign) * more for sign, more in _DEAR.items())
    lines = text.count("\n") + text.count("\r") - text.count("\r\n")
    return Markdown(_LINE * lines, signs, sum(map(_bracket_cost, _paragraphs(text))) if "[" in text else 0)


def _paragraphs(text: str) -> Iterator[str]:
    """Parts of some Markdown that contain its paragraphs, each one whole."""
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
    """The highest number of elements open at the same time, for any parser of HTML.

    An end tag counts as such only where every parser closes an element at it. From the first place on that parsers may
    read differently, nothing is taken to be closed any more.
    """
    opened: list[str] = []
    deepest = at = 0
    while found := _ANY.search(html, at):
        token = _CLEAR.match(html, found.start())
        name = token[3].lower() if token and token[3] else ""
        if token is None or name in _UNCLEAR:
            return max(deepest, len(opened) + len(_BEGINNING.findall(html, found.start())))
        at = token.end()
        if not name or name in _VOID:
            continue
        if token[2]:
            _close(opened, name)
            continue
        if name in _IMPLIED:
            for like in ("dt", "dd") if name in {"dt", "dd"} else (name,):
                _close(opened, like)
        opened.append(name)
        deepest = max(deepest, len(opened))
    return deepest


def _close(opened: list[str], name: str) -> None:
    """Take out an element that ends, and what ends with it; what is left open in it goes on in the next."""
    crossed = _CROSSED.get(name, _FORMATTING)
    for place in range(len(opened) - 1, max(-1, len(opened) - 1 - _LOOK_BACK), -1):
        if opened[place] == name:
            within = opened[place + 1 :]
            opened[place:] = within if name in _FORMATTING else [each for each in within if each in _FORMATTING]
            return
        if opened[place] not in crossed:
            return


_SPLIT = "split it into several entries"


def _refusal(detail: str) -> InvalidInput:
    return InvalidInput([FieldError("/body", detail)])
