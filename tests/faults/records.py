"""The rows of the database that tell of people and their work, read by the harness itself, past the servers."""

from __future__ import annotations

import mmap
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from liveserver.store import tables
from liveserver.store.connections import snapshot_connections
from liveserver.store.database_url import parse_url
from tests.faults.ledger import marks_in

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from sqlalchemy import Connection

_MARK = re.compile(rb"mark-([a-z0-9]+)-end")


class ActRow(NamedTuple):
    """A row of the audit log."""

    id: str
    kind: str
    by: str
    """The id of the user or API key, or the word for a part of the server."""
    action: str
    liveblog: str | None = None
    entry: str | None = None
    version: int | None = None
    details: dict[str, Any] = {}  # noqa: RUF012

    def __str__(self) -> str:
        where = f" of {self.entry} v{self.version}" if self.entry else ""
        return f"{self.action}{where} by {self.by} {self.details or ''}({self.id})"


class EntryRow(NamedTuple):
    """An entry as it is now."""

    id: str
    slug: str
    status: str
    version: int
    text: str = ""
    """Heading and body. Empty, too, for an entry of a live blog whose texts weren't asked for."""


class RevisionRow(NamedTuple):
    """A version of an entry."""

    version: int
    action: str
    principal: str
    """`Principal.ref`"""
    status: str
    breaking: bool = False
    text: str = ""
    """Everything in it, as far as the texts of its live blog were asked for."""


class UserRow(NamedTuple):
    """A user."""

    id: str
    name: str
    role: str | None
    joined: bool
    disabled: bool
    password: bool
    """True if there is one."""
    version: int


@dataclass
class Records:
    """Everything, as of one moment."""

    acts: list[ActRow] = field(default_factory=list)
    """Oldest first."""
    entries: dict[str, EntryRow] = field(default_factory=dict)
    revisions: dict[str, list[RevisionRow]] = field(default_factory=dict)
    """By entry, in the order of versions."""
    notes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Of each note its entry and its text."""
    users: list[UserRow] = field(default_factory=list)
    sessions: dict[str, set[str]] = field(default_factory=dict)
    """By user, their ids."""
    links: set[str] = field(default_factory=set)
    """Users who have a link that wasn't used."""

    def published(self, slug: str) -> dict[str, int]:
        """The versions of the entries that readers of a live blog are to see."""
        return {e.id: e.version for e in self.entries.values() if (e.slug, e.status) == (slug, "published")}

    def marks(self) -> dict[str, set[str]]:
        """Where each mark stands: names of tables."""
        found: dict[str, set[str]] = {}
        texts = [("entries", entry.text) for entry in self.entries.values()]
        texts += [("revisions", revision.text) for each in self.revisions.values() for revision in each]
        texts += [("notes", text) for _, text in self.notes.values()]
        for table, text in texts:
            for mark in marks_in(text):
                found.setdefault(mark, set()).add(table)
        return found


async def read(database_url: str, slugs: Collection[str]) -> Records:
    """Read them in one transaction. `slugs`: the live blogs whose texts are read, too."""
    connections = snapshot_connections(parse_url(database_url))
    try:
        return await connections.run(lambda connection: _read(connection, slugs))
    finally:
        await connections.close()


def _read(connection: Connection, slugs: Collection[str]) -> Records:
    records = Records()
    a = tables.acts.c
    query = select(a.id, a.kind, a.principal_id, a.action, a.liveblog, a.entry_id, a.version, a.details)
    records.acts = [ActRow(*row[:7], row[7] or {}) for row in connection.execute(query.order_by(a.id))]
    e, b = tables.entries.c, tables.liveblogs.c
    with_slug = select(e.id, b.slug, e.status, e.version).join(tables.liveblogs, b.id == e.liveblog_id)
    records.entries = {row.id: EntryRow(*row) for row in connection.execute(with_slug)}
    ours = with_slug.where(b.slug.in_(slugs)).with_only_columns(e.id, e.heading, e.body, e.source, e.review)
    for row in connection.execute(ours):
        text = f"{row.heading or ''} {row.body} {row.source or ''} {row.review or ''}".strip()
        records.entries[row.id] = records.entries[row.id]._replace(text=text)
    r = tables.revisions.c
    for row in connection.execute(select(tables.revisions).order_by(r.entry_id, r.version)):
        text = (
            f"{row.entry['heading'] or ''} {row.entry['body']} {row.entry['source'] or ''} {row.entry['review'] or ''}"
        )
        text = text.strip() if records.entries[row.entry_id].slug in slugs else ""
        revision = RevisionRow(row.version, row.action, row.principal, row.entry["status"], row.entry["breaking"], text)
        records.revisions.setdefault(row.entry_id, []).append(revision)
    records.notes = {row.id: (row.entry_id, row.text) for row in connection.execute(select(tables.notes))}
    for row in connection.execute(select(tables.users)):
        known = (row.joined_at is not None, row.disabled_at is not None, row.password is not None)
        records.users.append(UserRow(row.id, row.name, row.role, *known, row.version))
    s = tables.sessions.c
    for user_id, session_id in connection.execute(select(s.user_id, s.id)):
        records.sessions.setdefault(user_id, set()).add(session_id)
    records.links = set(connection.execute(select(tables.join_links.c.user_id)).scalars())
    return records


def marks_in_file(database: Path) -> set[str] | None:
    """The marks in the bytes of an SQLite file, its log emptied before. None: the log was in use."""
    with closing(sqlite3.connect(database, timeout=2.0, isolation_level=None)) as connection:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        return None
    with database.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return {match[1].decode() for match in _MARK.finditer(content)}
