"""Pictures in the body of an entry, in the one form of `<img>` in which bodies are kept.

```
<img src="/media/NAME" alt="…">
```

Nothing else of a picture is kept: no host, and nothing of how it is to be loaded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from liveserver.content.media.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEDIA_PATH = "/media"
"""The path under which pictures are served, and with which their addresses begin in a body that is kept."""

IMG_PATTERN = rf'<img src="{MEDIA_PATH}/([^"]+)" alt="([^"]*)">'
"""A regular expression for such an `<img>`. Its groups: the picture's name; the description, as HTML has it."""

_IMG = re.compile(IMG_PATTERN)


class BodyPicture(NamedTuple):
    """A picture as a body has it."""

    picture: Picture
    alt: str
    """Its description, as an attribute has it: with references, without double quotes."""

    @property
    def html(self) -> str:
        """Its `<img>`."""
        return f'<img src="{MEDIA_PATH}/{self.picture.name}" alt="{self.alt}">'


def body_pictures(body: str) -> Iterator[BodyPicture]:
    """The pictures of a sanitised body, in its order."""
    for name, alt in _IMG.findall(body):
        if picture := Picture.parse(name):
            yield BodyPicture(picture, alt)


def replace_pictures(body: str, replacement: Callable[[BodyPicture], str]) -> str:
    """A sanitised body with other HTML for each of its pictures."""

    def put(match: re.Match[str]) -> str:
        picture = Picture.parse(match[1])
        return replacement(BodyPicture(picture, match[2])) if picture else match[0]

    return _IMG.sub(put, body) if MEDIA_PATH in body else body


def has_picture(body: str) -> bool:
    """Whether a sanitised body has a picture."""
    return "<img " in body
