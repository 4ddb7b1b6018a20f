"""Everything a database holds, written to an archive and read back from one, whichever database it is.

Both see or make one moment: a backup reads in one transaction, while others write; a restore replaces everything in one
transaction, so that readers find the old state or the new one. Every live blog then begins a new history: its epoch
changes, which makes void what readers knew of the old one, while its seq stays.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    MetaData,
    Table,
    bindparam,
    delete,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from liveserver.domain.entry import EntryStatus
from liveserver.domain.errors import BadBackup, Conflict, LiveserverError, SettingsError
from liveserver.domain.ids import new_epoch, now
from liveserver.store import schema, tables
from liveserver.store.backup import row_checks
from liveserver.store.backup.archive import Archive, ArchiveWriter, Holdings, printable
from liveserver.store.database import (
    is_sqlite,
    outages,
    own_history,
    parse_url,
    restoring_connections,
    shown,
    snapshot_connections,
)
from liveserver.utils import private_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy import URL, Connection, Executable

    from liveserver.store.backup.archive import Manifest, Row
    from liveserver.store.database import Connections

T = TypeVar("T")

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
)
"""Every table, what is referred to before what refers to it. An earlier schema needn't have them all."""

ROWS = 100
"""Rows that are fetched at a time: a row may be some hundred kilobytes."""

Tables = dict[str, Table]

Safe = Callable[[str], str]
"""The body of an entry as it may be shown. Raises Invalid for one that can't be."""


class Restored(NamedTuple):
    """What a restore did."""

    replaced: Holdings
    now: Holdings


class Stopped(Exception):
    """Nobody waits for the transaction any more: it must leave nothing."""


class Work:
    """A long transaction, which may run in a thread, where it can't be cancelled from outside."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._stopped = threading.Event()

    def step(self) -> None:
        """To be called now and then. Raises Stopped if whoever waited was cancelled."""
        if self._stopped.is_set():
            raise Stopped

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Begin, call `work`, commit; or leave nothing if it raises, or is stopped. The connection is closed then."""
        try:
            with outages():
                return await self._connections.run(work)
        except asyncio.CancelledError:
            self._stopped.set()
            raise
        finally:
            await self._connections.close()


async def backup(address: str, file: BinaryIO) -> Manifest:
    """Write everything that the database holds, as of one moment, to a file that needn't be seekable.

    Others may write meanwhile. A database of an earlier liveserver is taken as it is. Raises SettingsError if the
    database can't be opened or has no tables, or the file can't be written, and StoreUnavailable.
    """
    url = parse_url(address)
    if is_sqlite(url):
        _see_that_it_exists(url)
    if await schema.revision(address) is None:
        raise SettingsError(f"the database {shown(url)} has no tables: there is nothing to back up")
    work = Work(snapshot_connections(url))
    return await work.run(lambda connection: _back_up(connection, url, file, work))


def _see_that_it_exists(url: URL) -> None:
    # To open a file would be to make it.
    if not Path(str(url.database)).is_file():
        raise SettingsError(f"there is no database {shown(url)}")


def _back_up(connection: Connection, url: URL, file: BinaryIO, work: Work) -> Manifest:
    revision = schema.revision_of(connection, url)
    assert revision is not None, "a database doesn't lose its tables"
    found = _tables(connection)
    writer = ArchiveWriter(file, schema=revision, created_at=now())
    try:
        for name, table in found.items():
            with writer.section(name) as write:
                for rows in _read(connection, table):
                    work.step()
                    write(rows)
        return writer.finish(_holdings(connection, found))
    finally:
        writer.close()


async def restore(address: str, path: Path, *, replace: bool = False, safe: Safe = lambda body: body) -> Restored:
    """Replace everything that the database holds by a backup, in one transaction. API keys are added, not replaced.

    `safe`: makes the body of an entry safe, for a file that somebody else may have written.

    An SQLite file is made or brought up to date first, as is an empty PostgreSQL database; a backup of an earlier
    schema is brought up to date on the way. Raises BadBackup and SettingsError before anything is touched, Conflict if
    there are live blogs already and they aren't to be replaced, and StoreUnavailable.
    """
    url = parse_url(address)
    with Archive(path) as given:
        if not schema.is_known(given.manifest.schema):
            raise BadBackup(f"{path} was made by a newer liveserver (schema {printable(given.manifest.schema)})")
        if unknown := sorted(given.manifest.sections.keys() - set(SECTIONS)):
            raise BadBackup(f"{path} was made by a newer liveserver (it has {printable(unknown[0])})")
        given.verify()
        async with _up_to_date(given) as archive:
            await _prepare(address, url)
            work = Work(restoring_connections(url))
            return await work.run(lambda connection: _replace(connection, url, archive, work, safe, replace=replace))


