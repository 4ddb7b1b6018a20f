"""The sanitiser: makes editors' HTML and Markdown safe when it is written. Allowed content stays byte for byte."""

from __future__ import annotations

import re

import nh3
from markdown_it import MarkdownIt

from liveserver.content.blocks import normalised
from liveserver.content.markup_cost import check_clean, check_html, check_markdown, check_safe
from liveserver.content.plain_text import is_empty
from liveserver.domain.errors import FieldError, InvalidInput
from liveserver.domain.inputs.fields import CONTROL

TAGS = {
    *("p", "br", "hr", "h3", "h4", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre"),
    *("a", "em", "strong", "b", "i", "u", "s", "del", "ins", "sub", "sup", "small", "mark", "abbr", "cite", "q"),
    *("code", "kbd", "time", "span", "bdi", "bdo", "figure", "figcaption", "img"),
}
ATTRIBUTES = {
    "*": {"lang", "dir"},
    "a": {"href", "title"},
    "abbr": {"title"},
    "blockquote": {"cite"},
    "q": {"cite"},
    "del": {"cite", "datetime"},
    "figure": {"class"},
    "img": {"src", "alt", "title"},
    "ins": {"cite", "datetime"},
    "ol": {"start", "reversed"},
    "time": {"datetime"},
}
DROPPED_WITH_CONTENT = {
    *("script", "style", "iframe", "noscript", "noembed", "noframes", "object", "embed", "applet", "template"),
    *("svg", "math", "title", "textarea", "select", "xmp", "plaintext", "canvas", "audio", "video", "form", "button"),
}
SCHEMES = {"http", "https", "mailto", "tel"}

# Elements of pasted texts, and those that they become here. Headings begin at h3: the page has the live blog's title
# and the entry's heading above them.
_RENAMED = {
    "h1": "h3",
    "h2": "h3",
    "h5": "h4",
    "h6": "h4",
    **dict.fromkeys(("div", "section", "article", "header", "footer", "main", "aside", "address"), "p"),
}
_RENAMED_TAG = re.compile(rf"(</?)({'|'.join(_RENAMED)})(?=[\s/>])", re.IGNORECASE)
_EMPTY_PARAGRAPH = re.compile(r"<p>\s*</p>")

_TAG = re.compile(r"<(/?)([a-z0-9]+)")
_END_TAG = re.compile(r"</[a-z0-9]+>")
_VOID = {"br", "hr", "img"}
_BLANKS = dict.fromkeys(map(ord, " \t\r\n\ufeff"))
"""Characters that the HTML parser drops or replaces in some places."""

_CITABLE = ("https://", "http://")

_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("strikethrough")


def sanitise(body: str, markup: str = "html") -> str:
    """Return a body as safe HTML. `markup`: `html` or `markdown`.

    Scripts, styles, frames, other sites' pictures, event handlers and `javascript:` URLs are removed; text, links,
    emphasis, lists and quotes stay as they are; figures get the forms of `content/blocks.py`. Other headings and blocks
    become permitted ones. HTML without any tag is plain text, in which blank lines separate paragraphs.

    Raises InvalidInput if a body would take too much work (`content/markup_cost.py`), before doing it.
    """
    if markup == "markdown":
        check_markdown(body)
        body = _markdown.render(body).rstrip("\n")
    check_html(body)
    html = _RENAMED_TAG.sub(lambda match: match[1] + _RENAMED[match[2].lower()], body)
    # The HTML serialiser writes U+00A0 as a reference (HTML, 13.3). French uses it a lot: restore the character.
    clean = _cleaner.clean(html).replace("&nbsp;", "\u00a0")
    check_clean(clean)
    clean = normalised(CONTROL.sub("", clean))
    clean = _paragraphs(_EMPTY_PARAGRAPH.sub("", clean))
    check_safe(clean)
    return clean


def safe(body: str, markup: str = "html") -> str:
    """Sanitise a body that must not be empty. Raises InvalidInput also if neither text nor picture is left."""
    clean = sanitise(body, markup)
    if is_empty(clean):
        raise InvalidInput([FieldError("/body", "has neither text nor picture left after sanitising")])
    return clean


def as_kept(body: str) -> str:
    """Return a stored body from a backup: unchanged if `sanitise` may have made it, otherwise made safe.

    Sanitising a safe body again may change details: line ends, blanks at some edges, and the end of an element that was
    in a table. So the body stays unchanged if it is a tree with the same words and tags.

    Raises InvalidInput as `sanitise` does.
    """
    if "<" not in body:
        return CONTROL.sub("", body)
    clean = sanitise(body)
    return body if clean == body or (_is_tree(body) and _content(clean) == _content(body)) else clean


def _is_tree(html: str) -> bool:
    """True if each element ends, and within the element in which it began."""
    opened: list[str] = []
    for end, name in _TAG.findall(html):
        if not end:
            opened += [] if name in _VOID else [name]
        elif not opened or opened.pop() != name:
            return False
    return not opened


def _content(html: str) -> str:
    """Return words and opening tags, without characters that the parser drops or replaces in some places."""
    return _END_TAG.sub("", _EMPTY_PARAGRAPH.sub("", html)).translate(_BLANKS)


def _paragraphs(clean: str) -> str:
    text = clean.strip("\r\n")
    if "\n" not in text or "<" in text:
        return clean
    paragraphs = [part.strip("\n") for part in re.split(r"\n[ \t]*(?:\n[ \t]*)+", text)]
    return "".join(f"<p>{part.replace(chr(10), '<br>')}</p>" for part in paragraphs if part)


def _checked(_element: str, attribute: str, value: str) -> str | None:
    # `url_schemes` doesn't check this attribute.
    if attribute == "cite" and not value.startswith(_CITABLE):
        return None
    return value


# Made once: making it takes longer than cleaning an entry.
_cleaner = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    clean_content_tags=DROPPED_WITH_CONTENT,
    attribute_filter=_checked,
    url_schemes=SCHEMES,
    link_rel="noopener noreferrer",
    strip_comments=True,
)
