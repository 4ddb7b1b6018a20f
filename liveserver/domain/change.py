"""The changes of a live blog that readers can see, and positions in the order of changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog


class EntryChanged(NamedTuple):
    """The publication of an entry, or an edit of a published entry."""

    seq: int
    """The number of the change."""
    entry: Entry
    """The entry after the change."""


class EntryDeleted(NamedTuple):
    """The deletion of a published entry."""

    seq: int
    """The number of the change."""
    id: str
    """The entry's id."""


class LiveblogChanged(NamedTuple):
    """An edit of the live blog's own fields."""

    seq: int
    """The number of the change."""
    liveblog: Liveblog
    """The live blog after the change."""


Change = EntryChanged | EntryDeleted | LiveblogChanged
"""A change that readers can see. Of several changes of the same entry, only the last one matters, as it has the entry's
present state. The same is true of several changes of the live blog's own fields."""


class Position(NamedTuple):
    """A point in a live blog's history, written as `epoch-seq`.

    A reader, a page or a hub at this position has all changes up to the position's seq.
    """

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """Return the position that `text` names, like `abcdefgh-12`. None if the text isn't a position."""
        match = _POSITION.fullmatch(text)
        return cls(match[1], int(match[2])) if match else None


_POSITION = re.compile(r"([a-z0-9]{1,32})-(0|[1-9][0-9]{0,17})", re.ASCII)


VOID_POSITION = Position("0", 0)
"""A position that belongs to no history, as no epoch has a `0` (`ids.EPOCH_ALPHABET`). It replaces a position that
can't be parsed or that is too old. The viewer then starts anew."""


class Withdrawal(NamedTuple):
    """A deleted entry that viewers of a late topic may still have. (A late topic delays changes.) All viewers of the
    topic are notified at once that the entry is gone."""

    id: str
    seq: int
    """The seq of the change that deleted the entry."""
    within: int | None = None
    """Milliseconds within which viewers are to confirm that the entry is gone; None if they aren't asked to confirm."""


class Changes(NamedTuple):
    """The changes after a position, as the store returns them. Of several changes of the same entry, or of the live
    blog's own fields, only the last is included."""

    liveblog: Liveblog
    """The live blog as of the same moment as `items`. Its `epoch` and `seq` are the position of that moment."""
    items: list[Change]
    """The changes, ascending by seq."""
    more: bool
    """True if more changes follow after `items`. The caller gets them by asking for the changes after the last of
    `items`."""
