"""Conversion of sanitised HTML to plain text."""

from __future__ import annotations

import re
from html import unescape

from liveserver.content.body_pictures import has_picture, replace_pictures

BLOCK = re.compile(r"<(?:p|h[1-6]|ul|ol|dl|blockquote|figure|table|pre|hr|div|iframe)\b", re.IGNORECASE)
"""A pattern that matches the opening tag of a block element. HTML without block elements is one paragraph."""

# The rest of a tag after its name. A serialiser puts the values of attributes in double quotes; an angle bracket within
# a tag can be in such a value only.
_REST = r'[^>"]*+(?>"[^"]*+"[^>"]*+)*+>'
_SEPARATING = re.compile(rf"</?(?:(?:br|li|dt|dd|cite|figcaption)\b|{BLOCK.pattern[1:]}){_REST}", re.IGNORECASE)
_TAG = re.compile(rf"</?[a-z]{_REST}", re.IGNORECASE)
_ALTERNATIVE = re.compile(r'<img\b(?>(?! alt=)[^>"]|"[^"]*+")*+ alt="([^"]+)"', re.IGNORECASE)

_LINE_END = re.compile(
    r"</(?:p|h[34]|ul|ol|li|dl|dt|dd|blockquote|pre|figure|figcaption)>|<br>|<hr>"
    r"|(?=<(?:p|h[34]|ul|ol|li|dl|dt|dd|blockquote|pre|figure|figcaption)\b)"
)

# The character references that an HTML serialiser writes, except `&amp;`, and their characters.
_WRITTEN = (("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", "\u00a0"), ("&quot;", '"'))


def plain_text(html: str) -> str:
    """Return the text of some HTML as one line. If the HTML has no text, return the descriptions of its images."""
    text = _line(_TAG.sub("", _SEPARATING.sub(" ", html)))
    return text or _line("".join(_ALTERNATIVE.findall(html)))


def lines_of(html: str) -> list[str]:
    """Return a body as lines of plain text. Each paragraph, line break and list item begins a line; empty lines are
    left out.

    An item of a list begins with a bullet. Each picture is replaced by its description in square brackets.
    """
    described = replace_pictures(html, lambda body_picture: f"[{body_picture.alt}]")
    parts = _LINE_END.sub("\n", described.replace("<li>", "<li>• ")).split("\n")
    lines = [" ".join(unescape(_TAG.sub("", part)).split()) for part in parts]
    return [line for line in lines if line]


def is_empty(body: str) -> bool:
    """True if a sanitised body has neither text nor a picture."""
    return not has_picture(body) and not plain_text(body)


def shortened(text: str, length: int) -> str:
    """Return a text of at most `length` characters unchanged. Of a longer text, return the beginning and an ellipsis.

    The beginning has at most `length` characters, and ends between words if that is possible.
    """
    if len(text) <= length:
        return text
    cut = text[: length + 1].rpartition(" ")[0] or text[:length]
    return cut.rstrip(" ,;:.–—-\u00a0\u202f") + "…"


def _line(html: str) -> str:
    """Convert HTML without tags to one line of plain text. Character references are replaced, and single spaces
    separate words."""
    text = _unescaped(html)
    for space in "\t\r\n\f":
        # Four calls of `replace`: in a text that isn't ASCII, `translate` would look up each character, which takes ten
        # times as long.
        text = text.replace(space, " ")
    while "  " in text:
        # Each pass halves the number of surplus spaces. A regular expression would look at each character.
        text = text.replace("  ", " ")
    return text.strip()


def _unescaped(text: str) -> str:
    """Replace the character references in HTML, as `html.unescape` does.

    This takes a hundredth of the time of `html.unescape`, which makes a Python call for each reference. If the HTML has
    references that a serialiser doesn't write, `html.unescape` is called.
    """
    result = text
    for reference, character in _WRITTEN:
        result = result.replace(reference, character)
    if result.count("&") == result.count("&amp;"):
        return result.replace("&amp;", "&")
    return unescape(text)
