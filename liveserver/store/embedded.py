"""Who has an SQLite file to itself: a lock beside it, which ends with the process that holds it."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from liveserver.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def alone(address: str, complaint: str) -> Iterator[None]:
    """Hold the lock of an SQLite file; nothing, of a PostgreSQL database. Raises SettingsError if another holds it."""
    if not address.startswith("sqlite:///"):
        yield
        return
    path = Path(address.removeprefix("sqlite:///") + ".lock")
    try:
        file = path.open("w")
    except OSError as error:
        raise SettingsError(f"can't write beside the database: {path}: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(complaint) from None
        yield
