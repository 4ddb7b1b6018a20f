"""Backups: one moment of a database, from which everything comes back."""

from __future__ import annotations

import asyncio
import io
import sqlite3
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Table, text
from sqlalchemy.exc import OperationalError

from liveserver.domain.errors import SettingsError, StoreUnavailable
from liveserver.store import Idempotency, Store, tables
from liveserver.store.backup import dump, sections
from liveserver.store.backup import restore as restoring
from liveserver.store.backup.archive import Holdings
from liveserver.store.backup.dump import backup
from liveserver.store.backup.restore import Restored, restore
from tests.support.backups import REQUEST, back_up, query, seen
from tests.support.principals import NEWSROOM, named
from tests.support.store_samples import TYPOGRAPHY, a_liveblog, an_entry, at
from tests.support.transaction_pause import Pause

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, FromClause

    from liveserver.store.backup.archive import Row


async def test_everything_comes_back(filled: Store, store_url: str, target_url: str, path: Path) -> None:
    """To another database, of the same kind or of the other, without one that was there before."""
    manifest = await back_up(store_url, path)
    expected = await seen(filled)
    assert manifest.holds == Holdings(2, 10, at(50))
    assert {name: section.rows for name, section in manifest.sections.items()} == {
        "liveblogs": 2,
        "entries": 11,
        "revisions": 13,
        "takedowns": 1,
        "reach": 1,
        "idempotency": 1,
        "media": 2,
        "partners": 1,
        "moments": 12,
        "sources": 1,
        "copies": 1,
        "api_keys": 1,
        "reach_links": 1,
        "notes": 0,
        "users": 2,
        "memberships": 1,
        "passkeys": 1,
        "identities": 0,
        "acts": 28,
    }
    assert await restore(target_url, path) == Restored(Holdings(0, 0, None), manifest.holds)
    target = await Store.open(target_url, migrate=False)
    assert await seen(target) == expected
    replayed = await target.entries.create("match", an_entry(), by=named(TYPOGRAPHY), idempotency=REQUEST)
    assert (replayed.replayed, replayed.entry.heading) == (True, TYPOGRAPHY)
    await target.liveblogs.create(a_liveblog("next"), NEWSROOM)
    assert (await target.entries.create("next", an_entry(), by=NEWSROOM)).entry.seq == 1
    await target.close()
    # And once more, from what was restored.
    again = path.with_name("again.zip")
    assert (await back_up(target_url, again)).holds.liveblogs == 3
    await restore(store_url, again, replace=True)
    assert (await filled.liveblogs.find("next")).seq == 1


async def test_while_others_publish(
    store: Store, store_url: str, other: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup is one moment: as many entries as the counter says, each with its revision, each key with its entry."""
    # So that a backup takes its time.
    monkeypatch.setattr(dump, "ROWS", 1)
    for number in range(40):
        await store.entries.create("match", an_entry(at(number)), by=NEWSROOM)
    done = asyncio.Event()

    async def publish(writer: Store, name: str) -> None:
        count = 0
        while not done.is_set():
            request = Idempotency(str(count), "hash")
            await writer.entries.create("match", an_entry(at(count)), by=named(name), idempotency=request)
            count += 1

    publisher = [asyncio.create_task(publish(writer, name)) for writer, name in ((store, "a"), (other, "b"))]
    manifest = await back_up(store_url, path)
    done.set()
    await asyncio.gather(*publisher)
    written = (await store.liveblogs.find("match")).seq
    assert 40 <= manifest.holds.entries < written, "there was publishing meanwhile"

    target_url = f"sqlite:///{path.parent}/target.db"
    await restore(target_url, path)
    target = await Store.open(target_url)
    changes = await target.changes.after("match", 0, limit=99_999)
    assert [change.seq for change in changes.items] == list(range(1, changes.liveblog.seq + 1))
    assert changes.liveblog.seq == manifest.holds.entries == manifest.sections["revisions"].rows
    assert manifest.sections["idempotency"].rows == changes.liveblog.seq - 40
    orphans = "SELECT count(*) FROM idempotency WHERE target_id NOT IN (SELECT id FROM entries)"
    assert await query(target, orphans) == [(0,)]
    assert await query(target, "PRAGMA foreign_key_check") == []
    assert await query(target, "PRAGMA integrity_check") == [("ok",)]
    await target.close()


async def test_a_backup_that_is_cancelled_ends(filled: Store, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And writes nothing more."""
    pause, read = Pause(), dump._read

    def hold(connection: Connection, table: Table) -> Iterator[list[Row]]:
        if table.name == "entries":
            pause.here(connection)
        yield from read(connection, table)

    monkeypatch.setattr(dump, "_read", hold)
    file = io.BytesIO()
    backing_up = asyncio.create_task(backup(store_url, file))
    await pause.reached.wait()
    backing_up.cancel()
    await asyncio.sleep(0)
    pause.end()
    with pytest.raises(asyncio.CancelledError):
        await backing_up
    with zipfile.ZipFile(file) as unfinished:
        assert unfinished.namelist() == ["liveblogs.jsonl", "entries.jsonl"]
        assert unfinished.read("entries.jsonl") == b""


async def test_a_database_that_is_not_there(tmp_path: Path, path: Path, empty_postgres_url: str) -> None:
    """Is not made by a backup, and one without tables has nothing to back up."""
    with pytest.raises(SettingsError, match=r"there is no database sqlite:///.*/absent.db"):
        await back_up(f"sqlite:///{tmp_path}/absent.db", path)
    assert not await asyncio.to_thread((tmp_path / "absent.db").exists)
    await asyncio.to_thread((tmp_path / "empty.db").touch)
    for url in (f"sqlite:///{tmp_path}/empty.db", empty_postgres_url):
        with pytest.raises(SettingsError, match="nothing to back up"):
            await back_up(url, path)


def test_every_table_is_backed_up() -> None:
    """A new one must be given its place: what it refers to comes before it."""
    backed_up = [table for table in tables.metadata.tables.values() if table.name not in sections.LEFT_OUT]
    assert list(sections.SECTIONS) == [table.name for table in sorted(backed_up, key=_place)]
    for table in backed_up:
        for other in table.foreign_keys:
            assert _place(other.column.table) < _place(table)


def _place(table: FromClause) -> int:
    assert isinstance(table, Table)
    return sections.SECTIONS.index(table.name)


async def test_a_database_that_goes_away(
    filled: Store, store_url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """StoreUnavailable, from a backup and from a restore; nothing is half done."""
    await back_up(store_url, path)
    before = await seen(filled)

    def lose(connection: Connection, *_: object) -> None:
        raw: Any = connection.connection.driver_connection
        if connection.dialect.name == "sqlite":
            raw.close()
            raise OperationalError("COMMIT", None, sqlite3.OperationalError("disk I/O error"))
        raw.terminate()
        connection.execute(text("SELECT 1"))

    with monkeypatch.context() as patch:
        patch.setattr(dump, "holdings_in", lose)
        with pytest.raises(StoreUnavailable):
            await backup(store_url, io.BytesIO())
    with monkeypatch.context() as patch:
        patch.setattr(restoring, "_begin_histories", lose)
        with pytest.raises(StoreUnavailable):
            await restore(store_url, path, replace=True)
    assert await seen(filled) == before
