"""How a restore keeps erased what was erased after the backup was made.

The audit log of the database tells which entries were erased. Their content in the backup isn't inserted at all, not
even for a moment: the database would keep it in freed places or in its log. Then each of these entries is erased as if
somebody had asked for it, so that readers and the audit log learn of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from liveserver.domain.ids import now
from liveserver.domain.people.principal import COMMAND
from liveserver.store import tables
from liveserver.store.repositories import idempotency
from liveserver.store.repositories.review import removals

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from liveserver.store.backup.archive import Row

_acts, _entries, _blogs, _revisions = tables.acts, tables.entries, tables.liveblogs, tables.revisions


class Erased(NamedTuple):
    """An entry that a restore erased again: the slug of its live blog, and its id."""

    slug: str
    entry_id: str


class Erasures:
    """The erasures of a database, during one restore of a backup into it."""

    def __init__(self, connection: Connection) -> None:
        """Note the entries that were erased in the database."""
        query = select(_acts.c.entry_id).where(_acts.c.action == "entry.erased").distinct()
        self._ids = frozenset(connection.scalars(query))

    def row(self, name: str, row: Row) -> Row | None:
        """Return the row to insert into the table `name`; None for no row. `row`: a row of this table in the backup.

        Only rows of entries that were erased in the database are changed or left out: these lose their content.
        """
        if name == "entries" and row["id"] in self._ids:
            return {**row, **removals.CONTENT}
        if name == "revisions" and row["entry_id"] in self._ids:
            return {**row, "entry": {**row["entry"], **removals.CONTENT}}
        if name == "idempotency" and row["target_id"] in self._ids:
            return {**row, "request_hash": idempotency.ERASED}
        if name == "notes" and row["entry_id"] in self._ids:
            return None
        return row

    def finish(self, connection: Connection) -> tuple[Erased, ...]:
        """Erase the entries that aren't erased in the backup, and return them, in the order of their creation."""
        if not self._ids:
            return ()
        erased = select(_revisions.c.entry_id).where(_revisions.c.action == "erased")
        query = (
            select(_blogs.c.slug, _entries.c.id)
            .join(_blogs, _blogs.c.id == _entries.c.liveblog_id)
            .join(_acts, _acts.c.entry_id == _entries.c.id)
            .where(_acts.c.action == "entry.erased", _entries.c.id.not_in(erased))
            .distinct()
        )
        again = sorted((Erased(*row) for row in connection.execute(query)), key=lambda item: item.entry_id)
        for slug, entry_id in again:
            removals.erase(connection, removals.Removal(slug, entry_id, COMMAND, now()))
        return tuple(again)
