"""Noting when each change is made, in the transaction that makes it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert

from liveserver.domain.ids import now
from liveserver.domain.partner import DELAY_MAX
from liveserver.store import tables
from liveserver.store.mappers import liveblog_document

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog
    from liveserver.store.mappers import Values

KEEP = timedelta(seconds=2 * DELAY_MAX)
"""For how long the moments are kept: nobody is later than half of it."""

SWEEP = 64
"""With every so many changes, the moments that are too old are forgotten."""

_t = tables.moments
_INSERT = insert(_t)


def record(connection: Connection, liveblog_id: int, seq: int, entry: Entry) -> None:
    """Note that an entry's version was made by this change, just now."""
    _record(connection, {"liveblog_id": liveblog_id, "seq": seq, "entry_id": entry.id, "version": entry.version})


def record_liveblog(connection: Connection, liveblog_id: int, seq: int, before: Liveblog) -> None:
    """Note what the live blog's own fields were before this change, made just now."""
    _record(connection, {"liveblog_id": liveblog_id, "seq": seq, "before": liveblog_document(before)})


def _record(connection: Connection, values: Values) -> None:
    # Not when it was asked for: it may have waited for others since.
    at = now()
    connection.execute(_INSERT, {"entry_id": None, "version": None, "before": None, "at": at, **values})
    if values["seq"] % SWEEP == 0:
        connection.execute(delete(_t).where(_t.c.liveblog_id == values["liveblog_id"], _t.c.at < at - KEEP))
