"""Restoring: everything that a database holds is replaced by an archive, whichever database that was of.

It is one transaction, so that readers find the old state or the new one. Every live blog then begins a new history: its
epoch changes, which makes void what readers knew of the old one, while its seq stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import (
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from liveserver.domain.errors import BadBackup, Conflict, LiveserverError, SettingsError
from liveserver.domain.ids import new_epoch
from liveserver.store import schema, tables
from liveserver.store.backup import row_checks
from liveserver.store.backup.archive import Archive, Holdings, Row, printable
from liveserver.store.backup.dump import backup
from liveserver.store.backup.long_transaction import LongTransaction
from liveserver.store.backup.sections import SECTIONS, Tables, describe, holdings_in, tables_in
from liveserver.store.connections import restoring_connections
from liveserver.store.database import own_history
from liveserver.store.database_url import is_sqlite, parse_url, shown
from liveserver.store.outages import outages
from liveserver.utils import private_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import URL, Connection, Executable


Safe = Callable[[str], str]
"""Makes the body of an entry such that it may be shown. Raises InvalidInput for one that can't be."""


class Restored(NamedTuple):
    """Figures of a restore: what the database held before, and what it holds now."""

    replaced: Holdings
    now: Holdings


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
            transaction = LongTransaction(restoring_connections(url))
            return await transaction.run(
                lambda connection: _replace(connection, url, archive, transaction, safe, replace=replace)
            )


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
        transaction = LongTransaction(restoring_connections(parse_url(address)))
        await transaction.run(lambda connection: _load(connection, tables_in(connection), given, transaction, None))
        try:
            await schema.migrate(address)
        except (SQLAlchemyError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise BadBackup(f"{given.path} can't be brought up to date: it is no backup of liveserver's") from error
        with await asyncio.to_thread(private_files.write_to, path) as file:
            await backup(address, file)
        with Archive(path) as archive:
            yield archive


def _replace(
    connection: Connection, url: URL, archive: Archive, transaction: LongTransaction, safe: Safe, *, replace: bool
) -> Restored:
    own_history(connection)
    found = tables_in(connection)
    replaced = holdings_in(connection, found)
    if replaced.liveblogs and not replace:
        raise Conflict(
            f"the database {shown(url)} holds {describe(replaced)}; the backup holds "
            f"{describe(archive.manifest.holds)}. --force replaces the one by the other"
        )
    for table in reversed(found.values()):
        if table.name != tables.api_keys.name:
            connection.execute(delete(table))
    _load(connection, found, archive, transaction, safe)
    _begin_histories(connection)
    if not is_sqlite(url):
        connection.execute(_NEXT_ID)
    restored = Restored(replaced, holdings_in(connection, found))
    transaction.step()
    return restored


def _load(
    connection: Connection, found: Tables, archive: Archive, transaction: LongTransaction, safe: Safe | None
) -> None:
    """Insert all rows. `safe`: None for those of an earlier schema, which are looked at once they are up to date."""
    for name in SECTIONS:
        done = 0
        for given in archive.batches(name):
            transaction.step()
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
