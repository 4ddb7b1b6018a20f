"""Pictures by the names of their files, and the HTML that shows them.

A name is `<digest>-<width>x<height>.<jpg|webp>`. It never means other bytes, so its file may be cached for ever. The
names of the picture's other widths follow from it, and so does the whole `srcset`, without a database query.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from liveserver.domain.media import Media

WIDTHS = (480, 960, 1600)
"""Widths in pixels. Every picture is stored in its own width, and in those of these that are smaller.

Names that are in use depend on this: other widths would need names of another form.
"""

MEDIA_TYPES = {"jpg": "image/jpeg", "webp": "image/webp"}

# `auto` is the width in the layout, for browsers that know it: a page, a gallery and a widget have the same HTML.
SIZES = "auto, (min-width: 45rem) 38rem, 100vw"

NAME = r"([0-9a-f]{32})-([1-9][0-9]{0,4})x([1-9][0-9]{0,4})\.(jpg|webp)"
_NAME = re.compile(NAME, re.ASCII)


class Picture(NamedTuple):
    """A file of a picture, in one width."""

    digest: str
    """32 hexadecimal digits that identify the picture."""
    width: int
    height: int
    suffix: str

    @classmethod
    def of(cls, media: Media) -> Picture:
        """Return the largest file of a picture in the store."""
        return cls(media.digest, media.width, media.height, media.suffix)

    @classmethod
    def parse(cls, name: str) -> Picture | None:
        """Parse a file's name; None if it isn't a picture's."""
        match = _NAME.fullmatch(name)
        return cls(match[1], int(match[2]), int(match[3]), match[4]) if match else None

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.digest}-{self.width}x{self.height}.{self.suffix}"

    @property
    def media_type(self) -> str:
        """The media type of the file, for `Content-Type`."""
        return MEDIA_TYPES[self.suffix]

    @property
    def variants(self) -> list[Picture]:
        """The picture's files of this and all smaller widths, narrowest first, itself last."""
        return [*(self._replace(width=w, height=self._height(w)) for w in WIDTHS if w < self.width), self]

    def _height(self, width: int) -> int:
        return max(1, (2 * self.height * width + self.width) // (2 * self.width))


class Illustration(NamedTuple):
    """A picture of an entry, to be shown apart from the body; all texts are plain."""

    url: str
    """The absolute URL of the largest file."""
    picture: Picture
    alt: str
    """The description; empty if there is none."""
    caption: str
    """The caption of the picture, or of its gallery; empty if there is none."""


def img_html(picture: Picture, alt: str, media_url: str) -> str:
    """Return an `<img>` that has its size before it is loaded, and loads only the width that it needs.

    `alt` is plain text. `media_url`: the address before the slash and the name.
    """
    candidates = ", ".join(f"{media_url}/{r.name} {r.width}w" for r in picture.variants)
    return (
        f'<img src="{media_url}/{picture.name}" srcset="{candidates}" sizes="{SIZES}" '
        f'width="{picture.width}" height="{picture.height}" alt="{_attribute(alt)}" loading="lazy" decoding="async">'
    )


def figure_html(picture: Picture, alt: str, credit: str | None, media_url: str) -> str:
    """Return the HTML that an editor puts into an entry for a picture, with its credit."""
    caption = f"<figcaption><small>{escape(credit, quote=False)}</small></figcaption>" if credit else ""
    return f"<figure>{img_html(picture, alt, media_url)}{caption}</figure>"


def _attribute(text: str) -> str:
    # As the sanitiser writes attributes, so that its output stays the same.
    return escape(text, quote=False).replace('"', "&quot;")
