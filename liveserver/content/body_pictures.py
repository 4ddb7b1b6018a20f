"""Pictures in an entry's body. Stored bodies have each picture in this form:

```
<img src="/media/NAME" alt="…">
```

The body keeps nothing else of a picture: no host, and no attributes about how browsers load it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from liveserver.content.media.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEDIA_PATH = "/media"
"""The path under which this server serves pictures. The addresses of pictures in stored bodies begin with it."""

IMG_PATTERN = rf'<img src="{MEDIA_PATH}/([^"]+)" alt="([^"]*)">'
"""A regular expression for a picture in a stored body. Its groups: the file's name, and the description in the form
of `BodyPicture.alt`."""

_IMG = re.compile(IMG_PATTERN)


class BodyPicture(NamedTuple):
    """A picture in a stored body, with its description."""

    picture: Picture
    alt: str
    """The description as it stands in the HTML attribute `alt`: special characters, such as double quotes, are written
    as character references."""

    @property
    def html(self) -> str:
        """The `<img>` element of the picture, as stored bodies have it."""
        return f'<img src="{MEDIA_PATH}/{self.picture.name}" alt="{self.alt}">'


def body_pictures(body: str) -> Iterator[BodyPicture]:
    """Yield the pictures of a sanitised body, in the body's order. A picture that occurs twice is yielded twice."""
    for name, alt in _IMG.findall(body):
        if picture := Picture.parse(name):
            yield BodyPicture(picture, alt)


def replace_pictures(body: str, replacement: Callable[[BodyPicture], str]) -> str:
    """Return a sanitised body in which each picture is replaced by the HTML that `replacement` returns for the
    picture."""

    def put(match: re.Match[str]) -> str:
        picture = Picture.parse(match[1])
        return replacement(BodyPicture(picture, match[2])) if picture else match[0]

    return _IMG.sub(put, body) if MEDIA_PATH in body else body


def has_picture(body: str) -> bool:
    """True if a sanitised body contains a picture."""
    return "<img " in body
