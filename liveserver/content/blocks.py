"""Typed blocks of an entry's body: pictures, galleries, quotations, embeds. Each has one form in a stored body.

```
<figure><img src="/media/NAME" alt="…"><figcaption>…</figcaption></figure>
<figure class="gallery"><figure>…</figure><figure>…</figure><figcaption>…</figcaption></figure>
<figure class="quote"><blockquote>…</blockquote><figcaption>…</figcaption></figure>
<figure class="embed"><a href="https://…">Title</a><figcaption>…</figcaption></figure>
```

Captions may be absent. Pictures are stored without a host (`content/body_pictures.py`), and embeds as links;
`content/body_renderer.py` renders them for readers. So a body stays good when the server's name, the CDN, or the
address of a player changes.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

from liveserver.content.body_pictures import BodyPicture
from liveserver.content.media.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The sanitiser's HTML is a serialised tree: every < begins a tag, every > ends one, attributes are in double quotes.
_TOKEN = re.compile(r"<[^>]*>|[^<]+")
_NAME = re.compile(r"<(/?)([a-z0-9]+)")
_TYPED = re.compile(r"<(?:img|figure|figcaption)\b")
_ATTRIBUTE = re.compile(r' ([a-z]+)="([^"]*)"')
_STRONG = re.compile(r"<strong>(.*?)</strong>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_HTTP = re.compile(r"https?://", re.IGNORECASE)

_INLINE = {
    *("a", "em", "strong", "b", "i", "u", "s", "del", "ins", "sub", "sup", "small", "mark", "abbr", "cite", "q"),
    *("code", "kbd", "time", "span", "bdi", "bdo", "br"),
}
_FIGURES = {"figure", "figcaption", "img"}


def normalised(html: str) -> str:
    """Bring the typed blocks of sanitised HTML to their one form.

    Pictures that aren't ours are removed. Content of a figure that fits none of the forms is moved behind it. Applied
    to its own result, this changes nothing.
    """
    if not _TYPED.search(html):
        return html
    tokens = _TOKEN.findall(html)
    parts: list[str] = []
    at = 0
    while at < len(tokens):
        match _open(tokens[at]):
            case "figure":
                end = _end(tokens, at)
                parts.append(_figure(tokens[at:end]))
            case "figcaption":
                end = _end(tokens, at)
                parts.append(f"<p>{_inline(tokens[at + 1 : end - 1])}</p>")
            case "p" if _holds_a_picture(tokens, at):
                end = at + 3
                parts.append(_lone_picture(tokens[at + 1]))
            case "img":
                end = at + 1
                parts.append(_picture(tokens[at]))
            case _:
                end = at + 1
                parts.append(tokens[at])
        at = end
    return "".join(parts)


def _open(token: str) -> str | None:
    """Return the name of the element that a tag opens; None for other tokens."""
    match = _NAME.match(token)
    return match[2] if match and not match[1] else None


def _is_one_of(token: str, names: Iterable[str]) -> bool:
    match = _NAME.match(token)
    return match is not None and match[2] in names


def _end(tokens: Sequence[str], at: int) -> int:
    """Return the index after the end of the element that begins at `at`."""
    name = _open(tokens[at])
    depth = 0
    for index in range(at, len(tokens)):
        match = _NAME.match(tokens[index])
        if match and match[2] == name:
            depth += -1 if match[1] else 1
            if depth == 0:
                return index + 1
    return len(tokens)


def _attributes(token: str) -> dict[str, str]:
    """Return a tag's attributes, with values as they are written (character references stay)."""
    return dict(_ATTRIBUTE.findall(token))


def _inline(tokens: Iterable[str]) -> str:
    """Return a caption's content: inline elements and text, with a space in place of other tags."""
    return "".join(t if not t.startswith("<") or _is_one_of(t, _INLINE) else " " for t in tokens).strip(" \t\r\n\f")


def _has_text(html: str) -> bool:
    return bool(unescape(_TAG.sub("", html)).strip())


