"""The file of an SQLite database: checks of the file, its permissions, its journal mode, and liveserver's lock."""

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
"""Endings of the names of the files beside the database's file. SQLite makes the files with the
first three endings. The file with the ending `.lock` is for liveserver's lock."""

# The standard library's logger, which writes to standard error: commands open the store, too, and their standard output
# is for their results.
log = logging.getLogger(__name__)


def look_at(path: Path) -> None:
    """Check that a path names an SQLite database that this user may write to, or a place for a new database.

    Changes nothing, and creates no file. If the check fails, raises OSError or sqlite3.Error. The error's
    message names the fault.
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
    """Read the beginning of the file. Raises sqlite3.Error if it isn't a database.

    A file beside which a write-ahead log has pages may have been left half-way when a process was killed, or the disk
    was full, while SQLite copied these pages: then it is shorter than it says. Whoever opens it with its log finds it
    whole, so this is no fault.
    """
    try:
        _read_version(path)
    except sqlite3.DatabaseError as error:
        log_file = path.with_name(f"{path.name}-wal")
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT or not _has_content(log_file):
            raise


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def _read_version(path: Path) -> None:
    # SQLite must open the file, not we: when a process closes a file, it loses all its locks on that file (fcntl), and
    # SQLite may hold some. `immutable`: SQLite takes no lock, and makes no files beside the database.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        connection.execute("PRAGMA schema_version").fetchone()


def keep_private(path: Path) -> None:
    """Let only the owner read an SQLite file and the files beside it. Creates the SQLite file if there is none.

    The database contains drafts, earlier texts of entries that were corrected or deleted, and the hashes of API keys.
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
def locked(address: str, complaint: str, *, shared: bool = False) -> Iterator[None]:
    """Lock an SQLite database against other liveserver processes while the `with` block runs.

    `shared`: True if other processes that also pass True may hold the lock at the same time. The lock is on a file
    beside the database's file. The system releases the lock when the process that holds it ends. Raises SettingsError
    with the message `complaint` if another process holds the lock, unless both share it. Raises SettingsError, too, if
    the lock's file can't be written. Does nothing for a PostgreSQL URL.
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
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(complaint) from None
        yield


async def use_write_ahead_log(url: URL) -> None:
    """Set an SQLite file to the journal mode WAL, in which readers and the writer don't wait for each other.

    SQLite records this mode in the file. If there is no file, a file is created that only its owner can read. Raises
    SettingsError if the file system doesn't support WAL. Raises sqlite3.OperationalError if the file stays locked for
    PATIENCE seconds. Changes nothing and raises OSError or sqlite3.Error if the file fails the check of `look_at`.
    """
    await asyncio.to_thread(look_at, Path(str(url.database)))
    await asyncio.to_thread(keep_private, Path(str(url.database)))
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            mode = await asyncio.to_thread(_journal_mode, str(url.database), "WAL")
        except sqlite3.OperationalError as error:
            # If two processes do this with a new file at once, SQLite refuses one of them without any waiting, even if
            # that process has set a timeout.
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            if mode != "wal":
                raise SettingsError(f"the file system of {shown(url)} can't hold a live database: use a local disk")
            return


def _is_busy(error: sqlite3.OperationalError) -> bool:
    """Return True if the error says that another connection has locked the file.

    SQLite has several extended codes for this error. All these codes have SQLITE_BUSY as their last byte.
    """
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _journal_mode(path: str, mode: str) -> str:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        new_mode: str = connection.execute(f"PRAGMA journal_mode={mode}").fetchone()[0]
        return new_mode


def check(address: str) -> None:
    """Check that a URL is well formed and that its SQLite file can be opened or created. Creates no file.

    For PostgreSQL, only the URL is checked. Raises SettingsError if the check fails.
    """
    url = parse_url(address)
    if is_sqlite(url):
        with opening(url):
            look_at(Path(str(url.database)))


def missing(address: str) -> Path | None:
    """Return the absolute path of the SQLite file that a URL names, if there is no such file yet.

    Returns None if the file exists, and for a PostgreSQL URL. Raises SettingsError if this user may not check whether
    the file exists.
    """
    url = parse_url(address)
    path = Path(str(url.database)).absolute()
    with opening(url):
        return path if is_sqlite(url) and not path.exists() else None
