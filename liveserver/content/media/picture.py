"""Pictures by their names: what a name tells of its file, and the HTML that shows it.

A name is `<digest>-<width>x<height>.<jpg|webp>`. It never means other bytes, so its file may be cached for ever; and it
says what the other widths of the picture are called, so that the whole `srcset` follows from one name, without a look
at the database.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from liveserver.domain.media import Media

WIDTHS = (480, 960, 1600)
"""Pixels. Every picture is kept in those of these widths that are smaller than its own, and in its own.

Names that were given out count on it: other widths need names of another form.
"""

MEDIA_TYPES = {"jpg": "image/jpeg", "webp": "image/webp"}

# `auto` is the width it is laid out in, for browsers that know it: the same HTML stands in a page, a gallery, a widget.
SIZES = "auto, (min-width: 45rem) 38rem, 100vw"

NAME = r"([0-9a-f]{32})-([1-9][0-9]{0,4})x([1-9][0-9]{0,4})\.(jpg|webp)"
_NAME = re.compile(NAME, re.ASCII)


class Picture(NamedTuple):
    """One file of a picture: in one width."""

    digest: str
    """32 hexadecimal digits, of this picture alone."""
    width: int
    height: int
    suffix: str

    @classmethod
    def of(cls, media: Media) -> Picture:
        """The largest file of a picture of the newsroom's."""
        return cls(media.digest, media.width, media.height, media.suffix)

    @classmethod
    def parse(cls, name: str) -> Picture | None:
        """The picture of that name; None if it is no picture's."""
        match = _NAME.fullmatch(name)
        return cls(match[1], int(match[2]), int(match[3]), match[4]) if match else None

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.digest}-{self.width}x{self.height}.{self.suffix}"

    @property
    def media_type(self) -> str:
        """The value of `Content-Type`."""
        return MEDIA_TYPES[self.suffix]

    @property
    def variants(self) -> list[Picture]:
        """This picture in every width that there is of it, narrowest first, itself last."""
        return [*(self._replace(width=w, height=self._height(w)) for w in WIDTHS if w < self.width), self]

    def _height(self, width: int) -> int:
        return max(1, (2 * self.height * width + self.width) // (2 * self.width))


class Illustration(NamedTuple):
    """A picture of an entry, for whoever shows it apart from the body: all in plain text."""

    url: str
    """Absolute: of the largest file."""
    picture: Picture
    alt: str
    """The description; empty where there is none."""
    caption: str
    """The text below it, or below its gallery; empty where there is none."""


def img_html(picture: Picture, alt: str, media_url: str) -> str:
    """An `<img>` that takes its place before it is loaded, and loads no more than it shows.

    `alt` is plain text; `media_url` is what stands before the slash and the name.
    """
    candidates = ", ".join(f"{media_url}/{r.name} {r.width}w" for r in picture.variants)
    return (
        f'<img src="{media_url}/{picture.name}" srcset="{candidates}" sizes="{SIZES}" '
        f'width="{picture.width}" height="{picture.height}" alt="{_attribute(alt)}" loading="lazy" decoding="async">'
    )


def figure_html(picture: Picture, alt: str, credit: str | None, media_url: str) -> str:
    """A picture as an editor puts it into an entry, with its credit."""
    caption = f"<figcaption><small>{escape(credit, quote=False)}</small></figcaption>" if credit else ""
    return f"<figure>{img_html(picture, alt, media_url)}{caption}</figure>"


def _attribute(text: str) -> str:
    # As the sanitiser writes attributes, so that its output isn't changed without need.
    return escape(text, quote=False).replace('"', "&quot;")
