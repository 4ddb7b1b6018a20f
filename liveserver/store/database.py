"""Connections: what a database URL means, how a transaction begins on each database, and which failures are outages."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import orjson
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from liveserver.domain.errors import SettingsError, StoreUnavailable
from liveserver.store.file_lock import keep_private, look_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 5.0
"""Seconds."""

RESTORE_PATIENCE = 60.0
"""The same for a restore, which waits for every write that is under way."""

HISTORY_LOCK = 0x6C697665_73657276
"""The PostgreSQL advisory lock that writes share, and that who replaces the tables or all that is in them has alone.

So a write is wholly before a restore or wholly after it: what it looked up at its beginning still holds at its end. Any
number would do, if no other program that shares the database uses it.
"""

# SQLSTATE classes (PostgreSQL, appendix A) that say "not now" rather than "wrong": connection, authorisation and
# database gone, transaction rollback (deadlock), lock timeout, resources (disk, connections), shutdown, system
# error, a server that became read only.
_OUTAGES = ("08", "28", "3D", "40", "55P03", "53", "57", "58", "25006")

_QUERY_NAMES = frozenset({"host", "port", "ssl", "sslmode"})


def parse_url(address: str) -> URL:
    """The URL, with its driver, for an address as users write it.

    `sqlite:///live.db`, `sqlite:////var/lib/live.db`, `postgresql://user:password@host/database` (or `postgres:`),
    the latter with `sslmode`, `host` and `port` as parameters. Raises SettingsError for anything else.
    """
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise SettingsError("the database URL must be like sqlite:///live.db or postgresql://user@host/name") from None
    match url.drivername:
        case "sqlite":
            if not url.database or url.database == ":memory:":
                raise SettingsError("the database URL must name a file: sqlite:///live.db")
            if url.query or url.host:
                raise SettingsError(
                    "an SQLite URL has three slashes, or four before an absolute path, and no parameters"
                )
            return url.set(drivername="sqlite+pysqlite")
        case "postgresql" | "postgres":
            if not url.database:
                raise SettingsError(f"the database URL must name a database: {shown(url)}/name")
            if unknown := sorted(url.query.keys() - _QUERY_NAMES):
                raise SettingsError(f"the database URL has an unknown parameter: {unknown[0]}")
            query = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
            return url.set(drivername="postgresql+asyncpg", query=query)
        case other:
            raise SettingsError(f"no such kind of database: {other} (use sqlite or postgresql)")


def shown(url: URL) -> str:
    """The URL as users wrote it, for messages: without the driver and the password."""
    plain = url.set(drivername=url.get_backend_name(), query={})
    return plain.render_as_string(hide_password=True)


def is_sqlite(url: URL) -> bool:
    """True if `parse_url` found a file."""
    return url.get_backend_name() == "sqlite"


def to_json(value: Any) -> str:
    """JSON text with every character as itself."""
    return orjson.dumps(value).decode()


async def use_write_ahead_log(url: URL) -> None:
    """Put the SQLite file, which keeps the mode, into WAL: readers and the writer don't wait for each other.

    The file is made, for its owner alone, if there is none.

    Raises SettingsError where the file system can't do that; and what `look_at` raises, before anything is changed.
    """
    await asyncio.to_thread(look_at, Path(str(url.database)))
    await asyncio.to_thread(keep_private, Path(str(url.database)))
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            mode = await asyncio.to_thread(_journal_mode, str(url.database), "WAL")
        except sqlite3.OperationalError as error:
            # SQLite's own timeout doesn't help two processes that both start on a new file: it refuses one at once.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            if mode != "wal":
                raise SettingsError(f"the file system of {shown(url)} can't hold a live database: use a local disk")
            return


def _journal_mode(path: str, mode: str) -> str:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        found: str = connection.execute(f"PRAGMA journal_mode={mode}").fetchone()[0]
        return found


@contextmanager
def outages() -> Iterator[None]:
    """Raises StoreUnavailable, with its cause, where the database can't be reached, is locked, full or too slow."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        if _is_outage(error):
            raise StoreUnavailable(f"the database doesn't answer ({_reason(error)})") from error
        raise


