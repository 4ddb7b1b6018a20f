"""The typed blocks of an entry's body. In stored bodies, each type (picture, gallery, quotation, embed) has one form:

```
<figure><img src="/media/NAME" alt="…"><figcaption>…</figcaption></figure>
<figure class="gallery"><figure>…</figure><figure>…</figure><figcaption>…</figcaption></figure>
<figure class="quote"><blockquote>…</blockquote><figcaption>…</figcaption></figure>
<figure class="embed"><a href="https://…">Title</a><figcaption>…</figcaption></figure>
```

Captions may be absent. A picture is stored without a host (`content/body_pictures.py`). An embed is stored as a link.
When a body is shown to readers, `content/body_renderer.py` adds what is missing. So stored bodies needn't change if the
server's name, the CDN, or the address of a provider's player changes.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

from liveserver.content.body_pictures import BodyPicture
from liveserver.content.media.picture import Picture
from liveserver.content.paragraphs import INLINE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The sanitiser's HTML comes from a serialiser: each < begins a tag, each > ends one, attributes are in double quotes.
_TOKEN = re.compile(r"<[^>]*>|[^<]+")
_NAME = re.compile(r"<(/?)([a-z0-9]+)")
_TYPED = re.compile(r"<(?:img|figure|figcaption)\b")
_ATTRIBUTE = re.compile(r' ([a-z]+)="([^"]*)"')
_STRONG = re.compile(r"<strong>(.*?)</strong>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_HTTP = re.compile(r"https?://", re.IGNORECASE)

_FIGURES = {"figure", "figcaption", "img"}
_APART = "<p></p>"


def normalised(html: str) -> str:
    """Return sanitised HTML with each typed block in the form that stored bodies have.

    Pictures of other sites are removed. Content of a figure that has no place in this form is moved behind the figure.
    An empty paragraph is left on either side of such content, and in the place of a figure without content. It keeps
    the words on both sides apart until `content/paragraphs.py` removes it.
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
                parts.append(_APART + _figure(tokens[at:end]) + _APART)
            case "figcaption":
                end = _end(tokens, at)
                parts.append(f"<p>{_inline(tokens[at + 1 : end - 1])}</p>")
            case "p" if _holds_a_picture(tokens, at):
                end = at + 3
                parts.append(_lone_picture(tokens[at + 1]) or _APART)
            case "img":
                end = at + 1
                parts.append(_picture(tokens[at]))
            case _:
                end = at + 1
                parts.append(tokens[at])
        at = end
    return "".join(parts)


def _open(token: str) -> str | None:
    """Return the name of the element that a token opens; None if the token is text or an end tag."""
    match = _NAME.match(token)
    return match[2] if match and not match[1] else None


def _is_one_of(token: str, names: Iterable[str]) -> bool:
    """True if a token is an opening tag or an end tag of an element with one of these names."""
    match = _NAME.match(token)
    return match is not None and match[2] in names


def _end(tokens: Sequence[str], at: int) -> int:
    """Return the index of the first token after the element whose opening tag is `tokens[at]`. If the element has no
    end tag, return the number of all tokens."""
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
    """Return the values of the attributes of a tag, by name. Character references in the values aren't replaced."""
    return dict(_ATTRIBUTE.findall(token))


def _inline(tokens: Iterable[str]) -> str:
    """Return the content of a caption as HTML: its text and inline elements. Other tags are replaced by spaces."""
    return "".join(t if not t.startswith("<") or _is_one_of(t, INLINE) else " " for t in tokens).strip(" \t\r\n\f")


def _has_text(html: str) -> bool:
    return bool(unescape(_TAG.sub("", html)).strip())


def _picture(token: str) -> str:
    """Return the stored form of an `<img>` tag. Return an empty string if the file name in the image's address hasn't
    the form of `Picture.name`. The host and the other parts of the path don't matter."""
    attributes = _attributes(token)
    path = re.split(r"[?#]", unescape(attributes.get("src", "")), maxsplit=1)[0]
    picture = Picture.parse(path.rpartition("/")[2])
    return BodyPicture(picture, attributes.get("alt", "")).html if picture else ""


def _holds_a_picture(tokens: Sequence[str], at: int) -> bool:
    """True if the paragraph that begins at `tokens[at]` contains one `<img>` and nothing else."""
    return tokens[at + 2 : at + 3] == ["</p>"] and _open(tokens[at + 1]) == "img"


def _lone_picture(token: str) -> str:
    """Return the figure for an `<img>` that is alone in a paragraph. A picture in Markdown becomes such a paragraph.
    The caption is the attribute `title` of the `<img>`. Return an empty string if `_picture(token)` is empty."""
    return _with_caption("", _picture(token), _attributes(token).get("title", "")) if _picture(token) else ""


def _with_caption(css_class: str, content: str, caption: str) -> str:
    """Return a `<figure>`. Without `css_class` it has no class; without text in `caption` it has no caption."""
    figcaption = f"<figcaption>{caption}</figcaption>" if _has_text(caption) else ""
    opening = f'<figure class="{css_class}">' if css_class else "<figure>"
    return f"{opening}{content}{figcaption}</figure>"


def _figure(tokens: Sequence[str]) -> str:
    """Return the stored form of a figure, followed by the figure's content that has no place in this form. `tokens`:
    all tokens of the figure, from its opening tag to its end tag."""
    pictures: list[tuple[str, str]] = []
    captions: list[str] = []
    quotes: list[str] = []
    rest: list[str] = []
    # For the figure within this one that is being read: the index of its first picture, and its caption.
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
    """Return the stored form of a figure with these parts, followed by the parts that have no place in this form.

    `pictures`: the HTML of each picture, and its own caption, which may be empty. `caption`: the caption of the whole
    figure. `quote`: the HTML of the figure's quotations. `rest`: the HTML of everything else in the figure.
    """
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
    """Return an embed's figure, made from the first link in the HTML `rest`, followed by the other content of `rest`.

    Returns None if there is no link, or if the scheme of the first link isn't HTTP(S). The provider of the link isn't
    checked here. When the body is rendered, a link to an unknown provider stays a link.
    """
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
