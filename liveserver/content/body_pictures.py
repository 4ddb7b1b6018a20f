"""Pictures in an entry's body, in the one form of `<img>` that stored bodies have.

```
<img src="/media/NAME" alt="…">
```

Nothing else is stored of a picture: no host, and no attributes for its loading.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from liveserver.content.media.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEDIA_PATH = "/media"
"""The path that pictures are served under; their addresses in stored bodies begin with it."""

IMG_PATTERN = rf'<img src="{MEDIA_PATH}/([^"]+)" alt="([^"]*)">'
"""A regular expression for such an `<img>`. Its groups: the picture's name, and the description as HTML."""

_IMG = re.compile(IMG_PATTERN)


class BodyPicture(NamedTuple):
    """A picture in a body."""

    picture: Picture
    alt: str
    """The description as in an attribute: with character references, and without double quotes."""

    @property
    def html(self) -> str:
        """The `<img>` of the picture."""
        return f'<img src="{MEDIA_PATH}/{self.picture.name}" alt="{self.alt}">'


def body_pictures(body: str) -> Iterator[BodyPicture]:
    """Yield the pictures of a sanitised body, in order."""
    for name, alt in _IMG.findall(body):
        if picture := Picture.parse(name):
            yield BodyPicture(picture, alt)


def replace_pictures(body: str, replacement: Callable[[BodyPicture], str]) -> str:
    """Replace each picture of a sanitised body by other HTML."""

    def put(match: re.Match[str]) -> str:
        picture = Picture.parse(match[1])
        return replacement(BodyPicture(picture, match[2])) if picture else match[0]

    return _IMG.sub(put, body) if MEDIA_PATH in body else body


def has_picture(body: str) -> bool:
    """True if a sanitised body has a picture."""
    return "<img " in body
