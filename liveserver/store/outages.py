"""Failures of a database, turned into StoreUnavailable or SettingsError."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from liveserver.domain.errors import SettingsError, StoreUnavailable
from liveserver.store.database_url import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL


# SQLSTATE classes (PostgreSQL, appendix A) that say "not now" rather than "wrong": connection, authorisation and
# database gone, transaction rollback (deadlock), lock timeout, resources (disk, connections), shutdown, system
# error, a server that became read only.
_OUTAGES = ("08", "28", "3D", "40", "55P03", "53", "57", "58", "25006")


@contextmanager
def outages() -> Iterator[None]:
    """Raise StoreUnavailable, with its cause, if the database can't be reached, or is locked, full or too slow."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        if _is_outage(error):
            raise StoreUnavailable(f"the database doesn't answer ({_reason(error)})") from error
        raise


def _is_outage(error: Exception) -> bool:
    if isinstance(error, (OSError, PoolTimeoutError)):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state.startswith(_OUTAGES)
    if isinstance(error.orig, BaseException) and isinstance(error.orig.__cause__, ValueError):
        return False  # asyncpg calls a value that it can't encode an InterfaceError
    # SQLite reports a damaged file by DatabaseError itself, not by one of its subclasses.
    return (
        error.connection_invalidated
        or isinstance(error, (OperationalError, InterfaceError))
        or type(error) is DatabaseError
    )


@contextmanager
def opening(url: URL) -> Iterator[None]:
    """Raise SettingsError, with a message of one line that names the database, if it can't be opened."""
    try:
        yield
    except (StoreUnavailable, DBAPIError, sqlite3.Error, OSError) as error:
        raise SettingsError(f"can't open the database {shown(url)}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return the message of an error's first cause, in one line."""
    # A timeout is caused by a CancelledError, which isn't an Exception, and says less than the timeout.
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return "no answer" if isinstance(error, TimeoutError) else (str(error) or type(error).__name__).splitlines()[0]
