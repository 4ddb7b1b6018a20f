"""Changes of a live blog, and positions in their order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog


class EntryChanged(NamedTuple):
    """An entry was published, or a published one was edited."""

    seq: int
    entry: Entry


class EntryDeleted(NamedTuple):
    """A published entry was deleted."""

    seq: int
    id: str


class LiveblogChanged(NamedTuple):
    """The live blog's own fields changed."""

    seq: int
    liveblog: Liveblog


Change = EntryChanged | EntryDeleted | LiveblogChanged
"""Anything that readers can see changing. A later change of the same entry, or of the live blog, replaces the
earlier."""


class Position(NamedTuple):
    """A point in a live blog's history, up to which a reader, a page or a hub has all changes: `epoch-seq`."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """Return the position that `text` names; None if it names none."""
        match = _POSITION.fullmatch(text)
        return cls(match[1], int(match[2])) if match else None


_POSITION = re.compile(r"([a-z0-9]{1,32})-(0|[1-9][0-9]{0,17})", re.ASCII)


VOID_POSITION = Position("0", 0)
"""Stands for a position that can't be read, or is too old. No history has this epoch, as `0` is no letter of epochs."""


class Withdrawal(NamedTuple):
    """An entry that was deleted, and that the readers of a late topic still have."""

    id: str
    seq: int
    """The number of the change that deleted it."""
    within: int | None = None
    """Milliseconds within which readers are to confirm that it is gone; None if they aren't asked."""


class Changes(NamedTuple):
    """Everything that changed after a position, from the store: the latest state of each thing, ascending by seq."""

    liveblog: Liveblog
    """The live blog as of the same moment as the items; its `epoch` and `seq` are the store's position."""
    items: list[Change]
    more: bool
    """True if the limit cut the list: ask again after the last item's seq."""
