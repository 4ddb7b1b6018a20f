"""Reads of the store for pages, feeds and sitemaps, each as of one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog


class Snapshot(NamedTuple):
    """The entries from which a page starts, all as of one moment."""

    liveblog: Liveblog
    pinned: list[Entry]
    key_events: list[Entry]
    entries: list[Entry]
    next_cursor: str | None
    began_at: datetime | None
    """The time at which the oldest entry was published; None while there is none."""
    changed_at: datetime
    """The time of the last change: the one with the live blog's `seq`."""


class Deletion(NamedTuple):
    """A published entry that was deleted: its id, and the time of the deletion."""

    id: str
    at: datetime


class Feed(NamedTuple):
    """The entries of a feed, all as of one moment."""

    liveblog: Liveblog
    entries: list[Entry]
    """The newest published entries, newest first."""
    deleted: list[Deletion]
    """The deleted entries that would otherwise be among them."""
    changed_at: datetime
    """The time of the last change."""


class Listing(NamedTuple):
    """A live blog and its times, for sitemaps."""

    liveblog: Liveblog
    began_at: datetime | None
    """The time at which the oldest entry was published; None while there is none."""
    changed_at: datetime
    """The time of the last change."""


class EntryPage(NamedTuple):
    """One page of a list of entries."""

    liveblog: Liveblog
    items: list[Entry]
    next_cursor: str | None
