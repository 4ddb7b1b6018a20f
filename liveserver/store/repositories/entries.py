"""Writing entries. Each function runs within a transaction, and takes a seq if readers see the change.

Locks are always taken in the order idempotency key, entry, live blog.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from sqlalchemy import Text, bindparam, cast, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from liveserver.domain.change import Change, EntryChanged, EntryDeleted
from liveserver.domain.entry import Entry, EntryStatus, Revision
from liveserver.domain.errors import Conflict, Gone, KeyReused, NeverSeen, NotFound, check_history
from liveserver.domain.ids import ID_PATTERN
from liveserver.store import tables
from liveserver.store.cursors import SortKey, bad_cursor
from liveserver.store.mappers import entry_document, entry_from, entry_values, revision_from
from liveserver.store.repositories import api_keys, change_times, liveblogs
from liveserver.store.repositories.sequence import take_seq

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection

    from liveserver.domain.errors import LiveserverError
    from liveserver.domain.liveblog import Liveblog

_t = tables.entries

# These statements are made once, for the reason given in liveblogs.
_FIND = select(_t).where(_t.c.id == bindparam("entry_id"), _t.c.liveblog_id == bindparam("blog_id"))
_FIND_LOCKED = _FIND.with_for_update(key_share=True)
_INSERT = insert(_t)
_UPDATE = update(_t).where(_t.c.id == bindparam("entry_id"))
REVISIONS_CHARS = 1_000_000
"""Characters of JSON that a page of an entry's states may have; its first state may be longer."""
VERSION_MAX = 999_999_999
"""The greatest version that a cursor may name: no entry is edited so often."""
_INSERT_REVISION = insert(tables.revisions)
_FOLLOWS = select(tables.sources.c.id).where(tables.sources.c.liveblog_id == bindparam("blog_id"))

PINNED_MAX = 10
"""Pinned entries of a live blog: all of them are shown at the top of the page, whatever their age."""

_ID = re.compile(ID_PATTERN, re.ASCII)


class Idempotency(NamedTuple):
    """The idempotency key that came with a request of an API key, and a hash that identifies the request."""

    key_id: str
    key: str
    request_hash: str


class Written(NamedTuple):
    """The result of writing an entry."""

    liveblog: Liveblog
    """The live blog as of the change, with its seq."""
    entry: Entry
    change: Change | None
    """The change that readers see; None for drafts and scheduled entries, and if nothing was written."""
    replayed: bool
    """True if an earlier request with the same idempotency key had made the entry."""


def find(connection: Connection, liveblog_id: int, entry_id: str, *, lock: bool = False) -> Entry:
    """Return an entry that isn't deleted, locked until the transaction ends if `lock`.

    Raises NotFound, Gone if it was deleted, and NeverSeen if it was deleted before readers saw it.
    """
    entry = _find(connection, liveblog_id, entry_id, lock=lock)
    if entry.status is EntryStatus.DELETED:
        # An entry that readers never saw never took a seq.
        raise (NeverSeen if entry.seq is None else Gone)(f"entry {entry_id} was deleted")
    return entry


def find_in(connection: Connection, slug: str, entry_id: str) -> tuple[Liveblog, Entry]:
    """Return the live blog and the entry. Raises NotFound, Gone, NeverSeen as `find` does."""
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    return liveblog, find(connection, liveblog_id, entry_id)


def _find(connection: Connection, liveblog_id: int, entry_id: str, *, lock: bool = False) -> Entry:
    if _ID.fullmatch(entry_id):
        values = {"entry_id": entry_id, "blog_id": liveblog_id}
        row = connection.execute(_FIND_LOCKED if lock else _FIND, values).mappings().one_or_none()
        if row is not None:
            return entry_from(row)
    raise NotFound(f"there is no entry {entry_id!r}")


