"""The files of pictures: their names, and the HTML that shows them.

A name is `<digest>-<width>x<height>.<jpg|webp>`. The content of the file with a given name never changes, so it may be
cached for ever. From the name of a picture's largest file, we can make the names of the files in all other widths. So
the attribute `srcset` needs no database query.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from liveserver.domain.media import Media

WIDTHS = (480, 960, 1600)
"""The widths, in pixels, in which pictures are stored. The largest file of a picture is at most as wide as the last of
these widths. The picture is also stored in each of these widths that is smaller than the width of its largest file.

The names of stored files depend on these widths. If the widths were to change, the names would need another form.
"""

MEDIA_TYPES = {"jpg": "image/jpeg", "webp": "image/webp"}

# The value of the attribute `sizes`. Browsers that know `auto` use the width that the layout gives the picture. So the
# same HTML serves a page, a gallery and a widget.
SIZES = "auto, (min-width: 45rem) 38rem, 100vw"

NAME = r"([0-9a-f]{32})-([1-9][0-9]{0,4})x([1-9][0-9]{0,4})\.(jpg|webp)"
_NAME = re.compile(NAME, re.ASCII)


class Picture(NamedTuple):
    """One file of a picture, in one width. The fields are the parts of the file's name."""

    digest: str
    """32 hexadecimal digits that identify the picture."""
    width: int
    height: int
    suffix: str

    @classmethod
    def of(cls, media: Media) -> Picture:
        """Return the largest file of the picture that `media` describes."""
        return cls(media.digest, media.width, media.height, media.suffix)

    @classmethod
    def parse(cls, name: str) -> Picture | None:
        """Return the file that has this name; None if the name hasn't the form of a picture file's name."""
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
        """The files of the same picture that are narrower than this file, the narrowest first; then this file. The
        widths of the narrower files are in WIDTHS."""
        return [*(self._replace(width=w, height=self._height(w)) for w in WIDTHS if w < self.width), self]

    def _height(self, width: int) -> int:
        return max(1, (2 * self.height * width + self.width) // (2 * self.width))


class Illustration(NamedTuple):
    """A picture of an entry, for feeds and structured data, which list pictures in addition to the body. `alt` and
    `caption` are plain text."""

    url: str
    """The absolute URL of the largest file."""
    picture: Picture
    alt: str
    """The description of the picture; empty if there is none."""
    caption: str
    """The caption of the picture. If the picture has none, the caption of its gallery; empty without any caption."""


def img_html(picture: Picture, alt: str, media_url: str) -> str:
    """Return an `<img>` element for the picture whose largest file is `picture`.

    The element has the picture's width and height, so that nothing on the page moves when the picture is loaded. The
    browser loads only the width that it needs. `alt`: the description as plain text. `media_url`: the address under
    which pictures are served, without a slash at the end.
    """
    candidates = ", ".join(f"{media_url}/{r.name} {r.width}w" for r in picture.variants)
    return (
        f'<img src="{media_url}/{picture.name}" srcset="{candidates}" sizes="{SIZES}" '
        f'width="{picture.width}" height="{picture.height}" alt="{_attribute(alt)}" loading="lazy" decoding="async">'
    )


def figure_html(picture: Picture, alt: str, credit: str | None, media_url: str) -> str:
    """Return a `<figure>` with a picture and its credit, for an editor to put into the body of an entry.

    `alt` and `credit` are plain text; without a credit there is no caption. `media_url`: as for `img_html`.
    """
    caption = f"<figcaption><small>{escape(credit, quote=False)}</small></figcaption>" if credit else ""
    return f"<figure>{img_html(picture, alt, media_url)}{caption}</figure>"


def _attribute(text: str) -> str:
    # This is how the sanitiser writes attributes. So the sanitiser leaves the HTML that we make unchanged.
    return escape(text, quote=False).replace('"', "&quot;")
