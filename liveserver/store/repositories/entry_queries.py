"""Reading entries: lists, what a page starts from, and what changed. Each function sees one moment of the store."""

from __future__ import annotations

import sys
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from sqlalchemy import Text, bindparam, cast, func, literal, literal_column, or_, select, tuple_

from liveserver.domain.change import Change, Changes, EntryChanged, EntryDeleted, LiveblogChanged, Withdrawal
from liveserver.domain.entry import Entry, EntryStatus, Verification
from liveserver.domain.errors import FieldError, InvalidInput, NeverSeen, NotFound
from liveserver.domain.snapshot import Deletion, EntryPage, Feed, Snapshot
from liveserver.store import tables
from liveserver.store.cursors import Place
from liveserver.store.mappers import entry_from
from liveserver.store.repositories import entries, liveblogs, past

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Select

    from liveserver.domain.liveblog import Liveblog

T = TypeVar("T")

Order = Literal["newest", "oldest"]

KEY_EVENTS_MAX = 100

PAGE_BYTES = 2 * 1024 * 1024
"""Of bodies, in UTF-8, after which a page of a list ends early, and a batch of changes: the next goes on from there. An
answer has each body twice, as written and as shown. A thousand usual entries have as much, or eight of the longest."""

_t = tables.entries
_place = tuple_(_t.c.sort_at, _t.c.id)

ASK_FIRST = 20
"""Entries; of more, PostgreSQL is asked first how long they are, which it knows without reading them."""


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
    cursor: str | None = None,
    order: Order = "newest",
    key_events: bool = False,
    tag: str | None = None,
    verification: Verification | None = None,
    statuses: Collection[EntryStatus] = (EntryStatus.PUBLISHED,),
    tags: Collection[str] = (),
    moment: datetime | None = None,
) -> EntryPage:
    """One page of the entries that match, of those with one of `tags`, as of a moment gone by."""
    lens = _lens(connection, slug, tags, moment, statuses)
    if key_events:
        lens = lens.only(_t.c.key_event, lambda entry: entry.key_event)
    if tag is not None:
        lens = lens.only(_has_tag(connection, tag), lambda entry: tag in entry.tags)
    if verification is not None:
        lens = lens.only(_t.c.verification == verification.value, lambda entry: entry.verification is verification)
    start = None if cursor is None else Place.parse(cursor)
    items, more = _run(connection, lens.query, order, limit, start, lens.besides, size=PAGE_BYTES)
    return EntryPage(lens.liveblog, items, _cursor(items[-1]) if more else None)


def published(connection: Connection, slug: str, entry_id: str) -> tuple[Liveblog, Entry]:
    """An entry that readers see, and its live blog."""
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    return liveblog, _published(connection, liveblog_id, entry_id)


def _published(connection: Connection, liveblog_id: int, entry_id: str) -> Entry:
    """What readers can't see and never could is told from what there isn't by nothing: not by its words either."""
    with suppress(NeverSeen):
        entry = entries.find(connection, liveblog_id, entry_id)
        if entry.status is EntryStatus.PUBLISHED:
            return entry
    raise NotFound(f"there is no entry {entry_id!r}")


def around(connection: Connection, slug: str, entry_id: str, *, before: int, after: int) -> Around:
    """The entry with up to `after` newer and `before` older ones."""
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    entry = _published(connection, liveblog_id, entry_id)
    start, query = Place.of(entry), _select(liveblog_id)
    newer, more_newer = _run(connection, query, "oldest", after, start, size=PAGE_BYTES)
    older, more_older = _run(connection, query, "newest", before, start, size=PAGE_BYTES)
    items = [*reversed(newer), entry, *older]
    return Around(
        liveblog, items, _cursor(items[0]) if more_newer else None, _cursor(items[-1]) if more_older else None
    )


