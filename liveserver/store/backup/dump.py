"""The backup of a database: its whole content as of one moment is written to an archive, while writes go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sqlalchemy import (
    Table,
    select,
)

from liveserver.domain.errors import SettingsError
from liveserver.domain.ids import now
from liveserver.store import schema
from liveserver.store.backup.archive import ArchiveWriter
from liveserver.store.backup.long_transaction import LongTransaction
from liveserver.store.backup.sections import holdings_in, tables_in
from liveserver.store.connections import snapshot_connections
from liveserver.store.database_url import is_sqlite, parse_url, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection

    from liveserver.store.backup.archive import Manifest, Row


ROWS = 100
"""The number of rows that are fetched from the database at a time. One row may have several hundred kilobytes."""


async def backup(address: str, file: BinaryIO) -> Manifest:
    """Write the whole content of a database, as of one moment, to an archive. Returns the archive's manifest.

    `address`: the URL of the database. `file`: the file for the archive, which needn't be seekable. Servers may write
    to the database meanwhile. A database with an earlier schema is backed up in that schema. Raises SettingsError if
    the database can't be opened or has no tables, or if the file can't be written. Raises StoreUnavailable if the
    database stops answering.
    """
    url = parse_url(address)
    if is_sqlite(url):
        _see_that_it_exists(url)
    if await schema.revision(address) is None:
        raise SettingsError(f"the database {shown(url)} has no tables: there is nothing to back up")
    transaction = LongTransaction(snapshot_connections(url))
    return await transaction.run(lambda connection: _back_up(connection, url, file, transaction))


def _see_that_it_exists(url: URL) -> None:
    # SQLite would create the file when it opens it.
    if not Path(str(url.database)).is_file():
        raise SettingsError(f"there is no database {shown(url)}")


def _back_up(connection: Connection, url: URL, file: BinaryIO, transaction: LongTransaction) -> Manifest:
    revision = schema.revision_of(connection, url)
    assert revision is not None, "a database doesn't lose its tables"
    tables = tables_in(connection)
    writer = ArchiveWriter(file, schema=revision, created_at=now())
    try:
        for name, table in tables.items():
            with writer.section(name) as write:
                for rows in _read(connection, table):
                    transaction.step()
                    write(rows)
        return writer.finish(holdings_in(connection, tables))
    finally:
        writer.close()


def _read(connection: Connection, table: Table) -> Iterator[list[Row]]:
    query = select(table).order_by(*table.primary_key).execution_options(yield_per=ROWS)
    # The names of SQLAlchemy's columns are of a subclass of str, which the JSON encoder doesn't take as keys.
    names = [str(name) for name, _ in table.c.items()]
    with connection.execute(query) as result:
        for rows in result.partitions():
            yield [dict(zip(names, row, strict=True)) for row in rows]
