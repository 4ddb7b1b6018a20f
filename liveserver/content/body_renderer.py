"""Rendering an entry's body for readers: pictures as complete `<img>` elements, embeds as cards.

A card is a link with the provider's name and the link's address as visible text. The page loads nothing from another
site before the reader clicks the card. A script then shows the frame that the attributes of the card's `<figure>`
describe.
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

# Embeds as `content/blocks.py` and the sanitiser write them.
_EMBED = re.compile(
    r'<figure class="embed"><a href="([^"]+)" rel="noopener noreferrer">([^<]*)</a>'
    r"(<figcaption>(?:(?!</figcaption>).)*</figcaption>)?</figure>",
    re.DOTALL,
)
# A caption is one line, without a figure in it.
_CAPTION = r"<figcaption>((?:[^<]|<(?!/?fig))*+)</figcaption>"
# This matches one of: the opening tag of a gallery; a picture, with its caption if it has one; a gallery's caption and
# end tag.
_ILLUSTRATION = re.compile(rf'(<figure class="gallery">)|{IMG_PATTERN}(?:{_CAPTION})?|</figure>{_CAPTION}</figure>')
ILLUSTRATIONS_MAX = 20
"""The greatest number of pictures of one body that feeds and structured data list, in addition to the body's HTML. The
HTML itself contains all pictures of the body."""
# An address without a scheme begins with a host. No host has more than 253 characters.
_ADDRESS = r"(?:https?://|[A-Za-z0-9.-]{4,253}/)[^<\s]+"
_ALONE = re.compile(rf'<p(?: [^>]*)?>\s*(?:<a href="([^"]+)"[^>]*>([^<]+)</a>|({_ADDRESS}))\s*</p>')
CARDS_MAX = 50
"""The greatest number of cards in one body. Cards for embeds and cards for lone addresses are counted together. Further
embeds and addresses stay as they are. The HTML of a card is ten times as long as the HTML of a link."""

_SCHEME = re.compile(r"https?://", re.IGNORECASE)


class BodyRenderer:
    """A renderer of bodies that `sanitise` made. The renderer does no I/O and keeps no state.

    `media_url`: the address under which pictures are served, by this server or a CDN, without a slash at the end.
    """

    def __init__(self, *, media_url: str, embed_providers: EmbedProviders) -> None:
        self._media_url = media_url
        self._embed_providers = embed_providers

    def shown(self, body: str, texts: Translations) -> str:
        """Return a body for readers: its pictures as complete `<img>` elements, its embeds as cards.

        An embed becomes a card if `EmbedProviders` recognises its address. The same is true of an address that is alone
        in its paragraph, also without its scheme (`youtu.be/…`). There are at most CARDS_MAX cards.
        """
        body = self.with_pictures(body)
        cards_left = CARDS_MAX

        def recognised(address: str) -> Embed | None:
            nonlocal cards_left
            recognised_embed = self._embed_providers.recognise(address) if cards_left else None
            cards_left -= recognised_embed is not None
            return recognised_embed

        def embed(match: re.Match[str]) -> str:
            recognised_embed = recognised(unescape(match[1]))
            return _card(recognised_embed, match[2], match[3] or "", texts) if recognised_embed else match[0]

        def alone(match: re.Match[str]) -> str:
            address = unescape(match[1] or match[3]).strip()
            if match[3] and not _SCHEME.match(address):
                address = f"https://{address}"
            if match[1] and _bare(unescape(match[2])) != _bare(address):
                return match[0]
            recognised_embed = recognised(address)
            return _card(recognised_embed, "", "", texts) if recognised_embed else match[0]

        return _ALONE.sub(alone, _EMBED.sub(embed, body))

    def with_pictures(self, body: str) -> str:
        """Return a body for feeds: each picture is a complete `<img>` element, and nothing else is changed."""

        def img(body_picture: BodyPicture) -> str:
            return img_html(body_picture.picture, unescape(body_picture.alt), self._media_url)

        return replace_pictures(body, img)

    def illustrations(self, body: str) -> list[Illustration]:
        """Return the pictures of a body with their captions, in the body's order and without repetitions.

        The result has at most ILLUSTRATIONS_MAX pictures. Feeds and structured data list these pictures separately from
        the body's HTML. A picture without a caption of its own gets the caption of its gallery.
        """
        if not has_picture(body):
            return []
        illustrations: list[Illustration] = []
        gallery = 0
        for opening, name, alt, own, common in _ILLUSTRATION.findall(body):
            if opening:
                gallery = len(illustrations)
            elif common:
                caption = plain_text(common)
                illustrations[gallery:] = [
                    illustration if illustration.caption else illustration._replace(caption=caption)
                    for illustration in illustrations[gallery:]
                ]
            elif len(illustrations) < ILLUSTRATIONS_MAX and (picture := Picture.parse(name)):
                illustration = Illustration(
                    f"{self._media_url}/{picture.name}", picture, unescape(alt), plain_text(own)
                )
                illustrations += [illustration] if all(illustration.url != other.url for other in illustrations) else []
        return illustrations


def _bare(address: str) -> str:
    """Return an address without its scheme, without `www.` at the beginning, and without a slash at the end. Editors'
    tools often show addresses in such a form."""
    return _SCHEME.sub("", address.strip(), count=1).removeprefix("www.").removesuffix("/")


def _card(embed: Embed, title: str, caption: str, texts: Translations) -> str:
    """Return the HTML of a card. `title`: the link's text as HTML, without elements; may be empty. `caption`: the
    complete `<figcaption>`; may be empty."""
    frame = embed.frame
    kind_label = texts.text(f"embed.{frame.kind}", provider=embed.provider_name)
    has_own_title = title and _bare(unescape(title)) != _bare(frame.url)
    attributes = {
        "data-embed": embed.provider,
        "data-embed-src": frame.src,
        "data-embed-title": unescape(title) if has_own_title else kind_label,
        **({"data-embed-ratio": frame.ratio} if frame.ratio else {"data-embed-height": str(frame.height)}),
        "data-embed-load": texts.text("embed.load"),
        "data-embed-note": texts.text("embed.note", provider=embed.provider_name),
    }
    data_html = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    heading = title if has_own_title else f"<span{texts.mark}>{escape(kind_label)}</span>"
    return (
        f'<figure class="embed"{data_html}><a class="embed-link" href="{escape(frame.url)}" rel="noopener noreferrer">'
        f'<strong class="embed-heading">{heading}</strong> '
        f'<small class="embed-where">{escape(embed.provider_name)} · {escape(_bare(frame.url))}</small></a>'
        f"{caption}</figure>"
    )
