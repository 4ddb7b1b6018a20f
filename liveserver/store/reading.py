"""Reading entries: lists, what a page starts from, and what changed. Each function sees one moment of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from sqlalchemy import bindparam, func, literal, literal_column, select, tuple_

from liveserver.errors import FieldError, Invalid, NotFound
from liveserver.model import (
    Change,
    Changes,
    Deletion,
    Entry,
    EntryChanged,
    EntryDeleted,
    EntryPage,
    EntryStatus,
    Feed,
    Liveblog,
    LiveblogChanged,
    Snapshot,
    Verification,
)
from liveserver.store import entries, liveblogs, tables
from liveserver.store.cursors import Place
from liveserver.store.rows import entry_from

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Select

Order = Literal["newest", "oldest"]

KEY_EVENTS_MAX = 100

_t = tables.entries
_place = tuple_(_t.c.sort_at, _t.c.id)


class Around(NamedTuple):
    """A published entry among its neighbours."""

    liveblog: Liveblog
    items: list[Entry]
    """Newest first, the entry itself among them."""
    newer_cursor: str | None
    """For `entries` with order `oldest`: what is newer than the first item. None if nothing is."""
    older_cursor: str | None
    """For `entries` with order `newest`: what is older than the last item. None if nothing is."""


class Scheduled(NamedTuple):
    """An entry that waits for its time."""

    slug: str
    id: str
    publish_at: datetime


# Made once, since every process asks twice a second. The status is a literal, not a parameter: only then do the
# planners see that the partial index answers it.
_SCHEDULED = (
    select(tables.liveblogs.c.slug, _t.c.id, _t.c.publish_at)
    .join(tables.liveblogs, tables.liveblogs.c.id == _t.c.liveblog_id)
    .where(_t.c.status == literal_column(f"'{EntryStatus.SCHEDULED}'"))
    .order_by(_t.c.publish_at, _t.c.id)
    .limit(bindparam("limit"))
)


def page(
    connection: Connection,
    slug: str,
    *,
    limit: int,
    cursor: str | None,
    order: Order,
    key_events: bool,
    tag: str | None,
    verification: Verification | None,
    statuses: Collection[EntryStatus],
) -> EntryPage:
    """One page of the entries that match."""
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    query = _select(liveblog_id, statuses)
    if key_events:
        query = query.where(_t.c.key_event)
    if tag is not None:
        query = query.where(_has_tag(connection, tag))
    if verification is not None:
        query = query.where(_t.c.verification == verification.value)
    start = None if cursor is None else Place.parse(cursor)
    items, more = _run(connection, query, order, limit, start)
    return EntryPage(liveblog, items, _cursor(items[-1]) if more else None)


def around(connection: Connection, slug: str, entry_id: str, *, before: int, after: int) -> Around:
    """The entry with up to `after` newer and `before` older ones."""
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    entry = entries.find(connection, liveblog_id, entry_id)
    if entry.status is not EntryStatus.PUBLISHED:
        raise NotFound(f"entry {entry_id} isn't published")
    start, query = Place.of(entry), _select(liveblog_id)
    newer, more_newer = _run(connection, query, "oldest", after, start)
    older, more_older = _run(connection, query, "newest", before, start)
    items = [*reversed(newer), entry, *older]
    return Around(
        liveblog, items, _cursor(items[0]) if more_newer else None, _cursor(items[-1]) if more_older else None
    )


def snapshot(connection: Connection, slug: str, *, limit: int) -> Snapshot:
    """What a page starts from."""
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    query = _select(liveblog_id)
    pinned, _ = _run(connection, query.where(_t.c.pinned), "newest", entries.PINNED_MAX)
    key_events, _ = _run(connection, query.where(_t.c.key_event), "newest", KEY_EVENTS_MAX)
    items, more = _run(connection, query, "newest", limit)
    listing = liveblogs.listing(connection, liveblog_id)
    cursor = _cursor(items[-1]) if more else None
    return Snapshot(liveblog, pinned, key_events, items, cursor, listing.began_at, listing.changed_at)


def feed(connection: Connection, slug: str, *, limit: int) -> Feed:
    """The newest entries, and the tombstones among them: of what a reader of the feed may have kept."""
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    items, more = _run(connection, _select(liveblog_id), "newest", limit)
    gone = _select(liveblog_id, (EntryStatus.DELETED,)).where(_t.c.seq.is_not(None))
    if more:
        gone = gone.where(_t.c.sort_at >= literal(Place.of(items[-1]).at, _t.c.sort_at.type))
    tombstones, _ = _run(connection, gone, "newest", limit)
    deleted = [Deletion(entry.id, entry.updated_at) for entry in tombstones]
    return Feed(liveblog, items, deleted, liveblogs.listing(connection, liveblog_id).changed_at)


def changes(connection: Connection, slug: str, after: int, *, limit: int) -> Changes:
    """The latest state of everything whose last change came after `after`, ascending by seq."""
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    query = select(_t).where(_t.c.liveblog_id == liveblog_id, _t.c.seq > after).order_by(_t.c.seq).limit(limit + 1)
    items = [_change(entry_from(row)) for row in connection.execute(query).mappings()]
    if liveblog.changed_seq > after:
        items.append(LiveblogChanged(liveblog.changed_seq, liveblog))
        items.sort(key=lambda change: change.seq)
    return Changes(liveblog, items[:limit], more=len(items) > limit)


def _change(entry: Entry) -> Change:
    assert entry.seq is not None
    if entry.status is EntryStatus.DELETED:
        return EntryDeleted(entry.seq, entry.id)
    return EntryChanged(entry.seq, entry)


def scheduled(connection: Connection, *, limit: int) -> list[Scheduled]:
    """The scheduled entries, the next due first."""
    return [Scheduled(*row) for row in connection.execute(_SCHEDULED, {"limit": limit})]


def _select(
    liveblog_id: int, statuses: Collection[EntryStatus] = (EntryStatus.PUBLISHED,)
) -> Select[tuple[object, ...]]:
    return select(_t).where(_t.c.liveblog_id == liveblog_id, _t.c.status.in_([status.value for status in statuses]))


def _has_tag(connection: Connection, tag: str) -> ColumnElement[bool]:
    if "\x00" in tag:
        raise Invalid([FieldError("?tag", "contains a character that no tag can have")])
    if connection.dialect.name == "sqlite":
        each = func.json_each(_t.c.tags).table_valued("value")
        return select(each.c.value).where(each.c.value == tag).exists()
    return _t.c.tags.op("?", is_comparison=True)(tag)


def _run(
    connection: Connection,
    query: Select[tuple[object, ...]],
    order: Order,
    limit: int,
    start: Place | None = None,
) -> tuple[list[Entry], bool]:
    """Up to `limit` entries beyond `start`, and whether there are more."""
    if start is not None:
        place = tuple_(literal(start.at, _t.c.sort_at.type), start.name)
        query = query.where(_place < place if order == "newest" else _place > place)
    columns = (_t.c.sort_at, _t.c.id)
    query = query.order_by(*(c.desc() if order == "newest" else c.asc() for c in columns)).limit(limit + 1)
    items = [entry_from(row) for row in connection.execute(query).mappings()]
    return items[:limit], len(items) > limit


def _cursor(entry: Entry) -> str:
    return Place.of(entry).cursor()
