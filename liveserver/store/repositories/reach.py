"""The queries of reach: views and watch time by live blog, partner and hour. Nothing is stored of any single viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import case, select
from sqlalchemy.dialects import postgresql, sqlite

from liveserver.domain.audience import ReachHour
from liveserver.store import tables
from liveserver.store.repositories import liveblogs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

_t = tables.reach


def add(connection: Connection, counts: Sequence[tuple[str, ReachHour]]) -> None:
    """Add a node's counts to the stored counts. `counts`: pairs of a live blog's slug, and its counts in an hour.

    The peak isn't added: the higher one of the node's peak and the stored peak is stored. A pair whose slug no live
    blog has is skipped.
    """
    blogs = tables.liveblogs
    query = select(blogs.c.slug, blogs.c.id).where(blogs.c.slug.in_({slug for slug, _ in counts}))
    ids: dict[str, int] = {row.slug: row.id for row in connection.execute(query)}
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    # Sorted, since two processes that write the same rows in different orders could wait for each other (deadlock).
    rows = sorted((ids[slug], hour) for slug, hour in counts if slug in ids)
    for liveblog_id, hour in rows:
        statement = dialect.insert(_t).values(liveblog_id=liveblog_id, **hour._asdict())
        new = statement.excluded
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[_t.c.liveblog_id, _t.c.partner, _t.c.hour],
                set_={
                    "views": _t.c.views + new.views,
                    "seconds": _t.c.seconds + new.seconds,
                    "peak": case((new.peak > _t.c.peak, new.peak), else_=_t.c.peak),
                },
            )
        )


def find(
    connection: Connection, slug: str, since: datetime, until: datetime, *, partner: str | None = None
) -> list[ReachHour]:
    """Return the reach of a live blog by the hour, ordered by partner, then by hour. Raises NotFound.

    Returns the hours that begin at `since` or later, and before `until`. `partner`: only the hours of this partner
    (None: of all partners).
    """
    liveblog_id, _ = liveblogs.find(connection, slug)
    query = select(_t).where(_t.c.liveblog_id == liveblog_id, _t.c.hour >= since, _t.c.hour < until)
    if partner is not None:
        if "\x00" in partner:
            # PostgreSQL has no text with a NUL.
            return []
        query = query.where(_t.c.partner == partner)
    rows = connection.execute(query.order_by(_t.c.partner, _t.c.hour)).mappings()
    return [ReachHour(**{name: row[name] for name in ReachHour._fields}) for row in rows]
