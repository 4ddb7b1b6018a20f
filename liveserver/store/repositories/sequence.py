"""The sequence of a live blog's changes: each takes the next number, its seq, in the transaction that writes it.

A change of the live blog's own fields does the same in `liveblogs.edit`, which writes the whole row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, update

from liveserver.store import tables
from liveserver.store.repositories import liveblogs

if TYPE_CHECKING:
    from sqlalchemy import Connection

_t = tables.liveblogs
# Made once: making a statement takes longer than SQLite needs to execute it.
_TAKE_SEQ = update(_t).where(_t.c.slug == bindparam("blog_slug")).values(seq=_t.c.seq + 1).returning(_t)


def take_seq(connection: Connection, slug: str) -> liveblogs.Found:
    """Take the live blog's next seq, and return the live blog with it. Raises NotFound.

    Other transactions that take one wait until this one ends. So the order of seqs is the order of commits, and a
    transaction that fails leaves no gap.
    """
    return liveblogs.fetch(connection, _TAKE_SEQ, {"blog_slug": slug}, slug)
