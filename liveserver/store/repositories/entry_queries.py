"""The queries that read entries: lists, snapshots, feeds and changes. Each function sees one state of the store."""

from __future__ import annotations

import sys
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from sqlalchemy import Text, bindparam, cast, func, literal, literal_column, or_, select, tuple_

from liveserver.domain.change import Change, Changes, EntryChanged, EntryDeleted, GoneNotice, LiveblogChanged
from liveserver.domain.entry import Entry, EntryStatus, Verification
from liveserver.domain.errors import FieldError, InvalidInput, NeverSeen, NotFound
from liveserver.domain.snapshot import Around, Deletion, EntryPage, Feed, Snapshot
from liveserver.store import tables
from liveserver.store.cursors import SortKey
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
"""The size in bytes at which a page of entries, or a batch of changes, ends. The entry that reaches this size is the
last one on the page, even if the caller's `limit` allows more entries. The next page continues after this entry.

Only the entries' bodies and corrections are counted, in UTF-8. A thousand usual entries, or eight of the longest
entries, have this size. An answer of the API is larger, as it has each body twice: as it is in the store, and as HTML
to show."""

_t = tables.entries
_sort_key = tuple_(_t.c.sort_at, _t.c.id)

ASK_FIRST = 20
"""The greatest number of entries that are read from PostgreSQL without asking for their sizes first. If more entries
are wanted, the sizes are read first, and then only the entries that fit on the page. PostgreSQL knows the size of a
body without reading the body."""


class Scheduled(NamedTuple):
    """A scheduled entry: the slug of its live blog, its id, and the time at which it is to be published."""

    slug: str
    id: str
    publish_at: datetime


# This statement is made once, as every process executes it again and again. The status is a literal in it, not a
# parameter: only for a literal do the databases use the partial index.
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
    """Return a page of a live blog's entries, with the cursor of the next page. All conditions must be met.

    `key_events`: True for key events only. `tag`, `verification`: None for no condition. `tags`: an entry must have at
    least one of these tags; empty for no condition. `moment`: a past moment, to get the entries as they were then
    (None: as they are now). Raises NotFound if there is no such live blog. Raises InvalidInput for a bad cursor, or for
    a tag that contains the character NUL.
    """
    lens = _lens(connection, slug, tags, moment, statuses)
    if key_events:
        lens = lens.only(_t.c.key_event, lambda entry: entry.key_event)
    if tag is not None:
        lens = lens.only(_has_tag(connection, tag), lambda entry: tag in entry.tags)
    if verification is not None:
        lens = lens.only(_t.c.verification == verification.value, lambda entry: entry.verification is verification)
    start = None if cursor is None else SortKey.parse(cursor)
    items, more = ordered_page(connection, lens.query, order, limit, start, lens.besides, size=PAGE_BYTES)
    return EntryPage(lens.liveblog, items, _cursor(items[-1]) if more else None)


def published(connection: Connection, slug: str, entry_id: str) -> tuple[Liveblog, Entry]:
    """Return the live blog, and a published entry.

    Raises NotFound if there is no such entry, or if readers never saw it. Raises Gone if the entry was published and
    then deleted.
    """
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    return liveblog, _published(connection, liveblog_id, entry_id)


def _published(connection: Connection, liveblog_id: int, entry_id: str) -> Entry:
    """Return a published entry. Raises Gone if the entry was published and then deleted.

    Raises NotFound if there is no such entry. For an entry that readers never saw, the error is the same, so that
    nobody learns that the entry exists.
    """
    with suppress(NeverSeen):
        entry = entries.find(connection, liveblog_id, entry_id)
        if entry.status is EntryStatus.PUBLISHED:
            return entry
    raise NotFound(f"there is no entry {entry_id!r}")


def around(connection: Connection, slug: str, entry_id: str, *, before: int, after: int) -> Around:
    """Return a published entry with up to `after` newer and up to `before` older entries.

    Raises NotFound if there is no such entry, or if readers never saw it. Raises Gone if the entry was published and
    then deleted.
    """
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    entry = _published(connection, liveblog_id, entry_id)
    start, query = SortKey.of(entry), _select(liveblog_id)
    newer, more_newer = ordered_page(connection, query, "oldest", after, start, size=PAGE_BYTES)
    older, more_older = ordered_page(connection, query, "newest", before, start, size=PAGE_BYTES)
    items = [*reversed(newer), entry, *older]
    return Around(
        liveblog, items, _cursor(items[0]) if more_newer else None, _cursor(items[-1]) if more_older else None
    )


