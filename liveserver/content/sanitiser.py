"""The sanitiser: makes the HTML and Markdown of authors safe, once, before the store keeps it."""

from __future__ import annotations

import re

import nh3

from liveserver.content.blocks import normalised
from liveserver.content.markdown import markdown_html
from liveserver.content.markup_cost import check_clean, check_html, check_markdown, check_safe
from liveserver.content.paragraphs import DISSOLVED, in_paragraphs
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

# Elements that pasted texts often have, and the elements that take their places. Headings in a body begin at h3, as a
# page has the live blog's title and the entry's heading above them. `content/paragraphs.py` makes paragraphs of a div.
_RENAMED = {
    **dict.fromkeys(("h1", "h2"), "h3"),
    **dict.fromkeys(("h5", "h6"), "h4"),
    **dict.fromkeys(("menu", "dir"), "ul"),
    "listing": "pre",
    **dict.fromkeys(("section", "article", "header", "footer", "main", "aside", "nav", "address", "hgroup"), "div"),
    **dict.fromkeys(("search", "details", "summary", "dialog", "center", "fieldset", "legend", "marquee"), "div"),
    **dict.fromkeys(("option", "optgroup"), "div"),
}
_TABLE_PARTS = DISSOLVED - {"div", "table"}
_RENAMED_TAG = re.compile(rf"(</?)({'|'.join([*_RENAMED, 'table', *sorted(_TABLE_PARTS)])})(?=[\s/>])", re.IGNORECASE)
_DISSOLVED_TAG = re.compile(r"<(?:div|table|figure)[\s/>]", re.IGNORECASE)
_PARSES_MAX = 4
"""How often a body with a table, a div or a figure is parsed at most. Two times are enough for bodies that aren't
broken."""
_PRE_LINE = re.compile(r"(<pre\b[^>]*>)(?=\n)")
_EMPTY_PARAGRAPH = re.compile(r"<p>\s*</p>")

_TAG = re.compile(r"<(/?)([a-z0-9]+)")
_END_TAG = re.compile(r"</[a-z0-9]+>")
_VOID = {"br", "hr", "img"}
_BLANKS = dict.fromkeys(map(ord, " \t\r\n\ufeff"))
"""A table for `str.translate` that removes the characters that the HTML parser drops or replaces in some places, such
as blanks and line ends."""

_CITABLE = ("https://", "http://")


def sanitise(body: str, markup: str = "html") -> str:
    """Return a body as safe HTML. `markup`: `html` or `markdown`.

    Scripts, styles, frames, other sites' pictures, event handlers and `javascript:` URLs are removed. Text, links,
    emphasis, lists and quotes are kept. Figures get the forms of `content/blocks.py`. Headings, blocks and tables that
    aren't permitted are replaced by permitted elements (`_RENAMED`, `content/paragraphs.py`). HTML without any tag is
    plain text: blank lines separate paragraphs.

    Raises InvalidInput if making the body safe would take too long. Also raises InvalidInput if the safe body is too
    long, or has too many tags or pictures (`content/markup_cost.py`).
    """
    if markup == "markdown":
        check_markdown(body)
        body = markdown_html(body)
    check_html(body)
    html = _renamed(body)
    clean = _cleaned(html)
    if _DISSOLVED_TAG.search(html):
        # In tables, divs and figures, a parser nests elements in a way in which it doesn't without them.
        for _ in range(_PARSES_MAX - 1):
            before, clean = clean, _cleaned(clean)
            if clean == before:
                break
    clean = _plain_paragraphs(clean)
    check_safe(clean)
    return clean


def safe(body: str, markup: str = "html") -> str:
    """Return a body as safe HTML, made by `sanitise`. Raises InvalidInput for the same reasons as `sanitise`, and also
    if neither text nor picture is left."""
    clean = sanitise(body, markup)
    if is_empty(clean):
        raise InvalidInput([FieldError("/body", "has neither text nor picture left after sanitising")])
    return clean


def as_kept(body: str) -> str:
    """Return the body of an entry from a backup: unchanged if `sanitise` may have made it, otherwise made safe.

    Sanitising a safe body once more may change line ends, and blanks at the edges of some elements. It may also change
    the end of an element that was in a table. So a body is also returned unchanged if its elements are well nested, and
    if sanitising leaves its words and opening tags the same. A body without `<` only loses its control characters.

    Raises InvalidInput for the same reasons as `sanitise`, unless the body has no `<`.
    """
    if "<" not in body:
        return CONTROL.sub("", body)
    clean = sanitise(body)
    return body if clean == body or (_is_tree(body) and _content(clean) == _content(body)) else clean


def _is_tree(html: str) -> bool:
    """True if the elements are well nested: each has an end tag, within the same element as its opening tag. Elements
    that never have an end tag, such as `br`, aren't checked."""
    opened: list[str] = []
    for end, name in _TAG.findall(html):
        if not end:
            opened += [] if name in _VOID else [name]
        elif not opened or opened.pop() != name:
            return False
    return not opened


def _content(html: str) -> str:
    """Return HTML without its end tags, its empty paragraphs and the characters in `_BLANKS`. `as_kept` compares only
    what is left."""
    return _END_TAG.sub("", _EMPTY_PARAGRAPH.sub("", html)).translate(_BLANKS)


def _renamed(html: str) -> str:
    """Return HTML with the names in `_RENAMED` replaced. Rows and cells outside a table, which a parser would ignore,
    become divs."""
    depth = 0

    def renamed(match: re.Match[str]) -> str:
        nonlocal depth
        name = match[2].lower()
        if name == "table":
            depth = max(0, depth + (-1 if "/" in match[1] else 1))
        elif name not in _TABLE_PARTS:
            return match[1] + _RENAMED[name]
        elif not depth:
            return match[1] + "div"
        return match[0]

    return _RENAMED_TAG.sub(renamed, html)


def _cleaned(html: str) -> str:
    """Return HTML with nothing but permitted elements, each in the form that stored bodies have."""
    # The HTML serialiser writes U+00A0 as a reference (HTML, 13.3). French uses it a lot: restore the character.
    clean = CONTROL.sub("", _cleaner.clean(html).replace("&nbsp;", "\u00a0"))
    # A parser drops the first line end in a `<pre>`, but the serialiser writes none in its place.
    clean = in_paragraphs(_PRE_LINE.sub(r"\1\n", clean))
    check_clean(clean)
    return _EMPTY_PARAGRAPH.sub("", in_paragraphs(normalised(clean)))


def _plain_paragraphs(clean: str) -> str:
    """Put each paragraph of plain text into a `<p>`. Return text of a single line, and HTML with tags, unchanged."""
    text = clean.strip("\r\n")
    if "\n" not in text or "<" in text:
        return clean
    paragraphs = [part.strip("\n") for part in re.split(r"\n[ \t]*(?:\n[ \t]*)+", text)]
    return "".join(f"<p>{part.replace(chr(10), '<br>')}</p>" for part in paragraphs if part)


def _checked(_element: str, attribute: str, value: str) -> str | None:
    # nh3's `url_schemes` doesn't apply to the attribute `cite`.
    if attribute == "cite" and not value.startswith(_CITABLE):
        return None
    return value


# One cleaner for all bodies: making a cleaner takes longer than cleaning an entry.
_cleaner = nh3.Cleaner(
    tags=TAGS | DISSOLVED,
    attributes=ATTRIBUTES,
    clean_content_tags=DROPPED_WITH_CONTENT,
    attribute_filter=_checked,
    url_schemes=SCHEMES,
    link_rel="noopener noreferrer",
    strip_comments=True,
)
