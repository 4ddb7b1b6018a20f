"""What of a live blog somebody may see: all of it, or the entries with certain tags, or what it was a while ago."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, urlencode

if TYPE_CHECKING:
    from collections.abc import Iterable


def slug_of(key: str) -> str:
    """The slug of the live blog of which a view has this name."""
    return key.partition("?")[0]


class View(NamedTuple):
    """A live blog, as some of its readers get it. Those with equal views share everything."""

    slug: str
    tags: tuple[str, ...] = ()
    """Entries with one of these only, in alphabetical order; empty: all entries."""
    delay: int = 0
    """Seconds by which it is late."""

    @property
    def key(self) -> str:
        """Its name: the slug alone for the whole live blog, as it is now."""
        if not self.tags and not self.delay:
            return self.slug
        # No slug has a question mark.
        return f"{self.slug}?{urlencode({'delay': self.delay, 'tag': self.tags}, doseq=True)}"

    @classmethod
    def of(cls, key: str) -> View:
        """The view that has this name."""
        slug, mark, rest = key.partition("?")
        if not mark:
            return cls(slug)
        given = parse_qs(rest)
        return cls(slug, tuple(given.get("tag", ())), int(given["delay"][0]))

    def shows(self, tags: Iterable[str]) -> bool:
        """Whether an entry with these tags is part of it."""
        return not self.tags or not set(self.tags).isdisjoint(tags)
