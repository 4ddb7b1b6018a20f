"""Editors' HTML and Markdown, made safe on write. What is allowed is kept to the byte, typography included."""

from __future__ import annotations

import re
from html import unescape

import nh3
from markdown_it import MarkdownIt

TAGS = {
    *("p", "br", "hr", "h3", "h4", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre"),
    *("a", "em", "strong", "b", "i", "u", "s", "del", "ins", "sub", "sup", "small", "mark", "abbr", "cite", "q"),
    *("code", "kbd", "time", "span", "bdi", "bdo"),
}
ATTRIBUTES = {
    "*": {"lang", "dir"},
    "a": {"href", "title"},
    "abbr": {"title"},
    "blockquote": {"cite"},
    "q": {"cite"},
    "del": {"cite", "datetime"},
    "ins": {"cite", "datetime"},
    "ol": {"start", "reversed"},
    "time": {"datetime"},
}
DROPPED_WITH_CONTENT = {
    *("script", "style", "iframe", "noscript", "noembed", "noframes", "object", "embed", "applet", "template"),
    *("svg", "math", "title", "textarea", "select", "xmp", "plaintext", "canvas", "audio", "video", "form", "button"),
}
SCHEMES = {"http", "https", "mailto", "tel"}

_CITABLE = ("https://", "http://")

_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("strikethrough").disable("image")


def sanitise(body: str, markup: str = "html") -> str:
    """`body` as safe HTML. `markup` is `html` or `markdown`.

    Scripts, styles, frames, event handlers and `javascript:` URLs are taken out; text, links, emphasis, lists and
    quotes stay as they are.
    """
    html = _markdown.render(body).rstrip("\n") if markup == "markdown" else body
    clean = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        clean_content_tags=DROPPED_WITH_CONTENT,
        attribute_filter=_checked,
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer",
        strip_comments=True,
    )
    # The HTML serialiser writes U+00A0 as a reference (HTML, 13.3). French is full of it: give the character back.
    return clean.replace("&nbsp;", "\u00a0")


def _checked(_element: str, attribute: str, value: str) -> str | None:
    # `url_schemes` doesn't look at these.
    if attribute == "cite" and not value.startswith(_CITABLE):
        return None
    return value


def text_of(html: str) -> str:
    """The words of sanitised HTML, white space folded."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())