def create(
    connection: Connection,
    slug: str,
    entry: Entry,
    *,
    actor: str,
    key_id: str | None = None,
    idempotency: Idempotency | None = None,
    refusal: LiveserverError | None = None,
) -> Written:
    """Insert the entry, or raise `refusal`; if the idempotency key has made an entry already, return that one."""
    if key_id is not None:
        api_keys.confirm(connection, key_id, slug)
    if idempotency is not None and not _claim(connection, idempotency, entry):
        return _replay(connection, slug, idempotency)
    if refusal is not None:
        liveblogs.find(connection, slug)
        raise refusal
    if entry.status is EntryStatus.DELETED:
        raise Conflict("an entry can't begin as deleted")
    published = entry.status is EntryStatus.PUBLISHED
    liveblog_id, liveblog = take_seq(connection, slug) if published else liveblogs.find(connection, slug)
    entry = replace(entry, version=1, seq=liveblog.seq if published else None)
    change: Change | None = None
    if published:
        _check_pinned(connection, liveblog_id, entry)
        change = EntryChanged(liveblog.seq, entry)
        change_times.record(connection, liveblog_id, liveblog.seq, entry)
    connection.execute(_INSERT, {"liveblog_id": liveblog_id, **entry_values(entry)})
    _record(connection, entry, actor=actor, action="created" if change is None else "published")
    return Written(liveblog, entry, change, replayed=False)


def edit(
    connection: Connection,
    slug: str,
    entry_id: str,
    change: Callable[[Entry], Entry],
    *,
    actor: str,
    key_id: str | None = None,
    epoch: str | None = None,
) -> Written:
    """Replace the entry by the result of `change`; an equal result writes nothing.

    Raises Conflict for an entry that was taken over from a source that is still followed: only the source edits it.
    With `key_id`, raises Unauthorized and Forbidden as `create` does.
    """
    if key_id is not None:
        api_keys.confirm(connection, key_id, slug)
    return _edit(connection, slug, entry_id, change, actor=actor, epoch=epoch, as_source=False)


def edit_as_source(
    connection: Connection, slug: str, entry_id: str, change: Callable[[Entry], Entry], *, actor: str
) -> Written:
    """Replace the entry by the result of `change`, as its source has edited it; an equal result writes nothing."""
    return _edit(connection, slug, entry_id, change, actor=actor, epoch=None, as_source=True)


def _edit(
    connection: Connection,
    slug: str,
    entry_id: str,
    change: Callable[[Entry], Entry],
    *,
    actor: str,
    epoch: str | None,
    as_source: bool,
) -> Written:
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    old = find(connection, liveblog_id, entry_id, lock=True)
    check_history(old, epoch, liveblog.epoch)
    if old.via is not None and not as_source and connection.execute(_FOLLOWS, {"blog_id": liveblog_id}).first():
        raise Conflict(f"the entry is {old.via.name}'s and is edited there: delete it to hide it, or stop following")
    new = replace(change(old), id=old.id, seq=old.seq, version=old.version, created_at=old.created_at)
    if new == old:
        return Written(liveblog, old, None, replayed=False)
    if new.status is EntryStatus.DELETED or (
        old.status is EntryStatus.PUBLISHED and new.status is not EntryStatus.PUBLISHED
    ):
        raise Conflict(f"a {old.status} entry can't become {new.status}")
    new = replace(new, version=old.version + 1)
    visible: Change | None = None
    if new.status is EntryStatus.PUBLISHED:
        liveblog = take_seq(connection, slug).liveblog
        new = replace(new, seq=liveblog.seq)
        _check_pinned(connection, liveblog_id, new)
        visible = EntryChanged(liveblog.seq, new)
        change_times.record(connection, liveblog_id, liveblog.seq, new)
    _update(connection, new)
    published_now = visible is not None and old.status is not EntryStatus.PUBLISHED
    _record(connection, new, actor=actor, action="published" if published_now else "edited")
    return Written(liveblog, new, visible, replayed=False)


def remove(
    connection: Connection,
    slug: str,
    entry_id: str,
    check: Callable[[Entry], None],
    *,
    actor: str,
    at: datetime,
    epoch: str | None = None,
) -> Written:
    """Replace the entry by a tombstone: its id, seq and times, without its content."""
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    old = find(connection, liveblog_id, entry_id, lock=True)
    check_history(old, epoch, liveblog.epoch)
    check(old)
    new = Entry(
        id=old.id,
        seq=old.seq,
        version=old.version + 1,
        status=EntryStatus.DELETED,
        heading=None,
        body="",
        authors=(),
        key_event=False,
        breaking=False,
        pinned=False,
        tags=(),
        verification=None,
        source=None,
        corrections=(),
        publish_at=None,
        published_at=old.published_at,
        created_at=old.created_at,
        updated_at=at,
    )
    change: Change | None = None
    if old.status is EntryStatus.PUBLISHED:
        liveblog = take_seq(connection, slug).liveblog
        new = replace(new, seq=liveblog.seq)
        change = EntryDeleted(liveblog.seq, new.id)
        change_times.record(connection, liveblog_id, liveblog.seq, new)
    _update(connection, new)
    _record(connection, new, actor=actor, action="deleted")
    return Written(liveblog, new, change, replayed=False)


