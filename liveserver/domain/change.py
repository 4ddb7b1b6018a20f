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
    """The number of the change among all changes of the live blog."""
    entry: Entry
    """The entry after the change."""


class EntryDeleted(NamedTuple):
    """The deletion of a published entry."""

    seq: int
    """The number of the change among all changes of the live blog."""
    id: str
    """The entry's id."""


class LiveblogChanged(NamedTuple):
    """An edit of the live blog's own fields."""

    seq: int
    """The number of the change among all changes of the live blog."""
    liveblog: Liveblog
    """The live blog after the change."""


Change = EntryChanged | EntryDeleted | LiveblogChanged
"""A change that readers can see. It has the whole new state of the entry, or of the live blog's own fields. So nobody
needs the earlier changes of the same entry, or of these fields."""


class Position(NamedTuple):
    """A point in a live blog's history, written as `epoch-seq`.

    A reader, a page or a hub at this position has all changes of the history `epoch` up to the change number `seq`.
    """

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """Return the position that is written in `text`, for example `abcdefgh-12`. None if `text` isn't a position."""
        match = _POSITION.fullmatch(text)
        return cls(match[1], int(match[2])) if match else None


_POSITION = re.compile(r"([a-z0-9]{1,32})-(0|[1-9][0-9]{0,17})", re.ASCII)


VOID_POSITION = Position("0", 0)
"""A position that belongs to no history, as no epoch contains `0` (`ids.EPOCH_ALPHABET`). It replaces a viewer's
position that can't be parsed, or that is too old for a replay. Such a viewer is sent a `reset`, and starts anew. A
`reset` that no viewer may ignore has this position, too."""


class GoneNotice(NamedTuple):
    """The notice that an entry is gone, for the viewers of a topic that delays changes: on the stream, `gone`.

    They get the notice at once. The change by which the entry was deleted or withdrawn is delayed like every change.
    """

    id: str
    seq: int
    """The seq of the change that took the entry down."""
    within: int | None = None
    """Milliseconds in which a viewer that gets the notice is to confirm it; None if viewers aren't asked to confirm."""


class Changes(NamedTuple):
    """The changes after a position, as the store returns them. They include only the last change of each entry, and
    only the last change of the live blog's own fields."""

    liveblog: Liveblog
    """The live blog at the moment whose state `items` has. Its `epoch` and `seq` are its position at that moment."""
    items: list[Change]
    """The changes, ascending by seq."""
    more: bool
    """True if more changes follow after `items`. To get them, ask the store for the changes after the seq of the last
    item."""
