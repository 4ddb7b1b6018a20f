"""Models of the reader's pages: the entries of a page, their order, and the cursors for more entries."""

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
    """The filter of a page's entries. A page with a filter has only the entries that meet all its conditions."""

    tag: str | None = None
    key_events: bool = False
    verification: Verification | None = None


EVERY = Only()
"""The filter that all entries pass."""


class Article(NamedTuple):
    """The HTML of a published entry, and the day of its publication in the live blog's time zone."""

    day: str
    """The day of publication, as `YYYY-MM-DD`."""
    label: str
    """The day of publication as readers see it, in the live blog's language."""
    html: Markup


@dataclass(frozen=True, slots=True)
class PageView:
    """One page of a live blog."""

    liveblog: Liveblog
    """The live blog, read in the same moment as the entries. Its epoch and seq are the page's position."""
    entries: list[Entry]
    """The entries in the page's order, also pinned entries.

    If the page has no filter and shows the newest first, `PageRenderer` leaves out the pinned entries. They stand at
    the top of `/live/{slug}`."""
    pinned: list[Entry] = field(default_factory=list)
    key_events: list[Entry] = field(default_factory=list)
    older_cursor: str | None = None
    """The cursor of the entries that are older than `entries`; None if there are no older entries."""
    newer_cursor: str | None = None
    """The cursor of the entries that are newer than `entries`; None if there are no newer entries."""
    first: bool = True
    """True for `/live/{slug}` itself. Only this page has the pinned entries at the top, and the key events' summary."""
    order: Order = "newest"
    only: Only = EVERY
    began_at: datetime | None = None
    """The time at which the live blog's oldest entry was published; None if unknown, or if there is no entry."""
    changed_at: datetime | None = None
    """The time of the live blog's last change; None if the time isn't known."""

    @classmethod
    def of(cls, snapshot: Snapshot) -> PageView:
        """Return the first page of a live blog, made from a snapshot."""
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
    """The page of one entry, with the entries just before and just after it."""

    liveblog: Liveblog
    entry: Entry
    newer: list[Entry] = field(default_factory=list)
    """The entries published just after `entry`, newest first."""
    older: list[Entry] = field(default_factory=list)
    """The entries published just before `entry`, newest first."""
    older_cursor: str | None = None
    """The cursor of the entries that are older than `older`; None if there are no older entries."""
    newer_cursor: str | None = None
    """The cursor of the entries that are newer than `newer`; None if there are no newer entries."""
    order: Order = "newest"
