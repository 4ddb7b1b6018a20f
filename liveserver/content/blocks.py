"""Typed blocks of an entry's body: pictures, galleries, quotations, embeds; each is kept in one form.

```
<figure><img src="/media/NAME" alt="…"><figcaption>…</figcaption></figure>
<figure class="gallery"><figure>…</figure><figure>…</figure><figcaption>…</figcaption></figure>
<figure class="quote"><blockquote>…</blockquote><figcaption>…</figcaption></figure>
<figure class="embed"><a href="https://…">Title</a><figcaption>…</figcaption></figure>
```

Captions may be absent. Pictures are kept without a host (`content/body_pictures.py`), embeds as links:
`content/body_renderer.py` makes of them what readers get. So a body outlives the server's name, a CDN, and a player
that moves.
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
    """Sanitised HTML with its typed blocks in the form in which they are kept.

    Pictures that aren't ours are taken out. What stands in a figure and belongs to none of the forms is put after it.
    Applied to its own result, it changes nothing.
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
    """The name of the element that a tag opens."""
    match = _NAME.match(token)
    return match[2] if match and not match[1] else None


def _is_one_of(token: str, names: Iterable[str]) -> bool:
    match = _NAME.match(token)
    return match is not None and match[2] in names


def _end(tokens: Sequence[str], at: int) -> int:
    """The place after the end of the element that begins here."""
    name = _open(tokens[at])
    depth = 0
    for place in range(at, len(tokens)):
        match = _NAME.match(tokens[place])
        if match and match[2] == name:
            depth += -1 if match[1] else 1
            if depth == 0:
                return place + 1
    return len(tokens)


def _attributes(token: str) -> dict[str, str]:
    """Names to values as they are written, references and all."""
    return dict(_ATTRIBUTE.findall(token))


def _inline(tokens: Iterable[str]) -> str:
    """A caption's content: what belongs in a line, and a space for all else."""
    return "".join(t if not t.startswith("<") or _is_one_of(t, _INLINE) else " " for t in tokens).strip(" \t\r\n\f")


def _has_text(html: str) -> bool:
    return bool(unescape(_TAG.sub("", html)).strip())


def _picture(token: str) -> str:
    """One of our pictures, whatever host it is said to be on; empty for any other."""
    attributes = _attributes(token)
    path = re.split(r"[?#]", unescape(attributes.get("src", "")), maxsplit=1)[0]
    picture = Picture.parse(path.rpartition("/")[2])
    return BodyPicture(picture, attributes.get("alt", "")).html if picture else ""


def _holds_a_picture(tokens: Sequence[str], at: int) -> bool:
    return tokens[at + 2 : at + 3] == ["</p>"] and _open(tokens[at + 1]) == "img"


def _lone_picture(token: str) -> str:
    """A paragraph with nothing but a picture, as Markdown makes it: its title is its caption."""
    return _with_caption("", _picture(token), _attributes(token).get("title", "")) if _picture(token) else ""


def _with_caption(kind: str, content: str, caption: str) -> str:
    below = f"<figcaption>{caption}</figcaption>" if _has_text(caption) else ""
    opening = f'<figure class="{kind}">' if kind else "<figure>"
    return f"{opening}{content}{below}</figure>"


def _figure(tokens: Sequence[str]) -> str:
    pictures: list[tuple[str, str]] = []
    captions: list[str] = []
    quotes: list[str] = []
    rest: list[str] = []
    # What the figure within this one, if there is one, began with.
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
    kinds = unescape(_attributes(tokens[0]).get("class", "")).split()
    return _assembled(kinds, pictures, " ".join(captions), "".join(quotes), "".join(rest))


def _assembled(kinds: list[str], pictures: list[tuple[str, str]], caption: str, quote: str, rest: str) -> str:
    if "embed" in kinds and not pictures and not quote and (embed := _embed(rest, caption)):
        return embed
    after = rest if _has_text(rest) else ""
    if len(pictures) > 1:
        shown = "".join(_with_caption("", picture, own) for picture, own in pictures)
        return _with_caption("gallery", shown, caption) + quote + after
    if pictures:
        (picture, own) = pictures[0]
        return _with_caption("", picture, f"{own} {caption}".strip(" ")) + quote + after
    if quote and _has_text(caption):
        return _with_caption("quote", quote, caption) + after
    return quote + after + (f"<p>{caption}</p>" if _has_text(caption) else "")


def _embed(rest: str, caption: str) -> str | None:
    """The first link as an embed, which need not be one that is known: then it stays a link."""
    tokens = _TOKEN.findall(rest)
    for at, token in enumerate(tokens):
        if _open(token) != "a":
            continue
        href = _attributes(token).get("href", "")
        if not _HTTP.match(href):
            return None
        end = _end(tokens, at)
        inside = "".join(tokens[at + 1 : end - 1])
        named = _STRONG.search(inside)
        title = " ".join(_TAG.sub("", named[1] if named else inside).split()) or href
        link = f'<a href="{href}" rel="noopener noreferrer">{title}</a>'
        others = "".join([*tokens[:at], *tokens[end:]])
        return _with_caption("embed", link, caption) + (others if _has_text(others) else "")
    return None
