"""The file of an SQLite database: what can be one, what is left alone, and what is said of what can't."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from liveserver.cli.backup_files import restore_backup
from liveserver.domain.errors import SettingsError
from liveserver.server.serve import serve
from liveserver.settings import load
from liveserver.store import Store, migrate, sqlite_file
from liveserver.store.database_url import parse_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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
        lambda: restore_backup(address, path.parent / "backup.zip", force=True),
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


def _failing(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = code
    return error


async def test_a_file_that_another_process_has_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while the other one makes it anew, or recovers it, for which SQLite has codes of its own."""
    left = [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY, sqlite3.SQLITE_BUSY_SNAPSHOT]

    def journal_mode(*_: object) -> str:
        if left:
            raise _failing(left.pop())
        return "wal"

    monkeypatch.setattr(sqlite_file, "_journal_mode", journal_mode)
    await sqlite_file.use_write_ahead_log(parse_url(f"sqlite:///{tmp_path}/live.db"))
    assert left == []


async def test_another_error_of_the_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once: it would be the same later."""

    def journal_mode(*_: object) -> str:
        raise _failing(sqlite3.SQLITE_CANTOPEN)

    monkeypatch.setattr(sqlite_file, "_journal_mode", journal_mode)
    with pytest.raises(sqlite3.OperationalError):
        await sqlite_file.use_write_ahead_log(parse_url(f"sqlite:///{tmp_path}/live.db"))


def test_a_file_left_half_way_by_a_checkpoint_is_opened_with_its_log(path: Path) -> None:
    """SQLite copies the pages of its log into the file in ascending order; here the process ended after the first."""
    log_file = path.with_name("live.db-wal")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE texts (text)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = path.stat().st_size
        connection.execute("INSERT INTO texts VALUES (?)", ["La mer monte. " * 2_000])
        pages = log_file.read_bytes()
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        copied = path.read_bytes()
    path.write_bytes(copied[:before])
    with pytest.raises(SettingsError, match="malformed"):
        open_and_close(path)
    log_file.write_bytes(pages)
    open_and_close(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT length(text) FROM texts").fetchone() == (28_000,)
