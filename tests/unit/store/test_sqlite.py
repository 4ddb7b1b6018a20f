"""What is SQLite's own: how it writes to disk, and what happens when it can't."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import sys
import threading
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, text

from liveserver.cli.commands.backup import read
from liveserver.domain.errors import NotFound, SettingsError, StoreUnavailable
from liveserver.server.server import serve
from liveserver.settings import load
from liveserver.store import Store, migrate, sqlite_file
from liveserver.store.database import Database
from liveserver.store.database_url import parse_url
from tests.support.store_samples import a_draft, a_liveblog, an_entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sqlalchemy import Connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "live.db"


async def opened(path: Path, patience: float = 5.0) -> Store:
    return await Store.open(f"sqlite:///{path}", patience=patience)


def open_and_close(path: Path) -> None:
    """As commands do."""

    async def run() -> None:
        await (await opened(path)).close()

    asyncio.run(run())


@asynccontextmanager
async def writing(store: Store, statement: str = "SELECT 1") -> AsyncIterator[None]:
    """A write transaction that has executed the statement, and commits at the end of the block."""
    begun, end = threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        connection.execute(text(statement))
        begun.set()
        end.wait(10)

    transaction = asyncio.create_task(store._database.write(work))
    assert await asyncio.to_thread(begun.wait, 10)
    try:
        yield
    finally:
        end.set()
        await transaction


def explained(connection: Connection, sql: str, parameters: tuple[object, ...]) -> str:
    return "\n".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters))


async def test_connections_are_set_up_for_safety(path: Path) -> None:
    """Write-ahead log, fsync at every commit, patience, foreign keys; readers can't write."""
    store = await opened(path)
    database = Database(parse_url(f"sqlite:///{path}"), pool_size=2, patience=5.0)

    def pragmas(connection: Connection) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys", "query_only")
        return {name: connection.scalar(text(f"PRAGMA {name}")) for name in names}

    safe: dict[str, object] = {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 5000}
    assert await database.write(pragmas) == {**safe, "foreign_keys": 1, "query_only": 0}
    reader = await database.read(pragmas)
    assert reader == {**safe, "foreign_keys": reader["foreign_keys"], "query_only": 1}
    await database.close()
    await store.close()


async def test_a_lock_of_another_program(path: Path) -> None:
    """Writes are refused after the busy timeout and leave nothing; reads go on; then all is well again."""
    store = await opened(path, patience=0.1)
    await store.liveblogs.create(a_liveblog())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable) as caught:
            await store.entries.create("match", an_entry(), actor="desk")
        assert isinstance(caught.value.__cause__, Exception)
        assert "locked" in str(caught.value.__cause__)
        with pytest.raises(StoreUnavailable):
            await store.ping()
        assert (await store.liveblogs.snapshot("match", limit=5)).entries == []
        other.execute("ROLLBACK")
    await store.ping()
    assert (await store.entries.create("match", an_entry(), actor="desk")).entry.seq == 1
    await store.close()


async def test_a_writer_that_waits_too_long_for_its_turn(path: Path) -> None:
    """There is one writing connection: the queue before it has an end."""
    store = await opened(path, patience=0.1)
    await store.liveblogs.create(a_liveblog())
    async with writing(store):
        with pytest.raises(StoreUnavailable):
            await store.entries.create("match", a_draft(), actor="desk")
    await store.entries.create("match", a_draft(), actor="desk")
    await store.close()


async def test_a_request_that_is_given_up(path: Path) -> None:
    """Its transaction goes on to its end, and holds its connection until then."""
    store = await opened(path, patience=0.1)
    await store.liveblogs.create(a_liveblog())
    begun, end = threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        connection.execute(text("UPDATE liveblogs SET seq = 7"))
        begun.set()
        end.wait(10)

    request = asyncio.create_task(store._database.write(work))
    assert await asyncio.to_thread(begun.wait, 10)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    with pytest.raises(StoreUnavailable):
        await store.entries.create("match", a_draft(), actor="desk")
    end.set()
    await store.close()
    store = await opened(path)
    assert (await store.liveblogs.find("match")).seq == 7
    await store.close()