def snapshot(
    connection: Connection, slug: str, *, limit: int, tags: Collection[str] = (), moment: datetime | None = None
) -> Snapshot:
    """What a page starts from: of the entries with one of `tags`, as of a moment gone by."""
    lens = _lens(connection, slug, tags, moment)
    on_top = lens.only(_t.c.pinned, lambda entry: entry.pinned)
    key = lens.only(_t.c.key_event, lambda entry: entry.key_event)
    pinned, _ = _run(connection, on_top.query, "newest", entries.PINNED_MAX, None, on_top.besides)
    key_events, _ = _run(connection, key.query, "newest", KEY_EVENTS_MAX, None, key.besides)
    items, more = _run(connection, lens.query, "newest", limit, None, lens.besides, size=PAGE_BYTES)
    listing = liveblogs.listing(connection, lens.liveblog_id)
    changed_at = listing.changed_at if moment is None else min(listing.changed_at, moment)
    cursor = _cursor(items[-1]) if more else None
    return Snapshot(lens.liveblog, pinned, key_events, items, cursor, listing.began_at, changed_at)


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
    query = select(_t).where(_t.c.liveblog_id == liveblog_id, _t.c.seq > after)
    return _changes(connection, query, liveblog, after, [LiveblogChanged(liveblog.changed_seq, liveblog)], limit=limit)


def changes_then(
    connection: Connection, slug: str, after: int, *, limit: int, moment: datetime
) -> tuple[Changes, list[Withdrawal]]:
    """The same as of a moment gone by, and the entries that were there then and are deleted by now.

    Those are never among the items as they were: a change of one counts as its deletion.
    """
    liveblog_id, current = liveblogs.find(connection, slug)
    liveblog, changed, withdrawn = past.past(connection, liveblog_id, current, moment)
    query = select(_t).where(_t.c.liveblog_id == liveblog_id, _t.c.seq > after, _t.c.seq <= liveblog.seq)
    besides: list[Change] = [
        *map(_change, changed),
        *(EntryDeleted(seq, each.id) for seq, each in withdrawn),
        LiveblogChanged(liveblog.changed_seq, liveblog),
    ]
    return _changes(connection, query, liveblog, after, besides, limit=limit), [each for _, each in withdrawn]


def _changes(
    connection: Connection,
    query: Select[tuple[object, ...]],
    liveblog: Liveblog,
    after: int,
    besides: Iterable[Change],
    *,
    limit: int,
) -> Changes:
    """What a query finds, and what there is beside that."""
    read, more = _read(connection, query.order_by(_t.c.seq), limit, PAGE_BYTES)
    found = [_change(entry) for entry in read]
    # What comes after the last one found that fits is for the next time.
    last = found[-1].seq if more else sys.maxsize
    items = sorted(
        [*found, *(change for change in besides if after < change.seq <= last)], key=lambda change: change.seq
    )
    taken, rest = _taken(items, limit, PAGE_BYTES, _body_of)
    return Changes(liveblog, taken, more=more or rest)


def _body_of(change: Change) -> str:
    return _text_of(change.entry) if isinstance(change, EntryChanged) else ""


def _taken(items: Iterable[T], limit: int, size: int, body: Callable[[T], str]) -> tuple[list[T], bool]:
    """The first ones, up to `limit` and until their bodies have `size` bytes; and whether there are more."""
    taken: list[T] = []
    for item in items:
        if len(taken) == limit or size <= 0:
            return taken, True
        taken.append(item)
        text = body(item)
        size -= len(text) if text.isascii() else len(text.encode())
    return taken, False


def _change(entry: Entry) -> Change:
    assert entry.seq is not None
    if entry.status is EntryStatus.DELETED:
        return EntryDeleted(entry.seq, entry.id)
    return EntryChanged(entry.seq, entry)


def scheduled(connection: Connection, *, limit: int) -> list[Scheduled]:
    """The scheduled entries, the next due first."""
    return [Scheduled(*row) for row in connection.execute(_SCHEDULED, {"limit": limit})]