async def _prepare(address: str, url: URL) -> None:
    if is_sqlite(url) or await schema.revision(address) is None:
        await schema.migrate(address)
    elif not await schema.is_current(address):
        raise SettingsError(f"the database {shown(url)} isn't up to date: run liveserver migrate")


@asynccontextmanager
async def _up_to_date(given: Archive) -> AsyncIterator[Archive]:
    """The archive; made anew from a temporary database if the schema has moved on since."""
    if given.manifest.schema == schema.newest():
        yield given
        return
    with TemporaryDirectory(prefix="liveserver-") as directory:
        address, path = f"sqlite:///{directory}/earlier.db", Path(directory, "current.zip")
        await schema.migrate(address, to=given.manifest.schema)
        work = Work(restoring_connections(parse_url(address)))
        await work.run(lambda connection: _load(connection, _tables(connection), given, work, None))
        try:
            await schema.migrate(address)
        except (SQLAlchemyError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise BadBackup(f"{given.path} can't be brought up to date: it is no backup of liveserver's") from error
        with await asyncio.to_thread(private_files.write_to, path) as file:
            await backup(address, file)
        with Archive(path) as archive:
            yield archive


def _replace(connection: Connection, url: URL, archive: Archive, work: Work, safe: Safe, *, replace: bool) -> Restored:
    own_history(connection)
    found = _tables(connection)
    replaced = _holdings(connection, found)
    if replaced.liveblogs and not replace:
        raise Conflict(
            f"the database {shown(url)} holds {describe(replaced)}; the backup holds "
            f"{describe(archive.manifest.holds)}. --force replaces the one by the other"
        )
    for table in reversed(found.values()):
        if table.name != tables.api_keys.name:
            connection.execute(delete(table))
    _load(connection, found, archive, work, safe)
    _begin_histories(connection)
    if not is_sqlite(url):
        connection.execute(_NEXT_ID)
    restored = Restored(replaced, _holdings(connection, found))
    work.step()
    return restored


def _load(connection: Connection, found: Tables, archive: Archive, work: Work, safe: Safe | None) -> None:
    """Insert all rows. `safe`: None for those of an earlier schema, which are looked at once they are up to date."""
    for name in SECTIONS:
        done = 0
        for given in archive.batches(name):
            work.step()
            rows = [_row(archive, name, done + at, row, found[name], safe) for at, row in enumerate(given, 1)]
            query = _insertion(connection, found[name])
            try:
                _insert(connection, query, rows)
            except _Refused:
                for at, row in enumerate(rows, 1):
                    try:
                        _insert(connection, query, [row])
                    except _Refused as error:
                        raise _bad(archive, name, done + at, str(error)) from error
                raise
            done += len(rows)


def _row(archive: Archive, name: str, number: int, row: object, table: Table, safe: Safe | None) -> Row:
    if not isinstance(row, dict) or row.keys() != set(table.c.keys()):
        raise BadBackup(f"{archive.path} is damaged: its {name} aren't those of schema {archive.manifest.schema}")
    try:
        values = row_checks.values_of(row, table)
        if safe is not None:
            row_checks.check(name, values, safe)
    except (ValueError, LiveserverError) as error:
        raise _bad(archive, name, number, str(error)) from error
    return values


def _bad(archive: Archive, name: str, number: int, why: str) -> BadBackup:
    return BadBackup(f"{archive.path} can't be restored: row {number:,} of its {name}: {printable(why)}")


class _Refused(Exception):
    """The database takes a row for none of that table, alone or beside others."""


def _insert(connection: Connection, query: Executable, rows: list[Row]) -> None:
    """Insert rows, or none of them. Raises _Refused, in the database's words, and StoreUnavailable."""
    try:
        with outages(), connection.begin_nested():
            connection.execute(query, rows)
    except (SQLAlchemyError, ValueError, TypeError, OverflowError) as error:
        words = str(getattr(error, "orig", None) or error) or type(error).__name__
        raise _Refused(words.splitlines()[0].rpartition(">: ")[2]) from error


def _insertion(connection: Connection, table: Table) -> Executable:
    if table.name != tables.api_keys.name:
        return insert(table)
    # A key that was made since the backup goes on to work, and one that was revoked on either side stays revoked.
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    query = dialect.insert(table)
    revoked_at = func.coalesce(table.c.revoked_at, query.excluded.revoked_at)
    either: Executable = query.on_conflict_do_update(index_elements=[table.c.id], set_={"revoked_at": revoked_at})
    return either


def _begin_histories(connection: Connection) -> None:
    t = tables.liveblogs
    ids = connection.scalars(select(t.c.id)).all()
    if ids:
        query = update(t).where(t.c.id == bindparam("liveblog")).values(epoch=bindparam("new_epoch"))
        connection.execute(query, [{"liveblog": key, "new_epoch": new_epoch()} for key in ids])


# The sequence only ever rises: that it was set isn't undone with the transaction.
_NEXT_ID = text(
    "SELECT setval(s, greatest(coalesce(pg_sequence_last_value(s), 1), (SELECT coalesce(max(id), 1) FROM liveblogs)))"
    " FROM (SELECT pg_get_serial_sequence('liveblogs', 'id')::regclass AS s) AS sequence"
)


def _holdings(connection: Connection, found: Tables) -> Holdings:
    blogs, entries = found["liveblogs"], found["entries"]
    there = entries.c.status != EntryStatus.DELETED.value
    liveblog_count, blogs_at = connection.execute(
        select(func.count(), func.max(blogs.c.updated_at)).select_from(blogs)
    ).one()
    entry_count = connection.execute(select(func.count()).select_from(entries).where(there)).scalar_one()
    entries_at = connection.execute(select(func.max(entries.c.updated_at))).scalar_one()
    moments = [moment for moment in (blogs_at, entries_at) if moment is not None]
    return Holdings(liveblog_count, entry_count, max(moments, default=None))


def _read(connection: Connection, table: Table) -> Iterator[list[Row]]:
    query = select(table).order_by(*table.primary_key).execution_options(yield_per=ROWS)
    # SQLAlchemy's names are of a kind of their own.
    names = [str(name) for name, _ in table.c.items()]
    with connection.execute(query) as result:
        for rows in result.partitions():
            yield [dict(zip(names, row, strict=True)) for row in rows]


def _tables(connection: Connection) -> Tables:
    """The tables as they are in the database, which may be of an earlier schema than the code's."""
    inspector = inspect(connection)
    present = set(inspector.get_table_names())
    metadata = MetaData()
    found: Tables = {}
    for name in SECTIONS:
        if name in present:
            key = inspector.get_pk_constraint(name)["constrained_columns"]
            columns = [
                Column(column["name"], _kind(column["type"]), primary_key=column["name"] in key)
                for column in inspector.get_columns(name)
            ]
            found[name] = Table(name, metadata, *columns)
    return found


def _kind(kind: Any) -> Any:
    """What the code uses in place of what it finds: types that mean the same on both databases."""
    if isinstance(kind, DateTime):
        return tables.UTCDateTime()
    return tables.DOCUMENT if isinstance(kind, JSON) else kind


def describe(holdings: Holdings) -> str:
    """In words: `2 live blogs and 31 entries, last changed 2026-11-22 12:00:00 UTC`."""
    words = f"{_count(holdings.liveblogs, 'live blog', 's')} and {_count(holdings.entries, 'entr', 'ies', 'y')}"
    if holdings.changed_at is None:
        return words
    return f"{words}, last changed {holdings.changed_at:%Y-%m-%d %H:%M:%S} UTC"


def _count(number: int, stem: str, plural: str, singular: str = "") -> str:
    return f"{number} {stem}{singular if number == 1 else plural}"
