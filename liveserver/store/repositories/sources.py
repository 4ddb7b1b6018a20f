"""The queries of sources (live blogs of other servers that our live blogs follow), and of our copies of entries.

One transaction applies a change of the source to our entries, and records the source's position. So no change is
applied twice or left out, even if the process ends suddenly. The transaction first locks the source's row. This row
names the process that follows the source, and the position up to which the source's changes are in our store. A process
that the row doesn't name any more writes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from liveserver.domain.change import Position
from liveserver.domain.entry import Entry, EntryStatus
from liveserver.domain.errors import Conflict, NotFound
from liveserver.domain.ids import new_id
from liveserver.domain.people.rights import Verb
from liveserver.domain.source import ImportedEntry, Source, SourceState
from liveserver.store import tables
from liveserver.store.repositories import entries, liveblogs
from liveserver.store.repositories.people import acts, permissions
from liveserver.store.repositories.review import removals

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sqlalchemy import ColumnElement, Connection, RowMapping

    from liveserver.domain.people.principal import Principal
    from liveserver.store.repositories.entries import Written

_t = tables.sources
_c = tables.copies
_e = tables.entries
_l = tables.liveblogs

_EVERY = select(_t, _l.c.slug).join(_l, _l.c.id == _t.c.liveblog_id)


class NotHeld(Conflict):
    """The error of a process that doesn't hold the source any more, or whose `Hold` has an outdated position."""


class Hold(NamedTuple):
    """The right of one process to follow a source, which the process may have lost meanwhile."""

    source_id: str
    holder: str
    """The name of the process."""
    position: Position | None
    """The position up to which the source's changes are in the store, as far as the process knows. None before the
    first change."""


class Incoming(NamedTuple):
    """The new state of an entry at the source, which is to be applied to our copy of the entry."""

    id: str
    """The id of the entry at the source."""
    seq: int
    """The seq of the entry at the source."""
    entry: Entry | None
    """The new content of our copy of the entry; the store sets its id, seq and version. None if we may have no copy:
    then an existing copy is deleted."""
    complete: bool = True
    """False if the entry lacks pictures that may still arrive."""


def add(connection: Connection, source: Source, by: Principal) -> Source:
    """Insert the source that a live blog follows, and return it.

    Raises NotFound if there is no such live blog. Raises Conflict if the live blog follows a source already. Raises
    Unauthorized or Forbidden if the principal `by` may not manage the live blog now.
    """
    permissions.confirm(connection, by, Verb.MANAGE, source.slug)
    liveblog_id, _ = liveblogs.find(connection, source.slug)
    values = {
        "liveblog_id": liveblog_id,
        "id": source.id,
        "server": source.server,
        "remote_slug": source.remote_slug,
        "partner": source.partner,
        "name": source.name,
        "url": source.url,
        "state": SourceState.WAITING.value,
        "created_at": source.created_at,
    }
    try:
        connection.execute(insert(_t).values(values))
    except IntegrityError as error:
        raise Conflict(f"{source.slug} follows a live blog already: stop that first") from error
    acts.record(connection, by, "source.added", source.created_at, liveblog=source.slug, server=source.server)
    return source