class _Lens(NamedTuple):
    """Which entries are looked for, and what the live blog was when they were there."""

    liveblog_id: int
    liveblog: Liveblog
    query: Select[tuple[object, ...]]
    besides: list[Entry]
    """Those that the query doesn't find, since they have changed."""

    def only(self, condition: ColumnElement[bool], holds: Callable[[Entry], bool]) -> _Lens:
        """Those of them for which a condition holds, which is given twice: for the query, and for the others."""
        return self._replace(
            query=self.query.where(condition), besides=[entry for entry in self.besides if holds(entry)]
        )


def _lens(
    connection: Connection,
    slug: str,
    tags: Collection[str],
    moment: datetime | None,
    statuses: Collection[EntryStatus] = (EntryStatus.PUBLISHED,),
) -> _Lens:
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    lens = _Lens(liveblog_id, liveblog, _select(liveblog_id, statuses), [])
    if moment is not None:
        then, changed, _ = past.past(connection, liveblog_id, liveblog, moment)
        lens = _Lens(liveblog_id, then, lens.query.where(_t.c.seq <= then.seq), changed)
    if tags:
        either = or_(*(_has_tag(connection, tag) for tag in tags))
        lens = lens.only(either, lambda entry: not set(tags).isdisjoint(entry.tags))
    return lens


def _select(
    liveblog_id: int, statuses: Collection[EntryStatus] = (EntryStatus.PUBLISHED,)
) -> Select[tuple[object, ...]]:
    return select(_t).where(_t.c.liveblog_id == liveblog_id, _t.c.status.in_([status.value for status in statuses]))


def _has_tag(connection: Connection, tag: str) -> ColumnElement[bool]:
    if "\x00" in tag:
        raise InvalidInput([FieldError("?tag", "contains a character that no tag can have")])
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
    besides: Collection[Entry] = (),
    *,
    size: int = sys.maxsize,
) -> tuple[list[Entry], bool]:
    """Up to `limit` entries beyond `start`, `besides` among them, and whether there are more.

    The list ends with the one whose body makes `size` bytes full.
    """
    if start is not None:
        place = tuple_(literal(start.at, _t.c.sort_at.type), start.name)
        query = query.where(_place < place if order == "newest" else _place > place)
    columns = (_t.c.sort_at, _t.c.id)
    query = query.order_by(*(c.desc() if order == "newest" else c.asc() for c in columns))
    found, more = _read(connection, query, limit, size)
    if not besides:
        return found, more

    def beyond(entry: Entry, place: Place) -> bool:
        return Place.of(entry) < place if order == "newest" else Place.of(entry) > place

    # What comes after the last one found that fits is for the next page.
    last = Place.of(found[-1]) if more and found else None
    others = [e for e in besides if (start is None or beyond(e, start)) and (last is None or not beyond(e, last))]
    taken, rest = _taken(sorted([*found, *others], key=Place.of, reverse=order == "newest"), limit, size, _text_of)
    return taken, more or rest


def _read(connection: Connection, query: Select[tuple[object, ...]], limit: int, size: int) -> tuple[list[Entry], bool]:
    """The first that a query finds, as many as `_taken` takes, and whether there are more."""
    if size < sys.maxsize and limit > ASK_FIRST and connection.dialect.name != "sqlite":
        # PostgreSQL sends all rows at once, on the event loop; SQLite reads those only that are taken.
        texts = func.octet_length(_t.c.body) + func.octet_length(cast(_t.c.corrections, Text)) - len("[]")
        sizes = connection.execute(query.with_only_columns(texts).limit(limit)).scalars()
        limit = next((count for count, total in enumerate(accumulate(sizes), 1) if total >= size), limit)
    with connection.execute(query.limit(limit + 1)) as rows:
        return _taken(map(entry_from, rows.mappings()), limit, size, _text_of)


def _text_of(entry: Entry) -> str:
    return "".join([entry.body, *(correction.note for correction in entry.corrections)])


def _cursor(entry: Entry) -> str:
    return Place.of(entry).cursor()
