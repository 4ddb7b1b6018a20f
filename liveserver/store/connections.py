"""Connections: the way a transaction begins on each database, and the longest that it may wait."""

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
"""Seconds to wait for a statement, a lock or a free connection."""

RESTORE_PATIENCE = 60.0
"""Seconds that a restore waits for a lock: every write that is under way has to end first."""


def to_json(value: Any) -> str:
    """Return a value as JSON text, in which no character is escaped that needn't be."""
    return orjson.dumps(value).decode()


class Connections(ABC):
    """Connections whose transactions all begin in one way. A transaction is one function, run from begin to commit."""

    engine: Engine

    @abstractmethod
    async def run(self, work: Callable[[Connection], T]) -> T:
        """Begin a transaction, call `work`, and commit; roll back if it raises."""

    @abstractmethod
    async def close(self) -> None:
        """Close every connection, once the transactions under way have ended."""


class ThreadConnections(Connections):
    """Connections to SQLite: a transaction runs as a whole in one thread, and each thread has its own connection.

    Asynchronous drivers go to the thread and back for every statement, which costs more than the statements themselves.
    """

    def __init__(self, engine: Engine, size: int, patience: float) -> None:
        self.engine = engine
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="sqlite")
        self._free = asyncio.Semaphore(size)
        self._patience = patience
        self._own = threading.local()
        self._opened: list[Connection] = []

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction in a thread. Raises TimeoutError if no connection becomes free in time. See Connections."""
        # Usually a connection is free, and setting up a timeout costs something.
        async with asyncio.timeout(self._patience) if self._free.locked() else nullcontext():
            await self._free.acquire()
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._transact, work)
        # If the caller is cancelled, the thread still works, and its connection is free only when it has ended.
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
        """See Connections."""
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._opened:
            connection.close()
        self.engine.dispose()


class LoopConnections(Connections):
    """Connections to PostgreSQL: transactions run on the event loop, and wait there for the network."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine.sync_engine
        self._engine = engine

    async def run(self, work: Callable[[Connection], T]) -> T:
        """See Connections."""
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """See Connections."""
        await self._engine.dispose()


def server_connections(url: URL, pool_size: int, patience: float) -> tuple[Connections, Connections]:
    """Return a server's connections: those that write, and those that read; a reading transaction sees one state.

    `pool_size`: connections of each kind; SQLite writes with one only. `patience`: seconds to wait for a statement, a
    lock or a free connection.
    """
    connect = _sqlite_connections if is_sqlite(url) else _postgresql_connections
    return connect(url, pool_size, patience)


def _sqlite_connections(url: URL, pool_size: int, patience: float) -> tuple[Connections, Connections]:
    writer = _sqlite_engine(url, 1, patience, begin="BEGIN IMMEDIATE", pragmas=("foreign_keys=ON",))
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
        # The driver must not begin transactions by itself. `timeout`: seconds that it waits for another's lock.
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
    # SQLAlchemy's documentation executes BEGIN in the event "begin", which does all the work of a statement with
    # results. A dialect of our own would be registered under one name, but our two kinds of connections begin
    # differently. So one method of this engine's dialect is replaced, which mypy doesn't allow.
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
                # If we lose the connection, PostgreSQL must not go on holding a live blog's lock for us.
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
    """Return one connection for long transactions that only read; each sees one state of the database."""
    if is_sqlite(url):
        engine = _sqlite_engine(url, 1, PATIENCE, begin="BEGIN", pragmas=("query_only=ON",))
        return ThreadConnections(engine, 1, PATIENCE)
    engine_options = {"isolation_level": "REPEATABLE READ", "execution_options": {"postgresql_readonly": True}}
    return _patient_connections(url, "backup", **engine_options)


def restoring_connections(url: URL) -> Connections:
    """Return one connection, for a transaction that replaces everything."""
    if is_sqlite(url):
        engine = _sqlite_engine(url, 1, PATIENCE, begin="BEGIN IMMEDIATE", pragmas=("foreign_keys=ON",))
        return ThreadConnections(engine, 1, PATIENCE)
    return _patient_connections(url, "restore", isolation_level="READ COMMITTED")


def _patient_connections(url: URL, purpose: str, **options: Any) -> Connections:
    settings = {
        "application_name": f"liveserver {purpose}",
        # The transaction is long, and idle while a slow reader takes its rows: the server's usual limits don't apply.
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
    """Return one connection for changing the schema: it waits long for locks, and has no foreign keys on SQLite.

    Alembic replaces a table by dropping it, which would delete the rows that refer to it.
    """
    if not is_sqlite(url):
        connect_args = {"timeout": PATIENCE, "server_settings": {"application_name": "liveserver migrate"}}
        return LoopConnections(create_async_engine(url, poolclass=NullPool, connect_args=connect_args))
    engine = create_engine(url, poolclass=NullPool, connect_args={"isolation_level": None, "timeout": 30.0})
    _sqlite_events(engine, "BEGIN IMMEDIATE", ("synchronous=FULL", "foreign_keys=OFF"))
    return ThreadConnections(engine, 1, PATIENCE)
