"""The queries of notes on entries, which the newsroom writes for itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select

from liveserver.domain.entry import NOTES_MAX, Note
from liveserver.domain.errors import Conflict, NotFound
from liveserver.domain.ids import ID_PATTERN
from liveserver.domain.people.rights import Verb
from liveserver.store import tables
from liveserver.store.repositories import entries, liveblogs
from liveserver.store.repositories.people import acts, permissions
from liveserver.store.repositories.sequence import note_work

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

    from liveserver.domain.people.principal import Principal

_t = tables.notes
_ID = re.compile(ID_PATTERN, re.ASCII)


def of_entry(connection: Connection, slug: str, entry_id: str) -> list[Note]:
    """Return an entry's notes, oldest first. The entry may be deleted. Raises NotFound if it never existed."""
    liveblog_id, _ = liveblogs.find(connection, slug)
    entries.find_any(connection, liveblog_id, entry_id)
    query = select(_t).where(_t.c.entry_id == entry_id).order_by(_t.c.id)
    return [_note(row) for row in connection.execute(query).mappings()]


def add(connection: Connection, slug: str, entry_id: str, note: Note, by: Principal) -> Note:
    """Insert a note on an entry that isn't deleted. Raises Conflict if the entry would have more than NOTES_MAX notes.

    Raises NotFound, Gone, and Unauthorized or Forbidden if the principal may not write on this live blog now.
    """
    permissions.confirm(connection, by, Verb.WRITE, slug)
    liveblog_id, _ = liveblogs.find(connection, slug)
    # The entry's row is locked, so that nobody else adds a note meanwhile.
    entry = entries.find(connection, liveblog_id, entry_id, lock=True)
    count = connection.execute(select(func.count()).where(_t.c.entry_id == entry_id)).scalar_one()
    if count >= NOTES_MAX:
        raise Conflict(f"the entry has {NOTES_MAX} notes already: delete one first")
    connection.execute(
        insert(_t).values(id=note.id, entry_id=entry_id, principal=note.by, name=note.name, at=note.at, text=note.text)
    )
    note_work(connection, slug)
    acts.record(
        connection, by, "note.added", note.at, liveblog=slug, entry_id=entry_id, version=entry.version, note=note.id
    )
    return note


def remove(connection: Connection, slug: str, entry_id: str, note_id: str, by: Principal, at: datetime) -> None:
    """Delete a note. The author of the note needs the verb `write`, anybody else the verb `publish`.

    Raises NotFound if the entry has no such note, and Unauthorized or Forbidden.
    """
    rights = permissions.confirm(connection, by, Verb.WRITE, slug)
    liveblog_id, _ = liveblogs.find(connection, slug)
    entry = entries.find_any(connection, liveblog_id, entry_id, lock=True)
    this = (_t.c.entry_id == entry_id, _t.c.id == note_id)
    row = connection.execute(select(_t).where(*this)).mappings().one_or_none() if _ID.fullmatch(note_id) else None
    if row is None:
        raise NotFound(f"the entry has no note {note_id!r}")
    rights.require(Verb.WRITE if row["principal"] == by.ref else Verb.PUBLISH, slug)
    connection.execute(delete(_t).where(*this))
    note_work(connection, slug)
    acts.record(
        connection, by, "note.deleted", at, liveblog=slug, entry_id=entry_id, version=entry.version, note=note_id
    )


def counts(connection: Connection, entry_ids: Collection[str]) -> dict[str, int]:
    """Return the number of notes on each of these entries, by entry id. An entry without notes is left out."""
    if not entry_ids:
        return {}
    query = select(_t.c.entry_id, func.count()).where(_t.c.entry_id.in_(entry_ids)).group_by(_t.c.entry_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def _note(row: RowMapping) -> Note:
    return Note(row["id"], row["principal"], row["name"], row["at"], row["text"])
