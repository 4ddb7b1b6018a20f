"""The restore of a backup: the whole content of a database is replaced by the content of an archive.

The archive may have been made from another database, SQLite or PostgreSQL. One transaction replaces everything, so
readers see either the old content or the new content. With a restore, every live blog begins a new history: it has the
seq of the backup, but a new epoch. So the positions that readers' pages had before the restore are no longer valid.
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
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from liveserver.domain.errors import BadBackup, Conflict, LiveserverError, SettingsError
from liveserver.domain.ids import new_epoch
from liveserver.store import schema, tables
from liveserver.store.backup import row_checks
from liveserver.store.backup.archive import Archive, Holdings, Row, printable
from liveserver.store.backup.dump import backup
from liveserver.store.backup.erasures import Erased, Erasures
from liveserver.store.backup.long_transaction import LongTransaction
from liveserver.store.backup.people_merge import KEPT, PeopleMerge, insertion
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
"""A function that returns an entry's body made safe to show. It raises InvalidInput if the body can't be shown."""


class Restored(NamedTuple):
    """The live blogs and entries of a database, counted before a restore (`replaced`) and after it (`now`)."""

    replaced: Holdings
    now: Holdings
    erased: tuple[Erased, ...] = ()
    """The entries that the backup had, and that were erased in the database after it was made."""


async def restore(address: str, path: Path, *, replace: bool = False, safe: Safe = lambda body: body) -> Restored:
    """Replace the whole content of a database by a backup, in one transaction.

    Returns the numbers of live blogs and entries before and after the restore. API keys and users of the database stay,
    and the backup's are added (`people_merge.py`). All sessions end. A key that is revoked in the database or in the
    backup is revoked afterwards. Entries that were erased in the database stay erased (`erasures.py`).
    `address`: the URL of the database. `path`: the backup's file. `replace`: True if live blogs in the
    database may be replaced. `safe`: makes the body of an entry safe, as somebody else may have written the file.

    Before the transaction, an SQLite file is created or migrated, and an empty PostgreSQL database is migrated. A
    backup of an earlier schema is first restored to a temporary database, and migrated there. Raises BadBackup if the
    file isn't a valid backup. Raises SettingsError if the database can't be opened or isn't migrated. Raises Conflict
    if the database has live blogs and `replace` is False. Raises StoreUnavailable if the database stops answering. If
    this function raises, the content of the database is as before.
    """
    url = parse_url(address)
    with Archive(path) as original:
        if not schema.is_known(original.manifest.schema):
            raise BadBackup(f"{path} was made by a newer liveserver (schema {printable(original.manifest.schema)})")
        if unknown := sorted(original.manifest.sections.keys() - set(SECTIONS)):
            raise BadBackup(f"{path} was made by a newer liveserver (it has {printable(unknown[0])})")
        original.verify()
        async with _up_to_date(original) as archive:
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
async def _up_to_date(original: Archive) -> AsyncIterator[Archive]:
    """Yield an archive of the newest schema with the content of `original`.

    If `original` has the newest schema, yields `original` itself. Otherwise loads its rows into a temporary SQLite
    database, migrates this database, backs it up, and yields the archive of this backup.
    """
    if original.manifest.schema == schema.newest():
        yield original
        return
    with TemporaryDirectory(prefix="liveserver-") as directory:
        address, path = f"sqlite:///{directory}/earlier.db", Path(directory, "current.zip")
        await schema.migrate(address, to=original.manifest.schema)
        transaction = LongTransaction(restoring_connections(parse_url(address)))
        await transaction.run(lambda connection: _load(connection, tables_in(connection), original, transaction, None))
        try:
            await schema.migrate(address)
        except (SQLAlchemyError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise BadBackup(f"{original.path} can't be brought up to date: it is no backup of liveserver's") from error
        with await asyncio.to_thread(private_files.write_to, path) as file:
            await backup(address, file)
        with Archive(path) as archive:
            yield archive


def _replace(
    connection: Connection, url: URL, archive: Archive, transaction: LongTransaction, safe: Safe, *, replace: bool
) -> Restored:
    own_history(connection)
    present = tables_in(connection)
    replaced = holdings_in(connection, present)
    if replaced.liveblogs and not replace:
        raise Conflict(
            f"the database {shown(url)} holds {describe(replaced)}; the backup holds "
            f"{describe(archive.manifest.holds)}. --force replaces the one by the other"
        )
    people, erasures = PeopleMerge(connection), Erasures(connection)
    for table in reversed(present.values()):
        if table.name not in KEPT:
            connection.execute(delete(table))

    def chosen(name: str, row: Row) -> Row | None:
        kept = people.row(name, row)
        return None if kept is None else erasures.row(name, kept)

    _load(connection, present, archive, transaction, safe, chosen)
    people.finish(connection)
    erased = erasures.finish(connection)
    _begin_histories(connection)
    if not is_sqlite(url):
        connection.execute(_NEXT_ID)
    restored = Restored(replaced, holdings_in(connection, present), erased)
    transaction.step()
    return restored


def _load(
    connection: Connection,
    present: Tables,
    archive: Archive,
    transaction: LongTransaction,
    safe: Safe | None,
    choose: Callable[[str, Row], Row | None] = lambda _, row: row,
) -> None:
    """Insert all rows of the archive into the tables of the database. Raises BadBackup if a row isn't valid.

    `safe`: makes the body of an entry safe. If it is None, `row_checks.check` isn't called and bodies stay as they are.
    Pass None for an archive of an earlier schema: its rows are checked after their migration. `choose`: returns the row
    to insert into a table, made from a row of the archive; None for no row.
    """
    for name in SECTIONS:
        count = 0
        query = insertion(connection, present[name]) if name in KEPT else insert(present[name])
        for batch in archive.batches(name):
            transaction.step()
            rows: dict[int, Row] = {}
            for number, item in enumerate(batch, count + 1):
                chosen = choose(name, _row(archive, name, number, item, present[name], safe))
                if chosen is not None:
                    rows[number] = chosen
            count += len(batch)
            try:
                _insert(connection, query, list(rows.values()))
            except _Refused:
                for number, row in rows.items():
                    try:
                        _insert(connection, query, [row])
                    except _Refused as error:
                        raise _bad(archive, name, number, str(error)) from error
                raise


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


def _bad(archive: Archive, name: str, number: int, reason: str) -> BadBackup:
    return BadBackup(f"{archive.path} can't be restored: row {number:,} of its {name}: {printable(reason)}")


class _Refused(Exception):
    """The error raised if the database refuses to insert a row. Its text is the database's message."""


