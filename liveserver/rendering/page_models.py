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
    """The filter of a page's entries: by tag, by key event, by verification.

    An entry passes if it meets every condition that is set.
    """

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
    """The content of one page that lists a live blog's entries, on this site or in the widget."""

    liveblog: Liveblog
    """The live blog, as of the same moment as `entries`. Its epoch and seq are the position of the page's content."""
    entries: list[Entry]
    """The entries in the page's order. Pinned entries are among them.

    If the order is `newest` and there is no filter, `PageRenderer` leaves the pinned entries out of the list, as
    `/live/{slug}` shows all pinned entries at its top."""
    pinned: list[Entry] = field(default_factory=list)
    key_events: list[Entry] = field(default_factory=list)
    older_cursor: str | None = None
    """The cursor of the entries that are older than `entries`; None if there are no older entries."""
    newer_cursor: str | None = None
    """The cursor of the entries that are newer than `entries`; None if there are no newer entries."""
    first: bool = True
    """True for `/live/{slug}` itself, and for the widget.

    `PageRenderer` shows `pinned` and the summary of `key_events` only if it is True."""
    order: Order = "newest"
    only: Only = EVERY
    began_at: datetime | None = None
    """The time at which the live blog's oldest entry was published; None if no entry is published, or if not known."""
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
    """The next entries published after `entry`, newest first. `newer_cursor` leads to the entries after these."""
    older: list[Entry] = field(default_factory=list)
    """The last entries published before `entry`, newest first. `older_cursor` leads to the entries before these."""
    older_cursor: str | None = None
    """The cursor of the entries that are older than `older`; None if there are no older entries."""
    newer_cursor: str | None = None
    """The cursor of the entries that are newer than `newer`; None if there are no newer entries."""
    order: Order = "newest"
