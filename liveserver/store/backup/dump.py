"""Backing up: writing the whole database to an archive, as of one moment, while others write to it."""

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
"""Rows that are fetched at a time: a row may be some hundred kilobytes."""


async def backup(address: str, file: BinaryIO) -> Manifest:
    """Write the whole database, as of one moment, to an archive in a file that needn't be seekable.

    Others may write meanwhile. The tables of an earlier schema are written as they are. Raises SettingsError if the
    database can't be opened or has no tables, or the file can't be written, and StoreUnavailable.
    """
    url = parse_url(address)
    if is_sqlite(url):
        _see_that_it_exists(url)
    if await schema.revision(address) is None:
        raise SettingsError(f"the database {shown(url)} has no tables: there is nothing to back up")
    transaction = LongTransaction(snapshot_connections(url))
    return await transaction.run(lambda connection: _back_up(connection, url, file, transaction))


def _see_that_it_exists(url: URL) -> None:
    # Opening it would create it.
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
    # SQLAlchemy's names are of a type of their own.
    names = [str(name) for name, _ in table.c.items()]
    with connection.execute(query) as result:
        for rows in result.partitions():
            yield [dict(zip(names, row, strict=True)) for row in rows]
