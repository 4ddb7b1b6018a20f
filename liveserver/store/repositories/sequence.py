"""The numbering of a live blog's changes. Each change takes the next seq in the transaction that writes the change.

This module is for changes of entries. `liveblogs.edit` numbers changes of the live blog's own fields in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, update

from liveserver.store import tables
from liveserver.store.repositories import liveblogs

if TYPE_CHECKING:
    from sqlalchemy import Connection

_t = tables.liveblogs
# These statements are made once: making one takes longer than SQLite needs to execute it.
_TAKE_SEQ = (
    update(_t).where(_t.c.slug == bindparam("blog_slug")).values(seq=_t.c.seq + 1, work=_t.c.work + 1).returning(_t)
)
_NOTE_WORK = update(_t).where(_t.c.slug == bindparam("blog_slug")).values(work=_t.c.work + 1).returning(_t)


def take_seq(connection: Connection, slug: str) -> liveblogs.Found:
    """Increase the live blog's seq by 1, for a change. Returns the live blog with the new seq, and its internal id.

    Another transaction that wants to take a seq of the live blog waits until this transaction ends. So the order of
    seqs is the order of commits, and a transaction that fails leaves no gap. Raises NotFound.
    """
    return liveblogs.fetch(connection, _TAKE_SEQ, {"blog_slug": slug}, slug)


def note_work(connection: Connection, slug: str) -> liveblogs.Found:
    """Increase the live blog's count of writes (`work`) by 1, for a write that readers don't see.

    Returns the live blog, whose row is then locked, and its internal id. The entity tag of the board contains the
    count. Raises NotFound.
    """
    return liveblogs.fetch(connection, _NOTE_WORK, {"blog_slug": slug}, slug)