def _is_outage(error: Exception) -> bool:
    if isinstance(error, (OSError, PoolTimeoutError)):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state.startswith(_OUTAGES)
    if isinstance(error.orig, BaseException) and isinstance(error.orig.__cause__, ValueError):
        return False  # asyncpg calls a value that it can't encode an InterfaceError
    # DatabaseError itself, not its kinds, is how SQLite says that the file is damaged.
    return (
        error.connection_invalidated
        or isinstance(error, (OperationalError, InterfaceError))
        or type(error) is DatabaseError
    )


@contextmanager
def opening(url: URL) -> Iterator[None]:
    """Raises SettingsError, naming the database in one line, where it can't be opened."""
    try:
        yield
    except (StoreUnavailable, DBAPIError, sqlite3.Error, OSError) as error:
        raise SettingsError(f"can't open the database {shown(url)}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What it came about by, in a line."""
    # What is no Exception is how a timeout came about: it says less than the timeout.
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return "no answer" if isinstance(error, TimeoutError) else (str(error) or type(error).__name__).splitlines()[0]


def check(address: str) -> None:
    """Look at what a database URL names, before anything is made for it or beside it. Of PostgreSQL, at the URL only.

    Raises SettingsError where it can't be a database.
    """
    url = parse_url(address)
    if is_sqlite(url):
        with opening(url):
            look_at(Path(str(url.database)))


def missing(address: str) -> Path | None:
    """The file that a database URL names if it isn't there yet, from the root; None if it is, or there is a server.

    Raises SettingsError where one can't look.
    """
    url = parse_url(address)
    path = Path(str(url.database)).absolute()
    with opening(url):
        return path if is_sqlite(url) and not path.exists() else None


class Connections(ABC):
    """Connections that begin their transactions alike. A transaction is one function, run from begin to commit."""

    engine: Engine

    @abstractmethod
    async def run(self, work: Callable[[Connection], T]) -> T:
        """Begin, call `work`, commit; or leave nothing if it raises."""

    @abstractmethod
    async def close(self) -> None:
        """Close every connection, when what runs has ended."""


class ThreadConnections(Connections):
    """SQLite: each transaction runs in a thread, as a whole, and each thread has a connection of its own.

    To go to the thread and back for every statement, as asynchronous drivers do, costs more than the statements.
    """

    def __init__(self, engine: Engine, size: int, patience: float) -> None:
        self.engine = engine
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="sqlite")
        self._free = asyncio.Semaphore(size)
        self._patience = patience
        self._own = threading.local()
        self._opened: list[Connection] = []

    async def run(self, work: Callable[[Connection], T]) -> T:
        """See Connections. Raises TimeoutError if no connection becomes free."""
        # Mostly there is a free one, and a timeout isn't for nothing.
        async with asyncio.timeout(self._patience) if self._free.locked() else nullcontext():
            await self._free.acquire()
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._transact, work)
        # Whoever waits for it may be cancelled; the thread goes on, and so does its claim.
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
    """PostgreSQL: transactions run on the event loop, and wait there for the network."""

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


_SHARE_HISTORY = text("SELECT pg_advisory_xact_lock_shared(:lock)").bindparams(lock=HISTORY_LOCK)
_OWN_HISTORY = text("SELECT pg_advisory_xact_lock(:lock)").bindparams(lock=HISTORY_LOCK)


def own_history(connection: Connection) -> None:
    """Let nobody else write until this transaction ends; wait for those who do. On SQLite it is so already."""
    if connection.dialect.name != "sqlite":
        connection.execute(_OWN_HISTORY)