def revisions(
    connection: Connection, slug: str, entry_id: str, *, limit: int = 100, cursor: str | None = None
) -> tuple[list[Revision], str | None]:
    """Return a page of an entry's revisions, oldest first, and the next cursor (None: no more). It may be deleted."""
    start = 0 if cursor is None else _version_of(cursor)
    liveblog_id, _ = liveblogs.find(connection, slug)
    _find(connection, liveblog_id, entry_id)
    t = tables.revisions
    of_entry = t.c.entry_id == entry_id
    # An entry may have hundreds, each with the longest body that is accepted: find out first how many fit on a page.
    sizes = select(t.c.version, func.length(cast(t.c.entry, Text))).where(of_entry, t.c.version > start)
    versions: list[int] = []
    size, more = 0, False
    for version, length in connection.execute(sizes.order_by(t.c.version).limit(limit + 1)):
        size += length
        if versions and (len(versions) == limit or size > REVISIONS_CHARS):
            more = True
            break
        versions.append(version)
    last = versions[-1] if versions else start
    query = select(t).where(of_entry, t.c.version > start, t.c.version <= last).order_by(t.c.version)
    page = [revision_from(row) for row in connection.execute(query).mappings()]
    return page, SortKey(page[-1].at, str(last)).cursor() if more else None


def _version_of(cursor: str) -> int:
    name = SortKey.parse(cursor).name
    if not name.isdecimal() or len(name) > len(str(VERSION_MAX)):
        raise bad_cursor()
    return int(name)


def forget_idempotency(connection: Connection, before: datetime) -> int:
    """Delete the idempotency keys that were first used before a moment; return their number."""
    t = tables.idempotency
    return connection.execute(delete(t).where(t.c.created_at < before)).rowcount


def _check_pinned(connection: Connection, liveblog_id: int, entry: Entry) -> None:
    """Raise Conflict for one pinned entry too many. The live blog's row is locked, so none is pinned meanwhile."""
    if not entry.pinned:
        return
    others = select(func.count()).where(
        _t.c.liveblog_id == liveblog_id,
        _t.c.status == EntryStatus.PUBLISHED.value,
        _t.c.pinned,
        _t.c.id != entry.id,
    )
    if connection.execute(others).scalar_one() >= PINNED_MAX:
        raise Conflict(f"at most {PINNED_MAX} entries can be pinned at a time: unpin one first")


def _update(connection: Connection, entry: Entry) -> None:
    connection.execute(_UPDATE, {"entry_id": entry.id, **entry_values(entry)})


def _record(
    connection: Connection,
    entry: Entry,
    *,
    actor: str,
    action: Literal["created", "edited", "published", "deleted"],
) -> None:
    revision = {
        "entry_id": entry.id,
        "version": entry.version,
        "at": entry.updated_at,
        "actor": actor,
        "action": action,
        "entry": entry_document(entry),
    }
    connection.execute(_INSERT_REVISION, revision)


def _claim(connection: Connection, idempotency: Idempotency, entry: Entry) -> bool:
    """True for the first request with a key. A concurrent one waits here until the first has committed or failed."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    query = dialect.insert(tables.idempotency).values(
        api_key_id=idempotency.key_id,
        key=idempotency.key,
        request_hash=idempotency.request_hash,
        entry_id=entry.id,
        created_at=entry.created_at,
    )
    return connection.execute(query.on_conflict_do_nothing()).rowcount == 1


def _replay(connection: Connection, slug: str, idempotency: Idempotency) -> Written:
    t = tables.idempotency
    query = select(t.c.request_hash, _t).where(
        t.c.api_key_id == idempotency.key_id, t.c.key == idempotency.key, _t.c.id == t.c.entry_id
    )
    row = connection.execute(query).mappings().one()
    liveblog = liveblogs.find_by_id(connection, row["liveblog_id"])
    if row["request_hash"] != idempotency.request_hash or liveblog.slug != slug:
        raise KeyReused
    entry = entry_from(row)
    if entry.status is EntryStatus.DELETED:
        raise Gone(f"entry {entry.id} was deleted")
    return Written(liveblog, entry, None, replayed=True)
