"""The recording of the times of changes. A change's time is recorded in the transaction that makes the change."""

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
"""The age up to which rows of the table `moments` are kept: twice the longest delay that a partner may have."""

SWEEP = 64
"""At every 64th change of a live blog, its older rows of the table `moments` are deleted."""

_t = tables.moments
_INSERT = insert(_t)


def record(connection: Connection, liveblog_id: int, seq: int, entry: Entry) -> None:
    """Record that the change with this seq is made now, and that it makes this version of the entry."""
    _record(connection, {"liveblog_id": liveblog_id, "seq": seq, "entry_id": entry.id, "version": entry.version})


def record_liveblog(connection: Connection, liveblog_id: int, seq: int, before: Liveblog) -> None:
    """Record that the change with this seq is made now, and that `before` has the live blog's own fields before it."""
    _record(connection, {"liveblog_id": liveblog_id, "seq": seq, "before": liveblog_document(before)})


def _record(connection: Connection, values: Values) -> None:
    # Not the time of the request: the request may have waited for other transactions since then.
    at = now()
    connection.execute(_INSERT, {"entry_id": None, "version": None, "before": None, "at": at, **values})
    if values["seq"] % SWEEP == 0:
        connection.execute(delete(_t).where(_t.c.liveblog_id == values["liveblog_id"], _t.c.at < at - KEEP))
