"""The content of pages, feeds and sitemaps, as the store returns it. All parts of one page or feed are as of the same
moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog


class Snapshot(NamedTuple):
    """The content that a page starts with, all as of one moment."""

    liveblog: Liveblog
    pinned: list[Entry]
    """All pinned entries, newest first."""
    key_events: list[Entry]
    """The newest key events, newest first."""
    entries: list[Entry]
    """The newest published entries, newest first. Pinned entries and key events may be among them."""
    next_cursor: str | None
    """The cursor for the entries that are older than `entries`; None if there are no older entries."""
    began_at: datetime | None
    """The time at which the oldest entry of the whole live blog was published. Only entries that are published now
    count; None if there are none."""
    changed_at: datetime
    """The earlier of two times: the time of the live blog's last change, and the moment of the snapshot."""


class Deletion(NamedTuple):
    """A published entry that was deleted, with the time of its deletion."""

    id: str
    at: datetime


class Feed(NamedTuple):
    """The content of a feed, all as of one moment."""

    liveblog: Liveblog
    entries: list[Entry]
    """The newest published entries, newest first."""
    deleted: list[Deletion]
    """The deleted entries that were published in the same period as `entries`, or at any time if `entries` has all
    published entries. The entry that was published last comes first."""
    changed_at: datetime
    """The time of the last change that readers could see: of the live blog's own fields, or of one of its entries."""


class Listing(NamedTuple):
    """A live blog with the times when it began and when it last changed, for sitemaps."""

    liveblog: Liveblog
    began_at: datetime | None
    """The time at which the oldest published entry was published; None if no entry is published."""
    changed_at: datetime
    """The time of the last change that readers could see: of the live blog's own fields, or of one of its entries."""


class EntryPage(NamedTuple):
    """One page of a list of entries."""

    liveblog: Liveblog
    items: list[Entry]
    """The entries of this page."""
    next_cursor: str | None
    """The cursor of the next page; None if this page is the last one."""


class Around(NamedTuple):
    """A published entry, with the entries before and after it."""

    liveblog: Liveblog
    items: list[Entry]
    """The entries, newest first. The entry that was asked for is included."""
    newer_cursor: str | None
    """The cursor of the page of entries that are newer than the first item, for the order `oldest`. None if no entry is
    newer."""
    older_cursor: str | None
    """The cursor of the page of entries that are older than the last item, for the order `newest`. None if no entry is
    older."""