class Database:
    """Two kinds of connections to one database: one that writes, and one whose transactions see one moment each."""

    def __init__(self, url: URL, *, pool_size: int, patience: float) -> None:
        self.url = url
        make = _sqlite_connections if is_sqlite(url) else _postgresql_connections
        self.writer, self.reader = make(url, pool_size, patience)
        self._in_doubt = False
        """Whether the last write failed: that one could begin doesn't say that it would end well (a full disk)."""

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A transaction that commits when `work` returns, and leaves nothing if it raises.

        StoreUnavailable while it commits may also mean that only the answer was lost: the caller repeats what it
        asked with the same idempotency key, or reads the state again.
        """

        def transact(connection: Connection) -> T:
            if not is_sqlite(self.url):
                connection.execute(_SHARE_HISTORY)
            return work(connection, *args, **kwargs)

        try:
            with outages():
                done = await self.writer.run(transact)
        except StoreUnavailable:
            self._in_doubt = True
            raise
        self._in_doubt = False
        return done

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A transaction that writes nothing, and in which all statements see the same state."""
        with outages():
            return await self.reader.run(lambda connection: work(connection, *args, **kwargs))

    async def ping(self) -> None:
        """Raises StoreUnavailable unless a write could begin now; after one that failed, unless one succeeds."""
        await self.write(self._check)

    def _check(self, connection: Connection) -> None:
        if self._in_doubt:
            connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
        # On SQLite BEGIN IMMEDIATE has just proved it.
        if not is_sqlite(self.url) and connection.scalar(text("SHOW transaction_read_only")) == "on":
            raise StoreUnavailable("the database is read only")

    async def close(self) -> None:
        """Close every connection."""
        await self.reader.close()
        await self.writer.close()


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
        # The driver must not begin transactions by itself; and waits so many seconds for another's lock.
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
    # Its documentation has the event "begin" execute this, through all that it does for a statement with results.
    # A dialect of our own would be registered by a name, and the two kinds of connections begin differently: so the one
    # method of this engine's dialect is replaced, which mypy allows nobody.
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
                # A server that we can't reach any more must not hold a live blog's lock for us.
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
    """One connection, whose transactions see one moment each, write nothing, and may take their time."""
    if is_sqlite(url):
        engine = _sqlite_engine(url, 1, PATIENCE, begin="BEGIN", pragmas=("query_only=ON",))
        return ThreadConnections(engine, 1, PATIENCE)
    engine_options = {"isolation_level": "REPEATABLE READ", "execution_options": {"postgresql_readonly": True}}
    return _patient_connections(url, "backup", **engine_options)


def restoring_connections(url: URL) -> Connections:
    """One connection, for a transaction that replaces everything."""
    if is_sqlite(url):
        engine = _sqlite_engine(url, 1, PATIENCE, begin="BEGIN IMMEDIATE", pragmas=("foreign_keys=ON",))
        return ThreadConnections(engine, 1, PATIENCE)
    return _patient_connections(url, "restore", isolation_level="READ COMMITTED")


def _patient_connections(url: URL, purpose: str, **options: Any) -> Connections:
    settings = {
        "application_name": f"liveserver {purpose}",
        # What the server may forbid its other clients: one transaction that lasts, and waits for a slow reader of ours.
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
    """One connection for changing the schema: patient, and without SQLite's foreign keys.

    Alembic replaces a table by dropping it, which would take with it what refers to it.
    """
    if not is_sqlite(url):
        connect_args = {"timeout": PATIENCE, "server_settings": {"application_name": "liveserver migrate"}}
        return LoopConnections(create_async_engine(url, poolclass=NullPool, connect_args=connect_args))
    engine = create_engine(url, poolclass=NullPool, connect_args={"isolation_level": None, "timeout": 30.0})
    _sqlite_events(engine, "BEGIN IMMEDIATE", ("synchronous=FULL", "foreign_keys=OFF"))
    return ThreadConnections(engine, 1, PATIENCE)
