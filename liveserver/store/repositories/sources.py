"""Sources: live blogs of other servers that are followed, and the entries that were taken over from them.

What a change of the source does here, and that it was done, is one transaction: nothing is taken over twice, or left
out, whenever the process ends. It begins with the source's row, which says who follows it and up to where it has got;
whoever isn't that any more writes nothing.
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
from liveserver.domain.source import ImportedEntry, Source, SourceState
from liveserver.store import tables
from liveserver.store.repositories import entries, liveblogs

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sqlalchemy import ColumnElement, Connection, RowMapping

    from liveserver.store.repositories.entries import Written

_t = tables.sources
_c = tables.copies
_e = tables.entries
_l = tables.liveblogs

_EVERY = select(_t, _l.c.slug).join(_l, _l.c.id == _t.c.liveblog_id)


class NotHeld(Conflict):
    """Another process follows the source, or it is another source by now, or has got elsewhere: look again."""


class Hold(NamedTuple):
    """Who writes what comes from a source."""

    source_id: str
    holder: str
    """The process."""
    position: Position | None
    """Up to where it knows the source's changes to be in the store."""


class Incoming(NamedTuple):
    """An entry as it is at the source."""

    id: str
    seq: int
    entry: Entry | None
    """As it is to be here, whatever its id, seq and version; None: it isn't to be here (any more)."""
    complete: bool = True


def add(connection: Connection, source: Source) -> Source:
    """Insert a source. Raises NotFound, and Conflict if the live blog has one."""
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
    return source


def find(connection: Connection, slug: str, at: datetime) -> Source:
    """The source of a live blog, waiting if nobody follows it at that moment. Raises NotFound."""
    liveblog_id, _ = liveblogs.find(connection, slug)
    row = connection.execute(_EVERY.where(_t.c.liveblog_id == liveblog_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"{slug} follows no live blog")
    source = _source(row)
    held = row["held_until"] is not None and row["held_until"] > at
    return source if held else replace(source, state=SourceState.WAITING)


def remove(connection: Connection, slug: str) -> None:
    """Forget the source; what was taken over stays. Raises NotFound."""
    liveblog_id, _ = liveblogs.find(connection, slug)
    if not connection.execute(delete(_t).where(_t.c.liveblog_id == liveblog_id)).rowcount:
        raise NotFound(f"{slug} follows no live blog")


def exist(connection: Connection) -> bool:
    """Return whether anything is followed at all."""
    return connection.execute(select(_t.c.id).limit(1)).first() is not None


def hold(connection: Connection, holder: str, at: datetime, lease: timedelta) -> list[Source]:
    """The sources that this process follows from now on for so long: its own, and those that nobody has."""
    free = or_(_t.c.holder.is_(None), _t.c.holder == holder, _t.c.held_until.is_(None), _t.c.held_until <= at)
    connection.execute(update(_t).where(free).values(holder=holder, held_until=at + lease))
    rows = connection.execute(_EVERY.where(_t.c.holder == holder)).mappings()
    return [_source(row) for row in rows]


def release(connection: Connection, holder: str) -> None:
    """Leave the sources of a process to another one."""
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
    """Write down the state of a source; where it isn't held any more, nothing is written."""
    values = {"state": state.value, "error": error, "told": told, "heard_at": heard_at}
    connection.execute(update(_t).where(_is(hold)).values(values))


def take(
    connection: Connection,
    slug: str,
    hold: Hold,
    reached: Position | None,
    given: Incoming,
    *,
    actor: str,
    at: datetime,
) -> Written | None:
    """Do here what was done to an entry there, and move on to `reached` (None: stay); None if that is nothing.

    What the newsroom has deleted here stays so. Raises NotHeld, and Conflict for one pinned entry too many.
    """
    _hold_on(connection, hold, reached)
    liveblog_id, _ = liveblogs.find(connection, slug)
    known = and_(_c.c.liveblog_id == liveblog_id, _c.c.remote_id == given.id)
    row = connection.execute(select(_c).where(known)).mappings().one_or_none()
    new = given.entry
    if row is None or row["gone"]:
        if new is None:
            return None
        new = replace(new, id=new_id())
        written = entries.create(connection, slug, new, actor=actor)
        values = {"entry_id": new.id, "seq": given.seq, "gone": False, "complete": given.complete}
        if row is None:
            connection.execute(insert(_c).values(liveblog_id=liveblog_id, remote_id=given.id, **values))
        else:
            connection.execute(update(_c).where(known).values(values))
        return written
    # Locked: the newsroom may be about to delete it.
    query = select(_e.c.status).where(_e.c.id == row["entry_id"]).with_for_update(key_share=True)
    here = connection.scalar(query) != EntryStatus.DELETED.value
    gone = here and new is None
    connection.execute(update(_c).where(known).values(seq=given.seq, complete=given.complete, gone=gone))
    if not here:
        return None
    if new is None:
        return entries.remove(connection, slug, row["entry_id"], lambda _: None, actor=actor, at=at)
    edited = new
    return entries.edit_as_source(connection, slug, row["entry_id"], lambda old: _put_into(old, edited), actor=actor)


def move(connection: Connection, hold: Hold, reached: Position) -> None:
    """Move on past what does nothing here. Raises NotHeld."""
    _hold_on(connection, hold, reached)


def copies(connection: Connection, slug: str) -> dict[str, ImportedEntry]:
    """The source's entries that are here, by their ids there."""
    liveblog_id, _ = liveblogs.find(connection, slug)
    query = select(_c).join(_e, _e.c.id == _c.c.entry_id)
    query = query.where(_c.c.liveblog_id == liveblog_id, ~_c.c.gone, _e.c.status != EntryStatus.DELETED.value)
    rows = connection.execute(query).mappings()
    return {row["remote_id"]: ImportedEntry(row["entry_id"], row["seq"], row["complete"]) for row in rows}


def _put_into(old: Entry, new: Entry) -> Entry:
    return replace(new, id=old.id, seq=old.seq, version=old.version, created_at=old.created_at)


def _is(hold: Hold) -> ColumnElement[bool]:
    return and_(_t.c.id == hold.source_id, _t.c.holder == hold.holder)


def _hold_on(connection: Connection, hold: Hold, reached: Position | None) -> None:
    """Lock the source's row, and move on. Raises NotHeld."""
    if reached is None:
        held = connection.execute(select(_t.c.id).where(_is(hold)).with_for_update()).first() is not None
    else:
        epoch, seq = hold.position or (None, None)
        there = and_(_is(hold), _t.c.epoch.is_not_distinct_from(epoch), _t.c.seq.is_not_distinct_from(seq))
        query = update(_t).where(there).values(epoch=reached.epoch, seq=reached.seq)
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
