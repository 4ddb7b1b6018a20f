"""The times of changes, recorded in the transactions that make them."""

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
"""The age up to which moments are kept: twice the longest delay that a partner may have."""

SWEEP = 64
"""Changes of a live blog after which its old moments are deleted."""

_t = tables.moments
_INSERT = insert(_t)


def record(connection: Connection, liveblog_id: int, seq: int, entry: Entry) -> None:
    """Record that this change has just made a version of an entry."""
    _record(connection, {"liveblog_id": liveblog_id, "seq": seq, "entry_id": entry.id, "version": entry.version})


def record_liveblog(connection: Connection, liveblog_id: int, seq: int, before: Liveblog) -> None:
    """Record that this change was made just now, and the live blog's own fields before it."""
    _record(connection, {"liveblog_id": liveblog_id, "seq": seq, "before": liveblog_document(before)})


def _record(connection: Connection, values: Values) -> None:
    # Not the time of the request: it may have waited for other transactions since.
    at = now()
    connection.execute(_INSERT, {"entry_id": None, "version": None, "before": None, "at": at, **values})
    if values["seq"] % SWEEP == 0:
        connection.execute(delete(_t).where(_t.c.liveblog_id == values["liveblog_id"], _t.c.at < at - KEEP))