def _insert(connection: Connection, query: Executable, rows: list[Row]) -> None:
    """Execute `query`, which inserts the rows. If this function raises, none of the rows is inserted.

    Raises _Refused, with the database's message, if the database refuses a row. Raises StoreUnavailable if the database
    doesn't answer.
    """
    if not rows:
        return
    try:
        with outages(), connection.begin_nested():
            connection.execute(query, rows)
    except (SQLAlchemyError, ValueError, TypeError, OverflowError) as error:
        message = str(getattr(error, "orig", None) or error) or type(error).__name__
        raise _Refused(message.splitlines()[0].rpartition(">: ")[2]) from error


def _begin_histories(connection: Connection) -> None:
    t = tables.liveblogs
    ids = connection.scalars(select(t.c.id)).all()
    if ids:
        query = update(t).where(t.c.id == bindparam("liveblog")).values(epoch=bindparam("new_epoch"))
        connection.execute(query, [{"liveblog": liveblog_id, "new_epoch": new_epoch()} for liveblog_id in ids])


# The sequence of live blogs' ids is raised, never lowered: if this transaction rolls back, PostgreSQL doesn't undo
# setval, and a lower value would give an id twice.
_NEXT_ID = text(
    "SELECT setval(s, greatest(coalesce(pg_sequence_last_value(s), 1), (SELECT coalesce(max(id), 1) FROM liveblogs)))"
    " FROM (SELECT pg_get_serial_sequence('liveblogs', 'id')::regclass AS s) AS sequence"
)