def find(connection: Connection, slug: str, at: datetime) -> Source:
    """Return the source that a live blog follows. If no process holds it at the moment `at`, its state is `waiting`.

    Raises NotFound if there is no such live blog, or if the live blog follows no source.
    """
    liveblog_id, _ = liveblogs.find(connection, slug)
    row = connection.execute(_EVERY.where(_t.c.liveblog_id == liveblog_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"{slug} follows no live blog")
    source = _source(row)
    held = row["held_until"] is not None and row["held_until"] > at
    return source if held else replace(source, state=SourceState.WAITING)


def remove(connection: Connection, slug: str, by: Principal, at: datetime) -> None:
    """Delete the source of a live blog. The entries that were taken over from the source stay.

    Raises NotFound if there is no such live blog, or if the live blog follows no source. Raises Unauthorized or
    Forbidden if the principal `by` may not manage the live blog now.
    """
    permissions.confirm(connection, by, Verb.MANAGE, slug)
    liveblog_id, _ = liveblogs.find(connection, slug)
    if not connection.execute(delete(_t).where(_t.c.liveblog_id == liveblog_id)).rowcount:
        raise NotFound(f"{slug} follows no live blog")
    acts.record(connection, by, "source.removed", at, liveblog=slug)


def exist(connection: Connection) -> bool:
    """Return True if any live blog follows a source."""
    return connection.execute(select(_t.c.id).limit(1)).first() is not None


def hold(connection: Connection, holder: str, at: datetime, lease: timedelta) -> list[Source]:
    """Let the process `holder` hold its present sources and all free sources until `at` plus `lease`.

    A source is free if no process holds it at the time `at`. Returns all sources that `holder` holds now.
    """
    free = or_(_t.c.holder.is_(None), _t.c.holder == holder, _t.c.held_until.is_(None), _t.c.held_until <= at)
    connection.execute(update(_t).where(free).values(holder=holder, held_until=at + lease))
    rows = connection.execute(_EVERY.where(_t.c.holder == holder)).mappings()
    return [_source(row) for row in rows]


def release(connection: Connection, holder: str) -> None:
    """Free all sources that the process `holder` holds, so that another process can hold them."""
    connection.execute(update(_t).where(_t.c.holder == holder).values(holder=None, held_until=None))


def note(
    connection: Connection,
    hold: Hold,
    state: SourceState,
    *,
    error: str | None,
    told: int | None,
    heard_at: datetime | None,
) -> None:
    """Record the state of a source, its last error, its last known seq, and the time when it last sent anything.

    Writes nothing if the process in `hold` doesn't hold the source any more.
    """
    values = {"state": state.value, "error": error, "told": told, "heard_at": heard_at}
    connection.execute(update(_t).where(_is(hold)).values(values))


def take(
    connection: Connection,
    slug: str,
    hold: Hold,
    reached: Position | None,
    incoming: Incoming,
    *,
    by: Principal,
    at: datetime,
) -> Written | None:
    """Apply a source's change of an entry to our copy of the entry: create, edit or delete the copy.

    Records `reached` as the position up to which the source's changes are in our store (None: the recorded position
    stays). Returns the result of the write; None if no entry of ours is written. A copy that our newsroom has deleted
    or withdrawn stays as it is. Raises NotHeld if the process doesn't hold the source any more. With
    `reached`, also raises NotHeld if the recorded position isn't the position in `hold`. Raises Conflict if an eleventh
    entry would be pinned.
    """
    _hold_on(connection, hold, reached)
    liveblog_id, _ = liveblogs.find(connection, slug)
    of_entry = and_(_c.c.liveblog_id == liveblog_id, _c.c.remote_id == incoming.id)
    row = connection.execute(select(_c).where(of_entry)).mappings().one_or_none()
    new = incoming.entry
    if row is None or row["gone"]:
        if new is None:
            return None
        new = replace(new, id=new_id())
        written = entries.create(connection, slug, new, by=by)
        values = {"entry_id": new.id, "seq": incoming.seq, "gone": False, "complete": incoming.complete}
        if row is None:
            connection.execute(insert(_c).values(liveblog_id=liveblog_id, remote_id=incoming.id, **values))
        else:
            connection.execute(update(_c).where(of_entry).values(values))
        return written
    # Our entry's row is locked: the newsroom may be deleting the entry at this moment.
    query = select(_e.c.status).where(_e.c.id == row["entry_id"]).with_for_update(key_share=True)
    exists = connection.scalar(query) == EntryStatus.PUBLISHED.value
    gone = exists and new is None
    connection.execute(update(_c).where(of_entry).values(seq=incoming.seq, complete=incoming.complete, gone=gone))
    if not exists:
        return None
    if new is None:
        return removals.remove(connection, slug, row["entry_id"], lambda _: None, by=by, at=at)
    edited = new
    return entries.edit_as_source(connection, slug, row["entry_id"], lambda old: _put_into(old, edited), by=by)


def move(connection: Connection, hold: Hold, reached: Position) -> None:
    """Record a new position of the source without writing an entry, for changes that our copies don't need.

    All changes up to `reached` count as being in our store. Raises NotHeld as `take` does.
    """
    _hold_on(connection, hold, reached)


def copies(connection: Connection, slug: str) -> dict[str, ImportedEntry]:
    """Return our entries that were copied from the source and are published, by their ids at the source."""
    liveblog_id, _ = liveblogs.find(connection, slug)
    query = select(_c).join(_e, _e.c.id == _c.c.entry_id)
    query = query.where(_c.c.liveblog_id == liveblog_id, ~_c.c.gone, _e.c.status == EntryStatus.PUBLISHED.value)
    rows = connection.execute(query).mappings()
    return {row["remote_id"]: ImportedEntry(row["entry_id"], row["seq"], row["complete"]) for row in rows}


def _put_into(old: Entry, new: Entry) -> Entry:
    return replace(new, id=old.id, seq=old.seq, version=old.version, created_at=old.created_at, review=old.review)


def _is(hold: Hold) -> ColumnElement[bool]:
    return and_(_t.c.id == hold.source_id, _t.c.holder == hold.holder)


def _hold_on(connection: Connection, hold: Hold, reached: Position | None) -> None:
    """Lock the source's row, and record `reached` as the source's position (None: the recorded position stays).

    Raises NotHeld if the process doesn't hold the source any more. With `reached`, also raises NotHeld if the recorded
    position isn't the position in `hold`.
    """
    if reached is None:
        held = connection.execute(select(_t.c.id).where(_is(hold)).with_for_update()).first() is not None
    else:
        epoch, seq = hold.position or (None, None)
        unmoved = and_(_is(hold), _t.c.epoch.is_not_distinct_from(epoch), _t.c.seq.is_not_distinct_from(seq))
        query = update(_t).where(unmoved).values(epoch=reached.epoch, seq=reached.seq)
        held = connection.execute(query).rowcount == 1
    if not held:
        raise NotHeld("another process follows the source, or has got elsewhere")


def _source(row: RowMapping) -> Source:
    return Source(
        id=row["id"],
        slug=row["slug"],
        server=row["server"],
        remote_slug=row["remote_slug"],
        partner=row["partner"],
        name=row["name"],
        url=row["url"],
        position=None if row["epoch"] is None else Position(row["epoch"], row["seq"]),
        state=SourceState(row["state"]),
        error=row["error"],
        told=row["told"],
        heard_at=row["heard_at"],
        created_at=row["created_at"],
    )
