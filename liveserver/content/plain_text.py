"""Conversion of sanitised HTML to plain text."""

from __future__ import annotations

import re
from html import unescape

from liveserver.content.body_pictures import has_picture, replace_pictures

BLOCK = re.compile(r"<(?:p|h[1-6]|ul|ol|dl|blockquote|figure|table|pre|hr|div|iframe)\b", re.IGNORECASE)
"""The beginning of a block element. HTML without any is one paragraph."""

# A serialiser puts attributes in double quotes; only there an angle bracket may be.
_REST = r'[^>"]*+(?>"[^"]*+"[^>"]*+)*+>'
_SEPARATING = re.compile(rf"</?(?:(?:br|li|cite|figcaption)\b|{BLOCK.pattern[1:]}){_REST}", re.IGNORECASE)
_TAG = re.compile(rf"</?[a-z]{_REST}", re.IGNORECASE)
_ALTERNATIVE = re.compile(r'<img\b(?>(?! alt=)[^>"]|"[^"]*+")*+ alt="([^"]+)"', re.IGNORECASE)

_LINE_END = re.compile(
    r"</(?:p|h[34]|ul|ol|dl|dt|dd|blockquote|pre|figure|figcaption)>|<br>|<hr>"
    r"|(?=<(?:ul|ol|li|p|blockquote|figure|figcaption)\b)"
)

# All references that a serialiser writes, except `&amp;`.
_WRITTEN = (("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", "\u00a0"), ("&quot;", '"'))


def plain_text(html: str) -> str:
    """Return the text of some HTML on one line; if it has none, the descriptions of its images."""
    text = _line(_TAG.sub("", _SEPARATING.sub(" ", html)))
    return text or _line("".join(_ALTERNATIVE.findall(html)))


def lines_of(html: str) -> list[str]:
    """Return a body as lines of text: one for each paragraph and item (with a bullet), pictures by description."""
    described = replace_pictures(html, lambda body_picture: f"[{body_picture.alt}]")
    parts = _LINE_END.sub("\n", described.replace("<li>", "<li>• ")).split("\n")
    lines = [" ".join(unescape(_TAG.sub("", part)).split()) for part in parts]
    return [line for line in lines if line]


def is_empty(body: str) -> bool:
    """True if a sanitised body has neither text nor a picture."""
    return not has_picture(body) and not plain_text(body)


def shortened(text: str, length: int) -> str:
    """Return a text, or its beginning with an ellipsis, cut at a word: about `length` characters."""
    if len(text) <= length:
        return text
    cut = text[: length + 1].rpartition(" ")[0] or text[:length]
    return cut.rstrip(" ,;:.–—-\u00a0\u202f") + "…"


def _line(html: str) -> str:
    text = _unescaped(html)
    for space in "\t\r\n\f":
        # One by one: if a text isn't ASCII, `translate` looks up each character, which takes ten times as long.
        text = text.replace(space, " ")
    while "  " in text:
        # Each pass halves the surplus; a regular expression would look at each character.
        text = text.replace("  ", " ")
    return text.strip()


def _unescaped(text: str) -> str:
    """Unescape as `html.unescape` does, which calls a function for each reference; this is a hundred times as fast."""
    result = text
    for reference, character in _WRITTEN:
        result = result.replace(reference, character)
    if result.count("&") == result.count("&amp;"):
        return result.replace("&amp;", "&")
    return unescape(text)