def snapshot(
    connection: Connection, slug: str, *, limit: int, tags: Collection[str] = (), moment: datetime | None = None
) -> Snapshot:
    """Return the content that a page starts with: the newest entries, the pinned entries and the key events.

    `tags`: an entry must have at least one of these tags; empty for no condition. `moment`: a past moment, to get the
    content as it was then (None: as it is now). Raises NotFound.
    """
    lens = _lens(connection, slug, tags, moment)
    on_top = lens.only(_t.c.pinned, lambda entry: entry.pinned)
    key = lens.only(_t.c.key_event, lambda entry: entry.key_event)
    pinned, _ = ordered_page(connection, on_top.query, "newest", entries.PINNED_MAX, None, on_top.besides)
    key_events, _ = ordered_page(connection, key.query, "newest", KEY_EVENTS_MAX, None, key.besides)
    items, more = ordered_page(connection, lens.query, "newest", limit, None, lens.besides, size=PAGE_BYTES)
    listing = liveblogs.listing(connection, lens.liveblog_id)
    changed_at = listing.changed_at if moment is None else min(listing.changed_at, moment)
    cursor = _cursor(items[-1]) if more else None
    return Snapshot(lens.liveblog, pinned, key_events, items, cursor, listing.began_at, changed_at)


def feed(connection: Connection, slug: str, *, limit: int) -> Feed:
    """Return the content of a feed: the newest published entries, and deletions of entries.

    Programs that read the feed may still show entries that were deleted or withdrawn. So the feed has the deletions of
    such entries from the period that the published entries cover. Both lists have at most `limit` items. Raises
    NotFound.
    """
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    items, more = ordered_page(connection, _select(liveblog_id), "newest", limit)
    gone: list[Entry] = []
    for status in (status for status in EntryStatus if status is not EntryStatus.PUBLISHED):
        # One query for each state: so that all are answered by the index, in its order.
        query = _select(liveblog_id, (status,)).where(_t.c.seq.is_not(None))
        if more:
            # A withdrawn draft has no time of publication any more, but it was withdrawn after that time.
            time = _t.c.sort_at if status is EntryStatus.DELETED else _t.c.withdrawn_at
            query = query.where(time >= literal(SortKey.of(items[-1]).at, _t.c.sort_at.type))
        gone += ordered_page(connection, query, "newest", limit)[0]
    newest = sorted(gone, key=SortKey.of, reverse=True)[:limit]
    deleted = [Deletion(entry.id, entry.withdrawn_at or entry.updated_at) for entry in newest]
    return Feed(liveblog, items, deleted, liveblogs.listing(connection, liveblog_id).changed_at)


def changes(connection: Connection, slug: str, after: int, *, limit: int) -> Changes:
    """Return at most `limit` changes of a live blog after the seq `after`, ascending by seq. Raises NotFound.

    If an entry has changed several times, only its last change is returned, with the entry as it is now. If the entry
    was deleted, this change is the deletion. Likewise, only the last change of the live blog's own fields is returned.
    """
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    query = select(_t).where(_t.c.liveblog_id == liveblog_id, _t.c.seq > after)
    return _changes(connection, query, liveblog, after, [LiveblogChanged(liveblog.changed_seq, liveblog)], limit=limit)


def changes_then(
    connection: Connection, slug: str, after: int, *, limit: int, moment: datetime
) -> tuple[Changes, list[GoneNotice]]:
    """Return at most `limit` changes after a seq, as they were at a past moment, and a list of gone notices.

    The list has a notice for each entry that was published at the moment, and has been deleted or withdrawn since.
    The text of such an entry isn't returned: instead, the changes contain an EntryDeleted with the seq that the entry
    had at the moment. Raises NotFound.
    """
    liveblog_id, current = liveblogs.find(connection, slug)
    liveblog, changed, gone, hidden = past.past(connection, liveblog_id, current, moment)
    query = select(_t).where(_t.c.liveblog_id == liveblog_id, _t.c.seq > after, _t.c.seq <= liveblog.seq)
    besides: list[Change] = [
        *map(_change, changed),
        *(EntryDeleted(seq, notice.id) for seq, notice in gone),
        *hidden,
        LiveblogChanged(liveblog.changed_seq, liveblog),
    ]
    return _changes(connection, query, liveblog, after, besides, limit=limit), [notice for _, notice in gone]


def _changes(
    connection: Connection,
    query: Select[tuple[object, ...]],
    liveblog: Liveblog,
    after: int,
    besides: Iterable[Change],
    *,
    limit: int,
) -> Changes:
    """Return the changes of the entries that `query` finds, merged with the changes in `besides`, ascending by seq.

    Of `besides`, only changes with a seq above `after` are used. Returns at most `limit` changes.
    """
    entries_read, more = _read(connection, query.order_by(_t.c.seq), limit, PAGE_BYTES)
    changes = [_change(entry) for entry in entries_read]
    # If more entries follow, changes after the last entry that was read belong to the next batch.
    last = changes[-1].seq if more else sys.maxsize
    items = sorted(
        [*changes, *(change for change in besides if after < change.seq <= last)], key=lambda change: change.seq
    )
    batch, more_items = _take_while_fitting(items, limit, PAGE_BYTES, _body_of)
    return Changes(liveblog, batch, more=more or more_items)


def _body_of(change: Change) -> str:
    return _text_of(change.entry) if isinstance(change, EntryChanged) else ""


