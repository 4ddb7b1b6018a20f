"""What a viewer follows: a live blog, or a view of it, which leaves out what has other tags, or is late."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Topic(NamedTuple):
    """A live blog, as some of its viewers get it. Those with equal topics share everything.

    Made by the server alone, of a slug whose form was checked (`http/route_params.py`) and of a partner's rules. It has
    no name: nothing that a request says can mean a view.
    """

    slug: str
    tags: tuple[str, ...] = ()
    """Entries with one of these only, in alphabetical order; empty: all entries."""
    delay: int = 0
    """Seconds by which it is late."""

    @property
    def is_view(self) -> bool:
        """Whether it is anything but the whole live blog, as it is now."""
        return bool(self.tags or self.delay)

    def shows(self, tags: Iterable[str]) -> bool:
        """Whether an entry with these tags is part of it."""
        return not self.tags or not set(self.tags).isdisjoint(tags)
