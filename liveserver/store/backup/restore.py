"""Restoring: everything that a database holds is replaced by an archive, whichever database that was of.

It is one transaction, so that readers find the old state or the new one. Every live blog then begins a new history: its
epoch changes, which makes void what readers knew of the old one, while its seq stays.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import datetime
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

from liveserver.domain.errors import BadBackup, Conflict, SettingsError
from liveserver.domain.ids import new_epoch
from liveserver.store import schema, tables
from liveserver.store.backup.archive import Archive, Holdings
from liveserver.store.backup.dump import backup
from liveserver.store.backup.long_transaction import LongTransaction
from liveserver.store.backup.sections import SECTIONS, Tables, describe, holdings_in, tables_in
from liveserver.store.connections import restoring_connections
from liveserver.store.database import own_history
from liveserver.store.database_url import is_sqlite, parse_url, shown
from liveserver.utils import private_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import URL, Connection, Executable


class Restored(NamedTuple):
    """Figures of a restore: what the database held before, and what it holds now."""

    replaced: Holdings
    now: Holdings


async def restore(address: str, path: Path, *, replace: bool = False) -> Restored:
    """Replace everything that the database holds by a backup, in one transaction. API keys are added, not replaced.

    An SQLite file is made or brought up to date first, as is an empty PostgreSQL database; a backup of an earlier
    schema is brought up to date on the way. Raises BadBackup and SettingsError before anything is touched, Conflict if
    there are live blogs already and they aren't to be replaced, and StoreUnavailable.
    """
    url = parse_url(address)
    with Archive(path) as given:
        if not schema.is_known(given.manifest.schema):
            raise BadBackup(f"{path} was made by a newer liveserver (schema {given.manifest.schema})")
        if unknown := sorted(given.manifest.sections.keys() - set(SECTIONS)):
            raise BadBackup(f"{path} was made by a newer liveserver (it has {unknown[0]})")
        given.verify()
        async with _up_to_date(given) as archive:
            await _prepare(address, url)
            transaction = LongTransaction(restoring_connections(url))
            return await transaction.run(
                lambda connection: _replace(connection, url, archive, transaction, replace=replace)
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
        await transaction.run(lambda connection: _load(connection, tables_in(connection), given, transaction))
        await schema.migrate(address)
        with await asyncio.to_thread(private_files.write_to, path) as file:
            await backup(address, file)
        with Archive(path) as archive:
            yield archive


def _replace(
    connection: Connection, url: URL, archive: Archive, transaction: LongTransaction, *, replace: bool
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
    _load(connection, found, archive, transaction)
    _begin_histories(connection)
    if not is_sqlite(url):
        connection.execute(_NEXT_ID)
    restored = Restored(replaced, holdings_in(connection, found))
    transaction.step()
    return restored


def _load(connection: Connection, found: Tables, archive: Archive, transaction: LongTransaction) -> None:
    for name in SECTIONS:
        for rows in archive.batches(name):
            transaction.step()
            table = found[name]
            if any(row.keys() != set(table.c.keys()) for row in rows):
                raise BadBackup(f"its {name} aren't those of schema {archive.manifest.schema}")
            moments = [column.name for column in table.c if isinstance(column.type, tables.UTCDateTime)]
            for row in rows:
                row.update({name: datetime.fromisoformat(row[name]) for name in moments if row[name] is not None})
            connection.execute(_insertion(connection, table), rows)


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
