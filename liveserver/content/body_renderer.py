"""The body of an entry as readers get it: pictures as whole `<img>` elements, embeds as cards.

A card is a link and says where it leads. Nothing is fetched from another site before the reader asks: the attributes of
its `<figure>` tell a script what frame to put in its place when the reader says so.
"""

from __future__ import annotations

import re
from html import escape, unescape
from typing import TYPE_CHECKING

from liveserver.content.body_pictures import IMG_PATTERN, BodyPicture, has_picture, replace_pictures
from liveserver.content.media.picture import Illustration, Picture, img_html
from liveserver.content.plain_text import plain_text

if TYPE_CHECKING:
    from liveserver.content.embed_providers import Embed, EmbedProviders
    from liveserver.content.translations import Translations

# As `content/blocks.py` and the sanitiser write them.
_EMBED = re.compile(
    r'<figure class="embed"><a href="([^"]+)" rel="noopener noreferrer">([^<]*)</a>'
    r"(<figcaption>(?:(?!</figcaption>).)*</figcaption>)?</figure>",
    re.DOTALL,
)
# Captions are lines: no figure stands in one.
_CAPTION = r"<figcaption>((?:[^<]|<(?!/?fig))*+)</figcaption>"
# A gallery's beginning; a picture, maybe with its caption; the caption of what figures stand in, which is a gallery.
_ILLUSTRATION = re.compile(rf'(<figure class="gallery">)|{IMG_PATTERN}(?:{_CAPTION})?|</figure>{_CAPTION}</figure>')
ILLUSTRATIONS_MAX = 20
"""Pictures of one body that are listed apart from it: a gallery of hundreds is seen by who reads the entry."""
_ALONE = re.compile(r'<p(?: [^>]*)?>\s*(?:<a href="([^"]+)"[^>]*>([^<]+)</a>|(https?://[^<\s]+))\s*</p>')
CARDS_MAX = 50
"""Embeds and addresses of one body that become cards, each of which is ten times as long: the others stay links."""

_SCHEME = re.compile(r"https?://(?:www\.)?", re.IGNORECASE)


class BodyRenderer:
    """Renders bodies that `sanitise` made. Pure.

    `media_url` is what stands before the slash and a picture's name: this server's own, or that of a CDN.
    """

    def __init__(self, *, media_url: str, embed_providers: EmbedProviders) -> None:
        self._media_url = media_url
        self._embed_providers = embed_providers

    def shown(self, body: str, texts: Translations) -> str:
        """The body with its pictures ready to load, and a card for each embed and each address that stands alone."""
        body = self.with_pictures(body)
        if "://" not in body:
            return body

        left = CARDS_MAX

        def recognised(address: str) -> Embed | None:
            nonlocal left
            found = self._embed_providers.recognise(address) if left else None
            left -= found is not None
            return found

        def embed(match: re.Match[str]) -> str:
            found = recognised(unescape(match[1]))
            return _card(found, match[2], match[3] or "", texts) if found else match[0]

        def alone(match: re.Match[str]) -> str:
            address = unescape(match[1] or match[3]).strip()
            if match[1] and _bare(unescape(match[2])) != _bare(address):
                return match[0]
            found = recognised(address)
            return _card(found, "", "", texts) if found else match[0]

        return _ALONE.sub(alone, _EMBED.sub(embed, body))

    def with_pictures(self, body: str) -> str:
        """The body with its pictures ready to load from anywhere, and nothing else changed: for feeds."""

        def img(kept: BodyPicture) -> str:
            return img_html(kept.picture, unescape(kept.alt), self._media_url)

        return replace_pictures(body, img)

    def illustrations(self, body: str) -> list[Illustration]:
        """The pictures of a body, in its order and each once, for what lists them apart from it."""
        if not has_picture(body):
            return []
        found: list[Illustration] = []
        gallery = 0
        for opening, name, alt, own, common in _ILLUSTRATION.findall(body):
            if opening:
                gallery = len(found)
            elif common:
                caption = plain_text(common)
                found[gallery:] = [one if one.caption else one._replace(caption=caption) for one in found[gallery:]]
            elif len(found) < ILLUSTRATIONS_MAX and (picture := Picture.parse(name)):
                one = Illustration(f"{self._media_url}/{picture.name}", picture, unescape(alt), plain_text(own))
                found += [one] if all(one.url != other.url for other in found) else []
        return found


def _bare(address: str) -> str:
    """An address as editors' tools shorten it."""
    return _SCHEME.sub("", address.strip()).removesuffix("/")


def _card(embed: Embed, title: str, caption: str, texts: Translations) -> str:
    """`title` and `caption` are HTML; the title without elements, empty if there is none."""
    frame = embed.frame
    kind = texts.text(f"embed.{frame.kind}", provider=embed.provider_name)
    own = title and _bare(unescape(title)) != _bare(frame.url)
    attributes = {
        "data-embed": embed.provider,
        "data-embed-src": frame.src,
        "data-embed-title": unescape(title) if own else kind,
        **({"data-embed-ratio": frame.ratio} if frame.ratio else {"data-embed-height": str(frame.height)}),
        "data-embed-load": texts.text("embed.load"),
        "data-embed-note": texts.text("embed.note", provider=embed.provider_name),
    }
    written = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    heading = title if own else f"<span{texts.mark}>{escape(kind)}</span>"
    return (
        f'<figure class="embed"{written}><a class="embed-link" href="{escape(frame.url)}" rel="noopener noreferrer">'
        f'<strong class="embed-heading">{heading}</strong> '
        f'<small class="embed-where">{escape(embed.provider_name)} · {escape(_bare(frame.url))}</small></a>'
        f"{caption}</figure>"
    )
