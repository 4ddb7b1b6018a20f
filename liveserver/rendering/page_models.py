"""Models of the reader's pages: the entries of a page, their order, and the links to further entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from markupsafe import Markup

    from liveserver.domain.entry import Entry, Verification
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.snapshot import Snapshot

Order = Literal["newest", "oldest"]
"""The order of a page's entries: the newest or the oldest first."""


class Only(NamedTuple):
    """A filter of entries. A page with it has only entries that meet all its conditions."""

    tag: str | None = None
    key_events: bool = False
    verification: Verification | None = None


EVERY = Only()


class Article(NamedTuple):
    """A published entry, rendered, and its day in the live blog's time zone."""

    day: str
    """`YYYY-MM-DD`."""
    label: str
    """The day as readers see it."""
    html: Markup


@dataclass(frozen=True, slots=True)
class PageView:
    """One page of a live blog."""

    liveblog: Liveblog
    """The live blog as of the same moment as the entries: its epoch and seq are the page's position."""
    entries: list[Entry]
    """The entries in the page's order. A page of all entries, newest first, leaves out pinned ones when it is
    rendered."""
    pinned: list[Entry] = field(default_factory=list)
    key_events: list[Entry] = field(default_factory=list)
    older_cursor: str | None = None
    """The cursor of the entries older than these; None if there are none."""
    newer_cursor: str | None = None
    """The cursor of the entries newer than these; None if there are none."""
    first: bool = True
    """False on all pages but `/live/{slug}` itself: they show neither pinned entries nor key events."""
    order: Order = "newest"
    only: Only = EVERY
    began_at: datetime | None = None
    """The time of the live blog's oldest entry; None if unknown."""
    changed_at: datetime | None = None
    """The time of the live blog's last change; None if unknown."""

    @classmethod
    def of(cls, snapshot: Snapshot) -> PageView:
        """Make the first page from a snapshot."""
        return cls(
            snapshot.liveblog,
            snapshot.entries,
            pinned=snapshot.pinned,
            key_events=snapshot.key_events,
            older_cursor=snapshot.next_cursor,
            began_at=snapshot.began_at,
            changed_at=snapshot.changed_at,
        )


@dataclass(frozen=True, slots=True)
class EntryPageView:
    """One entry among its neighbours."""

    liveblog: Liveblog
    entry: Entry
    newer: list[Entry] = field(default_factory=list)
    """The entries just after it, newest first."""
    older: list[Entry] = field(default_factory=list)
    """The entries just before it, newest first."""
    older_cursor: str | None = None
    newer_cursor: str | None = None
    order: Order = "newest"
