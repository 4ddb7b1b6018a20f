"""Connections to SQLite and PostgreSQL: how their transactions begin, and how long transactions may wait."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from sqlalchemy import create_engine, event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from liveserver.store.database_url import is_sqlite

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine


T = TypeVar("T")

PATIENCE = 5.0
"""How long, in seconds, a server's transaction waits for a statement (on PostgreSQL), a lock or a free connection. If
the wait is longer, the transaction fails."""

RESTORE_PATIENCE = 60.0
"""How long, in seconds, a backup or a restore on PostgreSQL waits for a lock. A restore waits until other
transactions' writes have ended."""


def to_json(value: Any) -> str:
    """Return a value as JSON text. Characters beyond ASCII aren't escaped."""
    return orjson.dumps(value).decode()


class Connections(ABC):
    """Connections to a database, either for transactions that write or for transactions that only read.

    A transaction is one function call: it begins before the function is called, and ends after the function returns.
    """

    engine: Engine

    @abstractmethod
    async def run(self, work: Callable[[Connection], T]) -> T:
        """Begin a transaction, call `work`, and commit; return the result of `work`. Rolls back if `work` raises."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections. A transaction under way runs to its end."""


class ThreadConnections(Connections):
    """Connections to SQLite. A whole transaction runs in one thread, and each thread has its own connection.

    The asynchronous drivers for SQLite hand every single statement to a thread, and wait for its result. Handing
    over takes longer than the statements themselves.
    """

    def __init__(self, engine: Engine, size: int, patience: float) -> None:
        self.engine = engine
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="sqlite")
        self._free = asyncio.Semaphore(size)
        self._patience = patience
        self._own = threading.local()
        self._opened: list[Connection] = []

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Begin a transaction in a thread, call `work`, and commit. Returns the result of `work`.

        Rolls back if `work` raises. Raises TimeoutError if no connection becomes free within `patience` seconds (an
        argument of the constructor).
        """
        # Without a timeout if a connection is free, as usual: setting up a timeout takes time.
        async with asyncio.timeout(self._patience) if self._free.locked() else nullcontext():
            await self._free.acquire()
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._transact, work)
        # If the caller is cancelled, the thread goes on with the transaction. Its connection is free only after that.
        running.add_done_callback(lambda _: self._free.release())
        return await asyncio.shield(running)

    def _transact(self, work: Callable[[Connection], T]) -> T:
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self.engine.connect()
            self._opened.append(connection)
        with connection.begin():
            return work(connection)

    async def close(self) -> None:
        """Wait until the transactions under way have ended, and close every connection."""
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._opened:
            connection.close()
        self.engine.dispose()


class LoopConnections(Connections):
    """Connections to PostgreSQL. Transactions run on the event loop, which does other work while they wait."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine.sync_engine
        self._engine = engine

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Begin a transaction, call `work`, and commit; return the result of `work`. Rolls back if `work` raises."""
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """Close the unused connections. The other connections stay open until their transactions end."""
        await self._engine.dispose()


def server_connections(url: URL, pool_size: int, patience: float) -> tuple[Connections, Connections]:
    """Return a server's connections: a pair of the connections for writing and the connections for reading.

    A transaction for reading sees one state of the database, and can't write. `pool_size`: the number of connections of
    each kind; for writing to SQLite, there is always one. `patience`: seconds to wait for a statement (on PostgreSQL),
    a lock or a free connection.
    """
    connect = _sqlite_connections if is_sqlite(url) else _postgresql_connections
    return connect(url, pool_size, patience)


def _sqlite_connections(url: URL, pool_size: int, patience: float) -> tuple[Connections, Connections]:
    writer = _sqlite_engine(url, 1, patience, begin="BEGIN IMMEDIATE", pragmas=("foreign_keys=ON", "secure_delete=ON"))
    reader = _sqlite_engine(url, pool_size, patience, begin="BEGIN", pragmas=("query_only=ON",))
    return ThreadConnections(writer, 1, patience), ThreadConnections(reader, pool_size, patience)


def _sqlite_engine(url: URL, size: int, patience: float, *, begin: str, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=patience,
        json_serializer=to_json,
        json_deserializer=orjson.loads,
        # `isolation_level`: None keeps the driver from beginning transactions by itself. `timeout`: seconds that the
        # driver waits for a lock of another connection.
        connect_args={"isolation_level": None, "timeout": patience},
    )
    _sqlite_events(engine, begin, ("synchronous=FULL", *pragmas))
    return engine


def _sqlite_events(engine: Engine, begin: str, pragmas: tuple[str, ...]) -> None:
    def set_pragmas(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def do_begin(dbapi_connection: Any) -> None:
        dbapi_connection.driver_connection.execute(begin)

    event.listen(engine, "connect", set_pragmas)
    # SQLAlchemy's documentation recommends to execute BEGIN in a listener of the event "begin". That costs as much as a
    # statement with results. A dialect of our own would have one name, but our two kinds of connections begin
    # differently. So we replace one method of this engine's dialect, which mypy doesn't allow.
    engine.dialect.do_begin = do_begin  # type: ignore[method-assign]


def _postgresql_connections(url: URL, pool_size: int, patience: float) -> tuple[Connections, Connections]:
    milliseconds = int(patience * 1000)
    options: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": patience,
        "pool_pre_ping": True,
        "json_serializer": to_json,
        "json_deserializer": orjson.loads,
        "connect_args": {
            "timeout": patience,
            "command_timeout": patience,
            "server_settings": {
                "application_name": "liveserver",
                # If we lose the connection, PostgreSQL must not keep the lock of a live blog's row for us.
                "lock_timeout": str(milliseconds),
                "idle_in_transaction_session_timeout": str(3 * milliseconds),
            },
        },
    }
    writer = create_async_engine(url, isolation_level="READ COMMITTED", **options)
    reader = create_async_engine(
        url, isolation_level="REPEATABLE READ", execution_options={"postgresql_readonly": True}, **options
    )
    return LoopConnections(writer), LoopConnections(reader)


def snapshot_connections(url: URL) -> Connections:
    """Return connections for a backup's long transaction, which only reads, and sees one state of the database."""
    if is_sqlite(url):
        engine = _sqlite_engine(url, 1, PATIENCE, begin="BEGIN", pragmas=("query_only=ON",))
        return ThreadConnections(engine, 1, PATIENCE)
    engine_options = {"isolation_level": "REPEATABLE READ", "execution_options": {"postgresql_readonly": True}}
    return _patient_connections(url, "backup", **engine_options)


