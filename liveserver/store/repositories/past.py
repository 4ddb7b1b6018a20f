"""The queries of a live blog's past: the times of its changes, and its state at a past moment.

For an entry that hasn't changed since the moment, the table of entries still has its past state. For an entry that has
changed, we look up the first version made after the moment. The version before this first version is the entry's state
at the requested moment, and the table of revisions has it. The cost is proportional to the number of changes since the
moment.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, func, select, tuple_

from liveserver.domain.change import EntryDeleted, GoneNotice, Position
from liveserver.domain.entry import LEAVING, Entry, EntryStatus
from liveserver.domain.errors import NotFound
from liveserver.store import tables
from liveserver.store.chunks import AT_ONCE, chunks
from liveserver.store.mappers import liveblog_of_document, revision_from
from liveserver.store.repositories import liveblogs

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import Connection

    from liveserver.domain.liveblog import Liveblog


_PAIRS_AT_ONCE = AT_ONCE // 2
"""The greatest number of revisions that one statement looks up: half of AT_ONCE, as each revision needs two values."""

_t = tables.moments
_r = tables.revisions

_FIRST_SINCE = select(func.min(_t.c.seq)).where(_t.c.liveblog_id == bindparam("blog"), _t.c.at > bindparam("moment"))
_SINCE = select(_t).where(_t.c.liveblog_id == bindparam("blog"), _t.c.seq >= bindparam("seq")).order_by(_t.c.seq)


class Past(NamedTuple):
    """The state of a live blog at a past moment: its own fields, and only the entries that have changed since."""

    liveblog: Liveblog
    """The live blog's own fields and its seq, as they were at the requested moment."""
    changed: list[Entry]
    """The entries that were published at the requested moment, have changed since, and haven't been deleted or
    withdrawn since. Each is as it was at that moment."""
    gone: list[tuple[int, GoneNotice]]
    """The entries that were published at the requested moment, and have been deleted or withdrawn since, even if they
    were published again after that. Each is a pair: the seq that the entry had at that moment, and its notice."""
    hidden: list[EntryDeleted]
    """The deletions of the entries that were withdrawn before the requested moment, and published again after it."""


class Pending(NamedTuple):
    """The changes of a live blog since a past moment, and its entries that have been deleted or withdrawn since."""

    position: Position
    """The live blog's present position."""
    changes: list[tuple[int, datetime]]
    """The changes, each as a pair of its seq and the time when it was made; ascending by seq."""
    gone: list[GoneNotice]
    """The entries that were published at the requested moment, and have been deleted or withdrawn since."""


def seq_then(connection: Connection, liveblog_id: int, liveblog: Liveblog, moment: datetime) -> int:
    """Return the seq that the live blog had at a moment. `liveblog`: the live blog as it is now.

    That seq is one less than the seq of the first change after the moment. If there is no such change, it is the
    present seq.
    """
    first: int | None = connection.scalar(_FIRST_SINCE, {"blog": liveblog_id, "moment": moment})
    return liveblog.seq if first is None else first - 1


def past(connection: Connection, liveblog_id: int, liveblog: Liveblog, moment: datetime) -> Past:
    """Return the state of a live blog at a past moment. `liveblog`: the live blog as it is now."""
    seq = seq_then(connection, liveblog_id, liveblog, moment)
    if seq == liveblog.seq:
        return Past(liveblog, [], [], [])
    first_version: dict[str, int] = {}
    seqs: dict[tuple[str, int], int] = {}
    past_liveblog: Liveblog | None = None
    for row in connection.execute(_SINCE, {"blog": liveblog_id, "seq": seq + 1}).mappings():
        if row["entry_id"] is None:
            past_liveblog = past_liveblog or liveblog_of_document(row["before"], liveblog)
        else:
            first_version.setdefault(row["entry_id"], row["version"])
            seqs[row["entry_id"], row["version"]] = row["seq"]
    states = [
        revision.entry
        for chunk in chunks([(entry_id, version - 1) for entry_id, version in first_version.items()], _PAIRS_AT_ONCE)
        for revision in map(
            revision_from,
            connection.execute(select(_r).where(tuple_(_r.c.entry_id, _r.c.version).in_(chunk))).mappings(),
        )
    ]
    # An entry that was a draft or scheduled at the moment wasn't part of what readers saw.
    entries = [entry for entry in states if entry.status is EntryStatus.PUBLISHED]
    hidden = [
        EntryDeleted(entry.seq, entry.id)
        for entry in states
        if entry.status is not EntryStatus.PUBLISHED and entry.seq is not None
    ]
    shown = {entry.id for entry in entries}
    deleted: dict[str, int] = {}
    for chunk in chunks([pair for pair in seqs if pair[0] in shown], _PAIRS_AT_ONCE):
        query = select(_r.c.entry_id, _r.c.version)
        query = query.where(tuple_(_r.c.entry_id, _r.c.version).in_(chunk), _r.c.action.in_(LEAVING))
        for entry_id, version in connection.execute(query):
            deleted[entry_id] = max(deleted.get(entry_id, 0), seqs[entry_id, version])
    return Past(
        replace(past_liveblog or liveblog, seq=seq),
        [entry for entry in entries if entry.id not in deleted],
        [(entry.seq or 0, GoneNotice(entry.id, deleted[entry.id])) for entry in entries if entry.id in deleted],
        hidden,
    )


def pending(connection: Connection, slug: str, moment: datetime) -> Pending:
    """Return the changes of a live blog since a moment, and its entries that have been deleted or withdrawn since.

    The moment is at most an hour ago. Raises NotFound.
    """
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    seq = seq_then(connection, liveblog_id, liveblog, moment)
    rows = connection.execute(_SINCE, {"blog": liveblog_id, "seq": seq + 1}).mappings()
    changes = [(row["seq"], row["at"]) for row in rows]
    gone = past(connection, liveblog_id, liveblog, moment).gone if changes else []
    return Pending(Position(liveblog.epoch, liveblog.seq), changes, [notice for _, notice in gone])


def positions(
    connection: Connection, moments: Collection[tuple[str, datetime]]
) -> dict[tuple[str, datetime], Position]:
    """Return the positions that live blogs had at past moments, by slug and moment.

    `moments`: pairs of a slug and a moment. A slug that no live blog has is left out.
    """
    positions_found: dict[tuple[str, datetime], Position] = {}
    for slug, moment in moments:
        with suppress(NotFound):
            liveblog_id, liveblog = liveblogs.find(connection, slug)
            positions_found[slug, moment] = Position(
                liveblog.epoch, seq_then(connection, liveblog_id, liveblog, moment)
            )
    return positions_found
