"""Files and directories that are nobody else's to read, whatever the umask, and from the moment when they are made."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

FILE = 0o600
DIRECTORY = 0o700
_OTHERS = 0o077


def write_to(path: Path) -> BinaryIO:
    """Open a file to be written anew: its owner's alone, whether it is made or was there (and is ours)."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & _OTHERS:
        with suppress(PermissionError):
            os.fchmod(descriptor, FILE)
    return os.fdopen(descriptor, "wb")


def create(path: Path) -> None:
    """Make an empty file for its owner alone; one that is there is left as it is."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE))


def tighten(path: Path) -> bool:
    """Leave a file to its owner alone; whether it wasn't before. Nothing is done where there is none, nor to a folder.

    By its name, as to open and close a file that SQLite has open would undo SQLite's locks (fcntl, of a process).
    Raises PermissionError for a file of somebody else's.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode) or not mode & _OTHERS:
        return False
    path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    return True


def may_write(path: Path) -> bool:
    """Whether this user may write to a file, or make files in a folder; on a disk that is read only, nobody may."""
    return os.access(path, os.W_OK | (os.X_OK if path.is_dir() else os.R_OK), effective_ids=True)


def make_directories(path: Path, mode: int = DIRECTORY) -> None:
    """Make a directory and those above it that aren't there, with at most these rights; others stay as they are."""
    for directory in (*reversed(path.parents), path):
        if not directory.is_dir():
            directory.mkdir(mode, exist_ok=True)