def restoring_connections(url: URL) -> Connections:
    """Return connections for the long transaction in which a restore replaces the whole content of the database."""
    if is_sqlite(url):
        engine = _sqlite_engine(url, 1, PATIENCE, begin="BEGIN IMMEDIATE", pragmas=("foreign_keys=ON",))
        return ThreadConnections(engine, 1, PATIENCE)
    return _patient_connections(url, "restore", isolation_level="READ COMMITTED")


def _patient_connections(url: URL, purpose: str, **options: Any) -> Connections:
    settings = {
        "application_name": f"liveserver {purpose}",
        # The transaction is long, and idle while its rows are written to a slow file. So we switch off the limits that
        # PostgreSQL may be configured with.
        "statement_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "lock_timeout": str(int(RESTORE_PATIENCE * 1000)),
    }
    engine = create_async_engine(
        url,
        poolclass=NullPool,
        json_serializer=to_json,
        json_deserializer=orjson.loads,
        connect_args={"timeout": PATIENCE, "server_settings": settings},
        **options,
    )
    return LoopConnections(engine)


def migration_connections(url: URL) -> Connections:
    """Return connections for the transaction in which the schema is migrated, or its revision is read.

    These connections wait for locks longer than PATIENCE: on SQLite for 30 seconds; on PostgreSQL, we set no limit.
    On SQLite they don't enforce foreign keys: Alembic changes a table by making a new table and dropping the old table.
    With foreign keys, SQLite would refuse to drop a table that other tables refer to.
    """
    if not is_sqlite(url):
        connect_args = {"timeout": PATIENCE, "server_settings": {"application_name": "liveserver migrate"}}
        return LoopConnections(create_async_engine(url, poolclass=NullPool, connect_args=connect_args))
    engine = create_engine(url, poolclass=NullPool, connect_args={"isolation_level": None, "timeout": 30.0})
    _sqlite_events(engine, "BEGIN IMMEDIATE", ("synchronous=FULL", "foreign_keys=OFF"))
    return ThreadConnections(engine, 1, PATIENCE)