def _picture(token: str) -> str:
    """Return the stored form of an `<img>` of ours, whatever its host; empty if it isn't ours."""
    attributes = _attributes(token)
    path = re.split(r"[?#]", unescape(attributes.get("src", "")), maxsplit=1)[0]
    picture = Picture.parse(path.rpartition("/")[2])
    return BodyPicture(picture, attributes.get("alt", "")).html if picture else ""


def _holds_a_picture(tokens: Sequence[str], at: int) -> bool:
    return tokens[at + 2 : at + 3] == ["</p>"] and _open(tokens[at + 1]) == "img"


def _lone_picture(token: str) -> str:
    """Return the figure for a paragraph with only a picture, as Markdown makes it: its title becomes the caption."""
    return _with_caption("", _picture(token), _attributes(token).get("title", "")) if _picture(token) else ""


def _with_caption(css_class: str, content: str, caption: str) -> str:
    figcaption = f"<figcaption>{caption}</figcaption>" if _has_text(caption) else ""
    opening = f'<figure class="{css_class}">' if css_class else "<figure>"
    return f"{opening}{content}{figcaption}</figure>"


def _figure(tokens: Sequence[str]) -> str:
    pictures: list[tuple[str, str]] = []
    captions: list[str] = []
    quotes: list[str] = []
    rest: list[str] = []
    # For a figure within this one: the index of its first picture, and its caption.
    first, caption = 0, ""
    depth = 0
    at = 0
    while at < len(tokens):
        token = tokens[at]
        end = at + 1
        match _open(token):
            case "figure":
                depth += 1
                first, caption = len(pictures), ""
            case "img":
                if picture := _picture(token):
                    pictures.append((picture, ""))
            case "figcaption":
                end = _end(tokens, at)
                text = _inline(tokens[at + 1 : end - 1])
                if depth > 1:
                    caption = text
                else:
                    captions.append(text)
            case "blockquote":
                end = _end(tokens, at)
                quotes += [t for t in tokens[at:end] if not _is_one_of(t, _FIGURES)]
            case None if _is_one_of(token, ("figure",)):
                depth -= 1
                if caption:
                    if first < len(pictures):
                        pictures[-1] = (pictures[-1][0], caption)
                    else:
                        captions.append(caption)
                    caption = ""
            case _:
                rest.append(token)
        at = end
    css_classes = unescape(_attributes(tokens[0]).get("class", "")).split()
    return _assembled(css_classes, pictures, " ".join(captions), "".join(quotes), "".join(rest))


def _assembled(css_classes: list[str], pictures: list[tuple[str, str]], caption: str, quote: str, rest: str) -> str:
    if "embed" in css_classes and not pictures and not quote and (embed := _embed(rest, caption)):
        return embed
    trailing = rest if _has_text(rest) else ""
    if len(pictures) > 1:
        figures = "".join(_with_caption("", picture, own_caption) for picture, own_caption in pictures)
        return _with_caption("gallery", figures, caption) + quote + trailing
    if pictures:
        (picture, own_caption) = pictures[0]
        return _with_caption("", picture, f"{own_caption} {caption}".strip(" ")) + quote + trailing
    if quote and _has_text(caption):
        return _with_caption("quote", quote, caption) + trailing
    return quote + trailing + (f"<p>{caption}</p>" if _has_text(caption) else "")


def _embed(rest: str, caption: str) -> str | None:
    """Return the first link as an embed; None if there is none. If no provider knows it, readers see a link."""
    tokens = _TOKEN.findall(rest)
    for at, token in enumerate(tokens):
        if _open(token) != "a":
            continue
        href = _attributes(token).get("href", "")
        if not _HTTP.match(href):
            return None
        end = _end(tokens, at)
        content = "".join(tokens[at + 1 : end - 1])
        strong = _STRONG.search(content)
        title = " ".join(_TAG.sub("", strong[1] if strong else content).split()) or href
        link = f'<a href="{href}" rel="noopener noreferrer">{title}</a>'
        others = "".join([*tokens[:at], *tokens[end:]])
        return _with_caption("embed", link, caption) + (others if _has_text(others) else "")
    return None
