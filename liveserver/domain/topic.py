"""The topic that a viewer follows: a live blog, or an edition of it.

An edition leaves out entries, or delays changes, or both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Topic(NamedTuple):
    """A live blog, with the tags and the delay that decide which changes its viewers get, and when.

    Viewers with equal topics are sent the same messages. Only the server makes topics: from a slug in a valid form
    (`http/route_params.py`), and from a partner's rules. Topics have no names, so a request can't name a topic.
    """

    slug: str
    tags: tuple[str, ...] = ()
    """The tags, in alphabetical order, of which an entry must have at least one to be part of the topic. Empty if all
    entries are part of the topic."""
    delay: int = 0
    """The delay, in seconds, with which the topic's viewers get changes; 0 for none."""

    @property
    def is_edition(self) -> bool:
        """True if the topic leaves out entries or delays changes."""
        return bool(self.tags or self.delay)

    def shows(self, tags: Iterable[str]) -> bool:
        """True if an entry with these tags is part of the topic."""
        return not self.tags or not set(self.tags).isdisjoint(tags)
