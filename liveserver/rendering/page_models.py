"""Models of the reader's pages: which entries, in which order, and what lies beyond them."""

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
"""Which entry comes first."""


class Only(NamedTuple):
    """Which entries a page is limited to: those to which all of it applies."""

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
    """As of the same moment as the entries: its epoch and seq are the page's position."""
    entries: list[Entry]
    """In the page's order. On the pages that begin with the newest of all, pinned ones are left out."""
    pinned: list[Entry] = field(default_factory=list)
    key_events: list[Entry] = field(default_factory=list)
    older_cursor: str | None = None
    """The cursor of the entries older than these; None if there are none."""
    newer_cursor: str | None = None
    """The cursor of the newer entries; None if there are none."""
    first: bool = True
    """False on all pages but `/live/{slug}` itself: they show neither pinned entries nor key events."""
    order: Order = "newest"
    only: Only = EVERY
    began_at: datetime | None = None
    """The time of the oldest entry of all; None where it is unknown."""
    changed_at: datetime | None = None
    """The time of the last change of all; None where it is unknown."""

    @classmethod
    def of(cls, snapshot: Snapshot) -> PageView:
        """The first page, as a snapshot has it."""
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
    """Newest first."""
    older: list[Entry] = field(default_factory=list)
    """Newest first."""
    older_cursor: str | None = None
    newer_cursor: str | None = None
    order: Order = "newest"
