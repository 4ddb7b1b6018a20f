"""Files and directories that only their owner may read, whatever the umask is.

They are private from the moment of their creation.
"""

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
    """Create or empty a file, remove all rights to it except the owner's, and return it, open for writing.

    If another user owns the file, and this process may not change its rights, the rights stay as they are.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & _OTHERS:
        with suppress(PermissionError):
            os.fchmod(descriptor, FILE)
    return os.fdopen(descriptor, "wb")


def create(path: Path) -> None:
    """Create an empty file that only its owner may read and write. An existing file is left as it is."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE))


def tighten(path: Path) -> bool:
    """Remove all rights to a file except the owner's. Returns True if other users had rights.

    Does nothing, and returns False, if the path is missing or isn't a file. Raises PermissionError if a file
    of another user would lose rights. The file isn't opened: closing it would end the locks that SQLite has on it in
    this process (fcntl).
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
    """Return True if this process may read and write the file `path`, or create files in the directory `path`.

    Returns False if the path is missing, or lies on a read-only disk.
    """
    return os.access(path, os.W_OK | (os.X_OK if path.is_dir() else os.R_OK), effective_ids=True)


def make_directories(path: Path, mode: int = DIRECTORY) -> None:
    """Create a directory and the missing directories above it, with the rights `mode` minus the umask.

    Existing directories keep their rights.
    """
    for directory in (*reversed(path.parents), path):
        if not directory.is_dir():
            directory.mkdir(mode, exist_ok=True)