async def test_a_full_disk(path: Path) -> None:
    """StoreUnavailable, nothing half written, and well again when there is room."""
    store = await opened(path)
    await store.liveblogs.create(a_liveblog())
    entry = an_entry(body="x" * 1_000_000)
    full = await store._database.write(lambda connection: connection.scalar(text("PRAGMA max_page_count=1")))
    with pytest.raises(StoreUnavailable):
        await store.entries.create("match", entry, actor="desk")
    assert (await store.liveblogs.find("match")).seq == 0
    with pytest.raises(NotFound):
        await store.entries.find("match", entry.id)
    more = text(f"PRAGMA max_page_count={full + 10_000}")
    await store._database.write(lambda connection: connection.execute(more).all())
    assert (await store.entries.create("match", entry, actor="desk")).entry.seq == 1
    await store.close()


async def test_after_a_write_that_failed_ping_writes(path: Path) -> None:
    """On a full disk a transaction begins well: only a write that succeeds shows that one can be published."""
    store = await opened(path, patience=0.1)
    statements: list[str] = []
    engine = store._database.writer.engine
    event.listen(engine, "begin", lambda _: statements.append("BEGIN"))
    event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    await store.ping()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable):
            await store.liveblogs.create(a_liveblog())
        other.execute("ROLLBACK")
    statements.clear()
    await store.ping()
    await store.ping()
    assert [statement.split()[0] for statement in statements] == ["BEGIN", "UPDATE", "BEGIN"]
    await store.close()


async def test_a_damaged_file(path: Path) -> None:
    """What isn't a database is said in one line."""
    await asyncio.to_thread(path.write_bytes, b"not a database at all" * 1000)
    with pytest.raises(SettingsError, match="not a database"):
        await opened(path)


async def test_readers_do_not_wait_for_a_writer(path: Path) -> None:
    """An open write transaction delays no read, and isn't seen by it."""
    store = await opened(path)
    await store.liveblogs.create(a_liveblog())
    async with writing(store, "UPDATE liveblogs SET seq = 7"):
        async with asyncio.timeout(2):
            assert (await store.liveblogs.find("match")).seq == 0
    assert (await store.liveblogs.find("match")).seq == 7
    await store.close()


async def test_lists_are_answered_by_indexes(path: Path) -> None:
    """No list is sorted, or filtered by reading the whole live blog."""
    store = await opened(path)
    await store.liveblogs.create(a_liveblog())
    statements: list[tuple[str, tuple[object, ...]]] = []

    def note(_connection: object, _cursor: object, sql: str, parameters: tuple[object, ...], *_: object) -> None:
        if "entries" in sql:
            statements.append((sql, parameters))

    event.listen(store._database.reader.engine, "before_cursor_execute", note)
    await store.liveblogs.snapshot("match", limit=20)
    await store.liveblogs.feed("match", limit=20)
    await store.changes.after("match", 7, limit=20)
    await store.entries.scheduled(limit=20)
    event.remove(store._database.reader.engine, "before_cursor_execute", note)
    found = []
    for sql, parameters in statements:
        plan = await store._database.read(explained, sql, parameters)
        # What waits for its time is all of that index.
        assert "SCAN" not in plan.replace("SCAN entries USING INDEX ix_entries_due", "")
        assert "TEMP B-TREE FOR ORDER BY" not in plan
        found += re.findall(r"ix_entries_\w+", plan)
    listing = ["ix_entries_seq", "ix_entries_list"]
    assert found == [
        "ix_entries_pinned",
        "ix_entries_key_events",
        "ix_entries_list",
        *listing,
        "ix_entries_list",
        "ix_entries_list",
        *listing,
        "ix_entries_seq",
        "ix_entries_due",
    ]
    await store.close()


