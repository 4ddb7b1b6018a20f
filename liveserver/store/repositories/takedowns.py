"""The queries of takedowns. A takedown counts the viewers that confirm that a deleted entry is gone."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from liveserver.domain.audience import ConfirmationCounts, Takedown
from liveserver.domain.errors import NotFound
from liveserver.store import tables
from liveserver.store.repositories import liveblogs

if TYPE_CHECKING:
    from sqlalchemy import Connection

_t = tables.takedowns
_e = tables.entries


def keep(connection: Connection, takedown: Takedown) -> None:
    """Insert a takedown, or replace the entry's earlier one.

    An entry that was withdrawn may be published and taken down again. Its last takedown counts.
    """
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    counts = {partner: asdict(counts) for partner, counts in takedown.by_partner.items()}
    query = dialect.insert(_t).values(
        entry_id=takedown.entry_id,
        seq=takedown.seq,
        at=takedown.at,
        ended_at=takedown.ended_at,
        by_partner=counts,
    )
    new = query.excluded
    connection.execute(
        query.on_conflict_do_update(
            index_elements=[_t.c.entry_id],
            set_={"seq": new.seq, "at": new.at, "ended_at": new.ended_at, "by_partner": new.by_partner},
            where=_t.c.seq <= new.seq,
        )
    )


def find(connection: Connection, slug: str, entry_id: str) -> Takedown:
    """Return the takedown of an entry.

    Raises NotFound if there is no such live blog, or if the live blog has no such entry with a takedown.
    """
    liveblog_id, _ = liveblogs.find(connection, slug)
    row = None
    if "\x00" not in entry_id:
        query = select(_t).join(_e, _e.c.id == _t.c.entry_id)
        query = query.where(_t.c.entry_id == entry_id, _e.c.liveblog_id == liveblog_id)
        row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"no viewer was asked to confirm that {entry_id!r} is gone")
    return Takedown(
        entry_id=row["entry_id"],
        seq=row["seq"],
        at=row["at"],
        ended_at=row["ended_at"],
        by_partner={partner: ConfirmationCounts(**counts) for partner, counts in row["by_partner"].items()},
    )
