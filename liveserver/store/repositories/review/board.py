"""The queries of the board: all entries of a live blog that aren't deleted, for those who work on it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import LargeBinary, Text, cast, func, literal, or_, select, tuple_

from liveserver.domain.entry import EntryStatus
from liveserver.store import tables
from liveserver.store.cursors import SortKey
from liveserver.store.repositories import liveblogs
from liveserver.store.repositories.entry_queries import PAGE_BYTES, ordered_page
from liveserver.store.repositories.review import notes

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Column, ColumnElement, Connection, Select

    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog

ON_BOARD = tuple(status for status in EntryStatus if status is not EntryStatus.DELETED)
"""The states of the entries that the board shows."""

SEARCHED_MAX = 2_000
"""The greatest number of entries that a search for a text reads. Without this bound, the cost of a search would grow
with the live blog."""
SEARCHED_BYTES = 20 * 1024 * 1024
"""The greatest size, in bytes, of the bodies that a search for a text reads. SEARCHED_MAX entries may be far longer.
The other fields that are searched are short."""

_t = tables.entries
_b = tables.liveblogs


class BoardFilter(NamedTuple):
    """The choice of the entries that a page of the board has."""

    statuses: Collection[EntryStatus] = ON_BOARD
    text: str | None = None
    """A text that an entry has in its heading, body, authors or tags, in capital or small letters; None: any entry."""
    created_by: str | None = None
    """The principal (`Principal.ref`) that created the entries; None: any."""


class BoardPage(NamedTuple):
    """A page of the board."""

    liveblog: Liveblog
    state: str
    """The tag of the board, as `liveblogs.board_tag` returns it."""
    items: list[Entry]
    """Entries, newest first. An entry is ordered by its time of publication; if it has none, by its due time; if it has
    neither, by its time of creation."""
    notes: dict[str, int]
    """The number of notes on each of these entries, by entry id. An entry without notes is left out."""
    counts: dict[EntryStatus, int]
    """The number of entries on the whole board, by state. The filter doesn't change it."""
    next_cursor: str | None


def page(connection: Connection, slug: str, which: BoardFilter, *, limit: int, cursor: str | None = None) -> BoardPage:
    """Return a page of the board. Raises NotFound. Raises InvalidInput for a bad cursor.

    If the filter has a text, only SEARCHED_MAX entries, or SEARCHED_BYTES of bodies, are searched for it: the newest
    ones that match the filter's other fields.
    """
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    query = select(_t).where(
        _t.c.liveblog_id == liveblog_id, _t.c.status.in_([status.value for status in which.statuses])
    )
    if which.created_by is not None:
        query = query.where(_t.c.created_by == which.created_by)
    if which.text is not None:
        oldest = _oldest_searched(connection, query)
        if oldest is not None:
            key = tuple_(literal(oldest.at, _t.c.sort_at.type), oldest.name)
            query = query.where(tuple_(_t.c.sort_at, _t.c.id) >= key)
        query = query.where(_has(connection, which.text))
    start = None if cursor is None else SortKey.parse(cursor)
    items, more = ordered_page(connection, query, "newest", limit, start, size=PAGE_BYTES)
    by_status = select(_t.c.status, func.count()).where(_t.c.liveblog_id == liveblog_id).group_by(_t.c.status)
    counts = {EntryStatus(name): count for name, count in connection.execute(by_status)}
    return BoardPage(
        liveblog,
        liveblogs.board_tag(connection, slug),
        items,
        notes.counts(connection, [entry.id for entry in items]),
        {status: counts.get(status, 0) for status in ON_BOARD},
        SortKey.of(items[-1]).cursor() if more else None,
    )


def _oldest_searched(connection: Connection, query: Select[tuple[object, ...]]) -> SortKey | None:
    """Return the key of the last entry that a search reads: the oldest one. None if the query finds no entries."""
    body = cast(_t.c.body, LargeBinary) if connection.dialect.name == "sqlite" else _t.c.body
    size = func.length(body) if connection.dialect.name == "sqlite" else func.octet_length(body)
    newest = query.with_only_columns(_t.c.sort_at, _t.c.id, size).order_by(_t.c.sort_at.desc(), _t.c.id.desc())
    oldest, left = None, SEARCHED_BYTES
    for at, entry_id, length in connection.execute(newest.limit(SEARCHED_MAX)):
        left -= length
        if left < 0 and oldest is not None:
            break
        oldest = SortKey(at, entry_id)
    return oldest


def _has(connection: Connection, text: str) -> ColumnElement[bool]:
    """Return the condition that an entry has a text (see `BoardFilter.text`).

    In the body, the escaped text is looked for, as HTML has `&`, `<` and `>` only in escaped form.
    """
    return or_(
        _contains(connection, _t.c.heading, text),
        _contains(connection, _t.c.body, escape(text, quote=False)),
        _in_list(connection, _t.c.authors, text),
        _in_list(connection, _t.c.tags, text),
    )


def _contains(connection: Connection, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    # LIKE compares character by character in both databases: with a text that nearly matches everywhere, it takes up to
    # a hundred times as long.
    place = func.instr if connection.dialect.name == "sqlite" else func.strpos
    return place(func.lower(column), func.lower(text, type_=Text)) > 0


def _in_list(connection: Connection, column: Column[object], text: str) -> ColumnElement[bool]:
    function = func.json_each if connection.dialect.name == "sqlite" else func.jsonb_array_elements_text
    element = function(column).table_valued("value")
    return select(element.c.value).where(_contains(connection, element.c.value, text)).exists()