async def test_a_new_file_that_another_process_reads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can't turn to the write-ahead log yet: the store tries again."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN")
        other.execute("SELECT * FROM t")
        waits = 0

        async def release(_seconds: float) -> None:
            nonlocal waits
            waits += 1
            if other.in_transaction:
                other.execute("ROLLBACK")

        monkeypatch.setattr(asyncio, "sleep", release)
        await (await opened(path)).close()
        assert waits == 1


async def test_a_file_system_without_shared_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There SQLite stays with its rollback journal, in which readers would wait for the writer: said in one line."""
    monkeypatch.setattr(sqlite_file, "_journal_mode", lambda *_: "delete")
    with pytest.raises(SettingsError, match="use a local disk"):
        await opened(path)


async def test_a_path_with_odd_characters(tmp_path: Path) -> None:
    """Spaces, percent signs and accents are part of the name."""
    directory = tmp_path / "direct é 100%"
    directory.mkdir()
    store = await opened(directory / "live.db")
    await store.close()
    assert (directory / "live.db").exists()


async def test_a_directory_that_is_missing(tmp_path: Path) -> None:
    """Said in one line, with the file."""
    with pytest.raises(
        SettingsError, match=r"the database sqlite:////.*/nowhere/live.db: there is no folder /.*/nowhere$"
    ):
        await opened(tmp_path / "nowhere" / "live.db")


def _listing(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode for path in (directory, *directory.iterdir())}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.mkdir(0o755), "it is a folder"),
        (lambda path: os.mkfifo(path, 0o644), "it is no file"),
        (lambda path: path.write_text("hello"), "file is not a database"),
        (lambda path: path.write_text("a text " * 2_000), "file is not a database"),
        (lambda path: path.write_bytes(bytes(5_000)), "file is not a database"),
    ],
    ids=["folder", "pipe", "word", "text", "zeros"],
)
def test_what_is_no_database_stays_as_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], said: str
) -> None:
    """With its mode, and nothing beside it; whatever would work on it."""
    monkeypatch.setattr("liveserver.server.log_config.configure", lambda settings: None)
    make(path)
    path.chmod(0o644)
    before = _listing(path.parent)
    address = f"sqlite:///{path}"
    for work in (
        lambda: open_and_close(path),
        lambda: asyncio.run(migrate(address)),
        lambda: sqlite_file.check(address),
        lambda: read(address, path.parent / "backup.zip", force=True),
        lambda: serve(load(database_url=address, port=0)),
    ):
        with pytest.raises(SettingsError) as caught:
            work()
        assert str(caught.value) == f"can't open the database {address}: {said}"
    assert _listing(path.parent) == before


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch()
    open_and_close(path)
    assert path.read_bytes().startswith(b"SQLite format 3")


async def test_a_look_leaves_the_locks_of_this_process(path: Path) -> None:
    """POSIX drops all that a process has on a file as soon as it closes any descriptor of it."""
    await (await opened(path)).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        sqlite_file.check(f"sqlite:///{path}")
        other = "import sqlite3,sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
        found = await asyncio.create_subprocess_exec(sys.executable, "-c", other, path, stderr=asyncio.subprocess.PIPE)
        assert b"database is locked" in (await found.communicate())[1]


def test_a_database_that_can_not_be_written(ordinary: Path) -> None:
    """Is refused at the start, and not at the first entry: the file, or the folder in which SQLite has its journal."""
    path = ordinary / "live.db"
    open_and_close(path)
    path.chmod(0o400)
    with pytest.raises(SettingsError, match=r"live.db: this user may not read and write it$"):
        open_and_close(path)
    path.chmod(0o600)
    ordinary.chmod(0o500)
    with pytest.raises(SettingsError, match=f"this user may not write in the folder {ordinary}, where SQLite keeps"):
        open_and_close(path)
    with pytest.raises(SettingsError, match=f"this user may not write in the folder {ordinary}, where SQLite keeps"):
        open_and_close(ordinary / "new.db")
    ordinary.chmod(0o700)
    open_and_close(path)
