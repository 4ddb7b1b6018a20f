"""The database: transactions that write, and transactions that read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from sqlalchemy import text

from liveserver.domain.errors import StoreUnavailable
from liveserver.store.connections import server_connections
from liveserver.store.database_url import is_sqlite
from liveserver.store.outages import outages

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL, Connection


P = ParamSpec("P")
T = TypeVar("T")

HISTORY_LOCK = 0x6C697665_73657276
"""The PostgreSQL advisory lock that writes share, and that a migration or a restore holds alone.

A write is therefore wholly before a restore or wholly after it: what it read at its beginning still holds at its end.
Any number would do, if no other program that shares the database uses it.
"""


_SHARE_HISTORY = text("SELECT pg_advisory_xact_lock_shared(:lock)").bindparams(lock=HISTORY_LOCK)
_OWN_HISTORY = text("SELECT pg_advisory_xact_lock(:lock)").bindparams(lock=HISTORY_LOCK)


def own_history(connection: Connection) -> None:
    """Wait for writes under way, and let nobody else write until this transaction ends. On SQLite that holds anyway."""
    if connection.dialect.name != "sqlite":
        connection.execute(_OWN_HISTORY)


class Database:
    """A database, with connections for writing, and others for reading in transactions that see one state each."""

    def __init__(self, url: URL, *, pool_size: int, patience: float) -> None:
        self.url = url
        self.writer, self.reader = server_connections(url, pool_size, patience)
        self._in_doubt = False
        """True if the last write failed. A write that can begin may still fail at its end (full disk)."""

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in a transaction, which commits when it returns and rolls back if it raises.

        Raises StoreUnavailable. While it commits, that may also mean that only the answer was lost: the caller repeats
        its request with the same idempotency key, or reads the state again.
        """

        def transact(connection: Connection) -> T:
            if not is_sqlite(self.url):
                connection.execute(_SHARE_HISTORY)
            return work(connection, *args, **kwargs)

        try:
            with outages():
                result = await self.writer.run(transact)
        except StoreUnavailable:
            self._in_doubt = True
            raise
        self._in_doubt = False
        return result

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in a transaction that only reads and sees one state throughout. Raises StoreUnavailable."""
        with outages():
            return await self.reader.run(lambda connection: work(connection, *args, **kwargs))

    async def ping(self) -> None:
        """Raise StoreUnavailable if no write can begin now; after a write that failed, try a small one."""
        await self.write(self._check)

    def _check(self, connection: Connection) -> None:
        if self._in_doubt:
            connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
        # On SQLite, BEGIN IMMEDIATE has just shown that we can write.
        if not is_sqlite(self.url) and connection.scalar(text("SHOW transaction_read_only")) == "on":
            raise StoreUnavailable("the database is read only")

    async def close(self) -> None:
        """Close every connection."""
        await self.reader.close()
        await self.writer.close()
