"""Connections to SQLite: how they write to disk, and what happens when they can't."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, text

from liveserver.domain.errors import NotFound, SettingsError, StoreUnavailable
from liveserver.store import Store
from liveserver.store.database import Database
from liveserver.store.database_url import parse_url
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_draft, a_liveblog, an_entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy import Connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "live.db"


async def opened(path: Path, patience: float = 5.0) -> Store:
    return await Store.open(f"sqlite:///{path}", patience=patience)


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
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable) as caught:
            await store.entries.create("match", an_entry(), by=NEWSROOM)
        assert isinstance(caught.value.__cause__, Exception)
        assert "locked" in str(caught.value.__cause__)
        with pytest.raises(StoreUnavailable):
            await store.ping()
        assert (await store.liveblogs.snapshot("match", limit=5)).entries == []
        other.execute("ROLLBACK")
    await store.ping()
    assert (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry.seq == 1
    await store.close()


async def test_a_writer_that_waits_too_long_for_its_turn(path: Path) -> None:
    """There is one writing connection: the queue before it has an end."""
    store = await opened(path, patience=0.1)
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    async with writing(store):
        with pytest.raises(StoreUnavailable):
            await store.entries.create("match", a_draft(), by=NEWSROOM)
    await store.entries.create("match", a_draft(), by=NEWSROOM)
    await store.close()


async def test_a_request_that_is_given_up(path: Path) -> None:
    """Its transaction goes on to its end, and holds its connection until then."""
    store = await opened(path, patience=0.1)
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
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
        await store.entries.create("match", a_draft(), by=NEWSROOM)
    end.set()
    await store.close()
    store = await opened(path)
    assert (await store.liveblogs.find("match")).seq == 7
    await store.close()


async def test_a_full_disk(path: Path) -> None:
    """StoreUnavailable, nothing half written, and well again when there is room."""
    store = await opened(path)
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    entry = an_entry(body="x" * 1_000_000)
    full = await store._database.write(lambda connection: connection.scalar(text("PRAGMA max_page_count=1")))
    with pytest.raises(StoreUnavailable):
        await store.entries.create("match", entry, by=NEWSROOM)
    assert (await store.liveblogs.find("match")).seq == 0
    with pytest.raises(NotFound):
        await store.entries.find("match", entry.id)
    more = text(f"PRAGMA max_page_count={full + 10_000}")
    await store._database.write(lambda connection: connection.execute(more).all())
    assert (await store.entries.create("match", entry, by=NEWSROOM)).entry.seq == 1
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
            await store.liveblogs.create(a_liveblog(), NEWSROOM)
        other.execute("ROLLBACK")
    statements.clear()
    await store.ping()
    await store.ping()
    assert [statement.split()[0] for statement in statements] == ["BEGIN", "UPDATE", "BEGIN"]
    await store.close()


async def test_a_damaged_file(path: Path) -> None:
    """A file that isn't a database is told in one line."""
    await asyncio.to_thread(path.write_bytes, b"not a database at all" * 1000)
    with pytest.raises(SettingsError, match="not a database"):
        await opened(path)


async def test_readers_do_not_wait_for_a_writer(path: Path) -> None:
    """An open write transaction delays no read, and isn't seen by it."""
    store = await opened(path)
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    async with writing(store, "UPDATE liveblogs SET seq = 7"):
        async with asyncio.timeout(2):
            assert (await store.liveblogs.find("match")).seq == 0
    assert (await store.liveblogs.find("match")).seq == 7
    await store.close()


async def test_lists_are_answered_by_indexes(path: Path) -> None:
    """No list is sorted, or filtered by reading the whole live blog."""
    store = await opened(path)
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
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
        # Entries that wait for their time are all of that index.
        assert "SCAN" not in plan.replace("SCAN entries USING INDEX ix_entries_due", "")
        assert "TEMP B-TREE FOR ORDER BY" not in plan
        found += re.findall(r"ix_entries_\w+", plan)
    listing = ["ix_entries_seq", "ix_entries_list"]
    assert found == [
        "ix_entries_pinned",
        "ix_entries_key_events",
        "ix_entries_list",
        *listing,
        # A feed: published entries, drafts and others that were withdrawn, deleted entries.
        *["ix_entries_list"] * 5,
        *listing,
        "ix_entries_seq",
        "ix_entries_due",
    ]
    await store.close()
