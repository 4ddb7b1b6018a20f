"""The topic that a viewer follows: a live blog, or an edition of it. An edition leaves out entries, or is delayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Topic(NamedTuple):
    """A live blog as some of its viewers get it. Viewers with equal topics are sent the same messages.

    Only the server makes topics: from a slug in a valid form (`http/route_params.py`), and from a partner's rules.
    Topics have no names, so a request can't name a topic.
    """

    slug: str
    tags: tuple[str, ...] = ()
    """An entry is part of the topic only if it has one of these tags, which are in alphabetical order. Empty for all
    entries."""
    delay: int = 0
    """The delay, in seconds, with which the topic's viewers get changes; 0 for none."""

    @property
    def is_edition(self) -> bool:
        """True if the topic is an edition: it leaves out entries, or delays changes."""
        return bool(self.tags or self.delay)

    def shows(self, tags: Iterable[str]) -> bool:
        """True if an entry with these tags is part of the topic."""
        return not self.tags or not set(self.tags).isdisjoint(tags)
