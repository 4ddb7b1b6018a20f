"""The database, which runs functions in transactions that write, or in transactions that only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from liveserver.domain.errors import StoreUnavailable
from liveserver.store.connections import server_connections
from liveserver.store.database_url import is_sqlite
from liveserver.store.outages import is_deadlock, outages

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL, Connection


log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

HISTORY_LOCK = 0x6C697665_73657276
"""The number of a PostgreSQL advisory lock. Writes share the lock; a migration or a restore has it exclusively.

A write therefore happens wholly before a restore or wholly after it: the rows that the write has read are still valid
when it commits. The number is arbitrary, but no other program may use it on the same database.
"""


_SHARE_HISTORY = text("SELECT pg_advisory_xact_lock_shared(:lock)").bindparams(lock=HISTORY_LOCK)
_OWN_HISTORY = text("SELECT pg_advisory_xact_lock(:lock)").bindparams(lock=HISTORY_LOCK)


def own_history(connection: Connection) -> None:
    """Wait until all writes under way have ended, and let nobody else write until this transaction ends.

    Does nothing on SQLite, where a transaction that writes is always the only one.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(_OWN_HISTORY)


class Database:
    """A database, with some connections for writing, and other connections for reading.

    A transaction that only reads sees one state of the database, from its beginning to its end.
    """

    def __init__(self, url: URL, *, pool_size: int, patience: float) -> None:
        self.url = url
        self.writer, self.reader = server_connections(url, pool_size, patience)
        self._in_doubt = False
        """True if a write raised StoreUnavailable, and no write has succeeded since. In that case, `ping` also changes
        a row: on a full disk, a transaction can begin, but fails when it writes."""

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in a transaction, and return the result of `work`.

        The transaction commits when `work` returns, and rolls back if `work` raises. If PostgreSQL rolls it back
        because of a deadlock, it is run once more, so `work` may be called twice. Raises StoreUnavailable if the
        database doesn't answer. If it stops answering during the commit, the transaction may have been committed, and
        only the database's answer was lost. So the caller must repeat its request with the same idempotency key, or
        read the state again.
        """

        def transact(connection: Connection) -> T:
            if not is_sqlite(self.url):
                connection.execute(_SHARE_HISTORY)
            return work(connection, *args, **kwargs)

        try:
            with outages():
                try:
                    result = await self.writer.run(transact)
                except DBAPIError as error:
                    if not is_deadlock(error):
                        raise
                    # Nothing was written, and the other transaction goes on. All that we know of take their locks in
                    # one order, so this is worth a line in the log.
                    log.warning("store.deadlock", error=str(error.orig))
                    result = await self.writer.run(transact)
        except StoreUnavailable:
            self._in_doubt = True
            raise
        self._in_doubt = False
        return result

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in a transaction that only reads and sees one state of the database. Returns the result of `work`.

        Raises StoreUnavailable if the database doesn't answer.
        """
        with outages():
            return await self.reader.run(lambda connection: work(connection, *args, **kwargs))

    async def ping(self) -> None:
        """Raise StoreUnavailable if a transaction that writes can't begin now.

        If a write has raised StoreUnavailable, and no write has succeeded since, a small write is tried, too.
        """
        await self.write(self._check)

    def _check(self, connection: Connection) -> None:
        if self._in_doubt:
            connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
        # On SQLite, this transaction has begun with BEGIN IMMEDIATE, which fails if we can't write.
        if not is_sqlite(self.url) and connection.scalar(text("SHOW transaction_read_only")) == "on":
            raise StoreUnavailable("the database is read only")

    async def close(self) -> None:
        """Close the connections. A transaction under way runs to its end; on SQLite, this method waits for the end."""
        await self.reader.close()
        await self.writer.close()
