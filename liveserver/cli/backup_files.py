"""Backup files: functions that back up a database to a file, or restore a database from a file. They return the lines
that the commands print."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO

from liveserver.cli import interruption
from liveserver.content.sanitiser import as_kept
from liveserver.domain.errors import Conflict, SettingsError
from liveserver.settings import hide_password
from liveserver.store.backup.dump import backup
from liveserver.store.backup.restore import restore
from liveserver.store.backup.sections import describe
from liveserver.store.sqlite_file import check, locked
from liveserver.utils import private_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liveserver.settings import Settings

PIPE = Path("-")
"""The file name that stands for standard output when a backup is written, and for standard input when a backup is
restored."""


def write_backup(address: str, path: Path, *, force: bool) -> str:
    """Back up a database to a file, and return the line that tells the user the result.

    `address`: the database's URL. `path`: the file, which gets this name only when it is complete; `PIPE` for standard
    output. `force`: True to replace an existing file. Raises SettingsError if the database can't be opened or has no
    tables, or if the file can't be written. Raises Conflict if the file exists and `force` is False, or if `path`
    is a directory or a device. Raises StoreUnavailable if the database doesn't answer.
    """
    with _output(path, force=force) as file:
        manifest = interruption.run(backup(address, file))
    name = "standard output" if path == PIPE else str(path)
    return f"Backed up {hide_password(address)} to {name}: {describe(manifest.holds)}."


def restore_backup(address: str, path: Path, *, force: bool) -> str:
    """Restore a database from a backup file, and return the lines that tell the user the result.

    `address`: the database's URL. `path`: the backup file; `PIPE` for standard input. `force`: True to replace the live
    blogs in the database. Raises BadBackup if the file isn't a valid backup. Raises Conflict if the database has live
    blogs and `force` is False. Raises SettingsError if the database can't be opened or has an old
    schema (PostgreSQL), or if a server runs on it (SQLite). Raises StoreUnavailable if the database doesn't answer.
    """
    check(address)
    busy = f"a server runs on {address}: stop it, restore, and start it again"
    with locked(address, busy), _input(path) as file:
        restored = interruption.run(restore(address, file, replace=force, safe=as_kept))
    line = f"Restored {hide_password(address)}: {describe(restored.now)}."
    if restored.replaced.liveblogs:
        line = f"{line} Replaced: {describe(restored.replaced)}."
    if not restored.erased:
        return line
    names = [f"{entry.slug}/{entry.entry_id}" for entry in restored.erased]
    return "\n".join((line, "Erased again, as the database says that they were erased:", *names))


def about_pictures(settings: Settings, advice: str) -> str:
    """Return the line to print about the pictures, which a backup doesn't contain.

    `advice`: what to do if the pictures are in a folder; `{}` stands for the folder's path.
    """
    if settings.media_url is not None:
        return f"Pictures aren’t in the file: they stay in {settings.media_url}."
    return f"Pictures aren’t in the file: {advice.format(settings.media_directory.absolute())}."


@contextmanager
def _output(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    """Yield the open file to write a backup to; if `path` is `PIPE`, yield standard output.

    The file is new, and gets the name `path` when this context ends without an error. Only the file's owner may read
    it, as a backup has drafts and the hashes of the API keys. Raises SettingsError if the file can't be written,
    or if standard output is a terminal. Raises Conflict if the file exists and `force` is False, or if `path` is a
    directory or a device.
    """
    if path == PIPE:
        if sys.stdout.isatty():
            raise SettingsError("a backup is nothing for a terminal: redirect standard output, or name a file")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = path.resolve()
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise Conflict(f"{path} is no file")
    if path.exists() and not force:
        raise Conflict(f"{path} exists already; --force replaces it")
    # The name is chosen before the file is made. So `finally` removes the file, at whatever moment a signal comes.
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with private_files.write_to(unfinished) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise SettingsError(f"can't write {path}: {error.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _input(path: Path) -> Iterator[Path]:
    """Yield the path of the backup file to restore: `path`, or a temporary copy of standard input if `path` is `PIPE`.

    The copy is needed because the caller reads the file twice: first to verify the backup, then to restore it.
    """
    if path != PIPE:
        yield path
        return
    with TemporaryDirectory(prefix="liveserver-") as directory:
        copy = Path(directory, "standard input")
        with private_files.write_to(copy) as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield copy