def _take_while_fitting(items: Iterable[T], limit: int, size: int, body: Callable[[T], str]) -> tuple[list[T], bool]:
    """Return the first items, as many as fit, and True if there are more.

    Stops after `limit` items, or earlier, as soon as the bodies of the returned items have at least `size` bytes
    together. `body`: returns the body of an item.
    """
    fitting: list[T] = []
    for item in items:
        if len(fitting) == limit or size <= 0:
            return fitting, True
        fitting.append(item)
        text = body(item)
        size -= len(text) if text.isascii() else len(text.encode())
    return fitting, False


def _change(entry: Entry) -> Change:
    assert entry.seq is not None
    if entry.status is not EntryStatus.PUBLISHED:
        # It was deleted, or withdrawn: a draft has a seq only if readers have seen the entry before.
        return EntryDeleted(entry.seq, entry.id)
    return EntryChanged(entry.seq, entry)


def scheduled(connection: Connection, *, limit: int) -> list[Scheduled]:
    """Return at most `limit` scheduled entries of all live blogs. The entry that is due next comes first."""
    return [Scheduled(*row) for row in connection.execute(_SCHEDULED, {"limit": limit})]


class _Lens(NamedTuple):
    """A live blog and a selection of its entries, both as they are now or both as they were at one past moment."""

    liveblog_id: int
    liveblog: Liveblog
    query: Select[tuple[object, ...]]
    besides: list[Entry]
    """The selected entries that have changed since the past moment, as they were then. `query` finds the other selected
    entries. Empty if the selection is as it is now."""

    def only(self, condition: ColumnElement[bool], holds: Callable[[Entry], bool]) -> _Lens:
        """Return a smaller selection: the selected entries that also meet a condition.

        The condition is given in two forms: as SQL for the query (`condition`), and as a function (`holds`) for the
        entries in `besides`.
        """
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
        past_liveblog, changed, *_ = past.past(connection, liveblog_id, liveblog, moment)
        lens = _Lens(liveblog_id, past_liveblog, lens.query.where(_t.c.seq <= past_liveblog.seq), changed)
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
        element = func.json_each(_t.c.tags).table_valued("value")
        return select(element.c.value).where(element.c.value == tag).exists()
    return _t.c.tags.op("?", is_comparison=True)(tag)


def ordered_page(
    connection: Connection,
    query: Select[tuple[object, ...]],
    order: Order,
    limit: int,
    start: SortKey | None = None,
    besides: Collection[Entry] = (),
    *,
    size: int = sys.maxsize,
) -> tuple[list[Entry], bool]:
    """Return up to `limit` entries that come after `start` in the order `order`, and True if there are more.

    The entries that `query` finds are merged with the entries in `besides`. Stops after `limit` entries, or earlier, as
    soon as their bodies and corrections have at least `size` bytes together.
    """
    if start is not None:
        key = tuple_(literal(start.at, _t.c.sort_at.type), start.name)
        query = query.where(_sort_key < key if order == "newest" else _sort_key > key)
    columns = (_t.c.sort_at, _t.c.id)
    query = query.order_by(*(column.desc() if order == "newest" else column.asc() for column in columns))
    entries_read, more = _read(connection, query, limit, size)
    if not besides:
        return entries_read, more

    def beyond(entry: Entry, key: SortKey) -> bool:
        return SortKey.of(entry) < key if order == "newest" else SortKey.of(entry) > key

    # If more entries follow, entries of `besides` after the last entry that was read belong to the next page.
    last = SortKey.of(entries_read[-1]) if more and entries_read else None
    others = [
        entry
        for entry in besides
        if (start is None or beyond(entry, start)) and (last is None or not beyond(entry, last))
    ]
    page, more_items = _take_while_fitting(
        sorted([*entries_read, *others], key=SortKey.of, reverse=order == "newest"), limit, size, _text_of
    )
    return page, more or more_items


def _read(connection: Connection, query: Select[tuple[object, ...]], limit: int, size: int) -> tuple[list[Entry], bool]:
    """Return the first entries that a query finds, and True if there are more.

    Stops after `limit` entries, or earlier, as soon as their bodies and corrections have at least `size` bytes
    together.
    """
    if size < sys.maxsize and limit > ASK_FIRST and connection.dialect.name != "sqlite":
        # PostgreSQL would send all rows at once, which the event loop would have to read; SQLite reads only the rows
        # that we take. So we find out first how many rows are needed.
        texts = func.octet_length(_t.c.body) + func.octet_length(cast(_t.c.corrections, Text)) - len("[]")
        sizes = connection.execute(query.with_only_columns(texts).limit(limit)).scalars()
        limit = next((count for count, total in enumerate(accumulate(sizes), 1) if total >= size), limit)
    with connection.execute(query.limit(limit + 1)) as rows:
        return _take_while_fitting(map(entry_from, rows.mappings()), limit, size, _text_of)


def _text_of(entry: Entry) -> str:
    return "".join([entry.body, *(correction.note for correction in entry.corrections)])


def _cursor(entry: Entry) -> str:
    return SortKey.of(entry).cursor()
