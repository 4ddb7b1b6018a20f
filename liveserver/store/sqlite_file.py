"""The file of an SQLite database: checking it, keeping it private, its journal, and its lock."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import sqlite3
import stat
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from liveserver.domain.errors import SettingsError
from liveserver.store.connections import PATIENCE
from liveserver.store.database_url import is_sqlite, parse_url, shown
from liveserver.store.outages import opening
from liveserver.utils import private_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL


_BESIDE = ("-wal", "-shm", "-journal", ".lock")
"""Endings of the files beside the database: those that SQLite makes, with the database's mode, and our lock."""

# The standard library's logger: commands open the store, too, and their standard output is for their results.
log = logging.getLogger(__name__)


def look_at(path: Path) -> None:
    """Check that a file is, or can become, an SQLite database that we can write to. Changes nothing, makes no file.

    Raises OSError and sqlite3.Error, whose messages name the fault.
    """
    path = path.resolve()
    try:
        status = path.stat()
    except FileNotFoundError:
        status = None
    if status is not None and not stat.S_ISREG(status.st_mode):
        raise OSError("it is a folder" if stat.S_ISDIR(status.st_mode) else "it is no file")
    if not path.parent.is_dir():
        raise OSError(f"there is no folder {path.parent}")
    if status is not None and not private_files.may_write(path):
        raise OSError("this user may not read and write it")
    if not private_files.may_write(path.parent):
        raise OSError(f"this user may not write in the folder {path.parent}, where SQLite keeps files beside it")
    if status is not None and status.st_size:
        _read_head(path)


def _read_head(path: Path) -> None:
    # SQLite opens the file: if we opened and closed it ourselves, this process would lose its locks on it (fcntl).
    # `immutable`: SQLite takes no lock, and makes no files beside it.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        connection.execute("PRAGMA schema_version").fetchone()


def keep_private(path: Path) -> None:
    """Let only the owner read an SQLite file and the files beside it; create the file if there is none.

    It holds drafts, earlier texts of entries that were corrected or deleted, and the hashes of API keys.
    """
    path = path.resolve()
    # If the file can't be created, SQLite will say why.
    with suppress(OSError):
        private_files.create(path)
    for file in (path, *(path.with_name(path.name + ending) for ending in _BESIDE)):
        try:
            if private_files.tighten(file):
                log.warning("%s could be read by others: from now on it is its owner's alone (mode 0600)", file)
        except PermissionError:
            log.warning("%s can be read by others, and is not ours to change: make its mode 0600", file)


@contextmanager
def alone(address: str, complaint: str) -> Iterator[None]:
    """Hold the lock of an SQLite file; PostgreSQL needs none. Raises SettingsError(complaint) if another holds it.

    The lock is a file beside the database, and ends with the process that holds it.
    """
    if not address.startswith("sqlite:///"):
        yield
        return
    path = Path(address.removeprefix("sqlite:///") + ".lock")
    try:
        file = private_files.write_to(path)
    except OSError as error:
        raise SettingsError(f"can't write beside the database: {path}: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(complaint) from None
        yield


async def use_write_ahead_log(url: URL) -> None:
    """Set the SQLite file to WAL, in which readers and the writer don't wait for each other. The file keeps the mode.

    The file is created, for its owner alone, if there is none. Raises SettingsError if the file system can't do WAL;
    and the errors of `look_at`, before anything is changed.
    """
    await asyncio.to_thread(look_at, Path(str(url.database)))
    await asyncio.to_thread(keep_private, Path(str(url.database)))
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            mode = await asyncio.to_thread(_journal_mode, str(url.database), "WAL")
        except sqlite3.OperationalError as error:
            # If two processes start on a new file, SQLite refuses one of them at once, whatever its timeout.
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            if mode != "wal":
                raise SettingsError(f"the file system of {shown(url)} can't hold a live database: use a local disk")
            return


def _is_busy(error: sqlite3.OperationalError) -> bool:
    """True if another connection has the file, whatever for: SQLite's extended codes tell by their last byte."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _journal_mode(path: str, mode: str) -> str:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        new_mode: str = connection.execute(f"PRAGMA journal_mode={mode}").fetchone()[0]
        return new_mode


def check(address: str) -> None:
    """Check that a URL can name a database, before any file is made. For PostgreSQL, only the URL is checked.

    Raises SettingsError if it can't.
    """
    url = parse_url(address)
    if is_sqlite(url):
        with opening(url):
            look_at(Path(str(url.database)))


def missing(address: str) -> Path | None:
    """Return the absolute path of a URL's file if it doesn't exist yet; None if it does, or for PostgreSQL.

    Raises SettingsError if this user may not look.
    """
    url = parse_url(address)
    path = Path(str(url.database)).absolute()
    with opening(url):
        return path if is_sqlite(url) and not path.exists() else None
