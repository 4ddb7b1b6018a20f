"""The sections of a backup. Each section has the rows of one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    MetaData,
    Table,
    func,
    inspect,
    select,
)

from liveserver.domain.entry import EntryStatus
from liveserver.store import tables
from liveserver.store.backup.archive import Holdings

if TYPE_CHECKING:
    from sqlalchemy import Connection


SECTIONS = (
    "liveblogs",
    "entries",
    "revisions",
    "takedowns",
    "reach",
    "idempotency",
    "media",
    "partners",
    "moments",
    "sources",
    "copies",
    "api_keys",
    "reach_links",
    "notes",
    "users",
    "memberships",
    "passkeys",
    "identities",
    "acts",
)
"""The names of all sections, which are also the tables' names. A table comes before the tables that refer to it. A
database with an earlier schema lacks some of the tables."""

LEFT_OUT = ("sessions", "join_links", "secrets")
"""The names of the tables that no backup has: whoever reads a backup must not be able to sign in with it."""

Tables = dict[str, Table]


def holdings_in(connection: Connection, present: Tables) -> Holdings:
    """Return the numbers of live blogs and entries in a database, and the time of its last change.

    `present`: the tables of the database, by name.
    """
    blogs, entries = present["liveblogs"], present["entries"]
    not_deleted = entries.c.status != EntryStatus.DELETED.value
    liveblog_count, blogs_at = connection.execute(
        select(func.count(), func.max(blogs.c.updated_at)).select_from(blogs)
    ).one()
    entry_count = connection.execute(select(func.count()).select_from(entries).where(not_deleted)).scalar_one()
    entries_at = connection.execute(select(func.max(entries.c.updated_at))).scalar_one()
    moments = [moment for moment in (blogs_at, entries_at) if moment is not None]
    return Holdings(liveblog_count, entry_count, max(moments, default=None))


def tables_in(connection: Connection) -> Tables:
    """Return the tables of the database by name, each with the columns that it has in this database.

    The database may have an earlier schema than this code.
    """
    inspector = inspect(connection)
    present = set(inspector.get_table_names())
    metadata = MetaData()
    tables_present: Tables = {}
    for name in SECTIONS:
        if name in present:
            key = inspector.get_pk_constraint(name)["constrained_columns"]
            columns = [
                Column(column["name"], _kind(column["type"]), primary_key=column["name"] in key)
                for column in inspector.get_columns(name)
            ]
            tables_present[name] = Table(name, metadata, *columns)
    return tables_present


def _kind(column_type: Any) -> Any:
    """Return the type for reading and writing a column. `column_type`: the column's type in the database.

    Moments and JSON documents get our own types, which have the same values on SQLite and PostgreSQL.
    """
    if isinstance(column_type, DateTime):
        return tables.UTCDateTime()
    return tables.DOCUMENT if isinstance(column_type, JSON) else column_type


def describe(holdings: Holdings) -> str:
    """Return a database's figures in words: `2 live blogs and 31 entries, last changed 2026-11-22 12:00:00 UTC`."""
    counts = f"{_count(holdings.liveblogs, 'live blog', 's')} and {_count(holdings.entries, 'entr', 'ies', 'y')}"
    if holdings.changed_at is None:
        return counts
    return f"{counts}, last changed {holdings.changed_at:%Y-%m-%d %H:%M:%S} UTC"


def _count(number: int, stem: str, plural: str, singular: str = "") -> str:
    return f"{number} {stem}{singular if number == 1 else plural}"
