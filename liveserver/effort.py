"""How much work a body would make, found out by looking over it once: what would make too much is refused unread.

Parsers of HTML and Markdown are quadratic in what is left open (elements, emphasis, brackets), and a hundred kilobytes
can be nothing else. What these bounds allow is made safe in a fraction of a second, whatever it says.
"""

from __future__ import annotations

import re

from liveserver.errors import FieldError, Invalid

TAGS_MAX = 5_000
"""Tags of a body, opening and closing. A live page's longest entries have a few hundred."""
DEPTH_MAX = 64
"""Elements within one another, those that were never closed among them. Lists in lists in quotes come to a dozen."""
MARKDOWN_MAX = 10_000
"""What a body's Markdown may amount to, in signs: 10 to 15 µs of work each. 100,000 characters of prose have 6,000."""
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
_BLANK_LINE = re.compile(r"\n[ \t\r]*+\n")
"""Nothing that is open within a line goes on beyond."""


def check_html(html: str) -> None:
    """Raises Invalid for HTML with more tags, or more deeply nested, than a body may have."""
    if html.count("<") <= DEPTH_MAX:
        return
    if len(_ANY.findall(html)) > TAGS_MAX:
        raise _refusal(f"has more than {TAGS_MAX} tags")
    if depth_of(html) > DEPTH_MAX:
        raise _refusal(f"has more than {DEPTH_MAX} elements within one another, or not closed")


def check_markdown(text: str) -> None:
    """Raises Invalid for Markdown that makes more work than a body may make."""
    if markdown_effort(text) > MARKDOWN_MAX:
        raise _refusal(f"has more Markdown than a body may have (it amounts to more than {MARKDOWN_MAX} signs)")


def check_clean(html: str) -> None:
    """Raises Invalid for HTML that is clean, but longer than what is kept of a body."""
    if len(html) > SAFE_MAX:
        raise _refusal(f"comes to more than {SAFE_MAX} characters of safe HTML")
    if html.count("<") > TAGS_MAX:
        raise _refusal(f"comes to more than {TAGS_MAX} tags")


def check_safe(html: str) -> None:
    """Raises Invalid for sanitised HTML, other sites' pictures gone, that is more than is kept of a body."""
    check_clean(html)
    if html.count("<img ") > PICTURES_MAX:
        raise _refusal(f"has more than {PICTURES_MAX} pictures")


def markdown_effort(text: str) -> int:
    """About how much work some Markdown makes, in what a sign takes.

    Emphasis makes elements, lines may be items of lists. For each bracket, the rest of its paragraph is looked over for
    the one that closes it.
    """
    emphasis, lines = sum(map(text.count, "*_~")), sum(map(text.count, "\r\n"))
    return emphasis + 8 * lines + sum(map(_paragraph_effort, _BLANK_LINE.split(text)))


def _paragraph_effort(text: str) -> int:
    signs = sum(map(text.count, _SIGNS))
    return signs + text.count("[") * signs // 25


def depth_of(html: str) -> int:
    """How many elements are open at the same time, at most, for any parser of HTML.

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


def _refusal(detail: str) -> Invalid:
    return Invalid([FieldError("/body", detail)])
