"""What pages, feeds and sitemaps are made of: each is read as of one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog


class Snapshot(NamedTuple):
    """What a page starts from; everything as of one moment."""

    liveblog: Liveblog
    pinned: list[Entry]
    key_events: list[Entry]
    entries: list[Entry]
    next_cursor: str | None
    began_at: datetime | None
    """When the oldest entry was published; None while there is none."""
    changed_at: datetime
    """When the last change was made, the one that `seq` counts."""


class Deletion(NamedTuple):
    """What is left to tell of a published entry that was deleted."""

    id: str
    at: datetime


class Feed(NamedTuple):
    """What a feed is made from; everything as of one moment."""

    liveblog: Liveblog
    entries: list[Entry]
    """The newest published entries, newest first."""
    deleted: list[Deletion]
    """The deleted entries that would stand among them."""
    changed_at: datetime
    """When the last change was made."""


class Listing(NamedTuple):
    """A live blog, as sitemaps list it."""

    liveblog: Liveblog
    began_at: datetime | None
    """When the oldest entry was published; None while there is none."""
    changed_at: datetime
    """When the last change was made."""


class EntryPage(NamedTuple):
    """One page of a list of entries."""

    liveblog: Liveblog
    items: list[Entry]
    next_cursor: str | None
