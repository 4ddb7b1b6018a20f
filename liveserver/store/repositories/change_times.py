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
"""The age after which rows of the table `moments` may be deleted: twice the longest delay that a partner may have."""

SWEEP = 64
"""The number of a live blog's changes between two clean-ups of its rows in the table `moments`. A clean-up deletes the
rows that are older than KEEP."""

_t = tables.moments
_INSERT = insert(_t)


def record(connection: Connection, liveblog_id: int, seq: int, entry: Entry) -> None:
    """Record the present time as the time of an entry's change, with the change's seq and the entry's new version."""
    _record(connection, {"liveblog_id": liveblog_id, "seq": seq, "entry_id": entry.id, "version": entry.version})


def record_liveblog(connection: Connection, liveblog_id: int, seq: int, before: Liveblog) -> None:
    """Record the time of a change of the live blog's own fields: now. `before`: the live blog before the change."""
    _record(connection, {"liveblog_id": liveblog_id, "seq": seq, "before": liveblog_document(before)})


def _record(connection: Connection, values: Values) -> None:
    # Not the time of the request: the request may have waited for other transactions since then.
    at = now()
    connection.execute(_INSERT, {"entry_id": None, "version": None, "before": None, "at": at, **values})
    if values["seq"] % SWEEP == 0:
        connection.execute(delete(_t).where(_t.c.liveblog_id == values["liveblog_id"], _t.c.at < at - KEEP))
