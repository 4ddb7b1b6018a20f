"""Context managers that turn failures of the database into StoreUnavailable or SettingsError."""

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


# Beginnings of the SQLSTATE codes (PostgreSQL, appendix A) that say that the statement may succeed later: no
# connection, no authorisation, no such database, transaction rolled back (deadlock), lock timeout, no resources (disk,
# connections), shutdown, system error, a server that became read only.
_OUTAGES = ("08", "28", "3D", "40", "55P03", "53", "57", "58", "25006")


@contextmanager
def outages() -> Iterator[None]:
    """Turn an error in the `with` block into StoreUnavailable if it says that the database can't be used now.

    Such an error comes from a database that can't be reached, or is locked, full, damaged or too slow. All other errors
    pass unchanged.
    """
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
        return False  # asyncpg raises InterfaceError also for a value that it can't encode
    # SQLite reports a damaged file by DatabaseError itself, not by one of its subclasses.
    return (
        error.connection_invalidated
        or isinstance(error, (OperationalError, InterfaceError))
        or type(error) is DatabaseError
    )


def is_deadlock(error: DBAPIError) -> bool:
    """Return True if PostgreSQL has rolled back a transaction because it and another one waited for each other."""
    return getattr(error.orig, "sqlstate", None) == "40P01"


@contextmanager
def opening(url: URL) -> Iterator[None]:
    """Turn an error in the `with` block into SettingsError if it says that the database can't be opened.

    The message of the SettingsError is one line, and names the database.
    """
    try:
        yield
    except (StoreUnavailable, DBAPIError, sqlite3.Error, OSError) as error:
        raise SettingsError(f"can't open the database {shown(url)}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Follow the causes of `error` back to the first one, and return the first line of that error's message."""
    # A TimeoutError has a CancelledError as its cause. The CancelledError says less, and isn't an Exception, so the
    # loop ends before it.
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return "no answer" if isinstance(error, TimeoutError) else (str(error) or type(error).__name__).splitlines()[0]
