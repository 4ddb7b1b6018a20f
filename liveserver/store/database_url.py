"""The parsing of database URLs, and their form in messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
)

from liveserver.domain.errors import SettingsError

if TYPE_CHECKING:
    from sqlalchemy import URL


_QUERY_NAMES = frozenset({"host", "port", "ssl", "sslmode"})


def parse_url(address: str) -> URL:
    """Parse a database URL as users write it, and return it with the name of the driver that we use.

    Accepts `sqlite:///live.db`, `sqlite:////var/lib/live.db` and `postgresql://user:password@host/database` (or
    `postgres:`). A PostgreSQL URL may have the parameters `sslmode`, `ssl`, `host` and `port`. Raises SettingsError for
    anything else.
    """
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise SettingsError("the database URL must be like sqlite:///live.db or postgresql://user@host/name") from None
    match url.drivername:
        case "sqlite":
            if not url.database or url.database == ":memory:":
                raise SettingsError("the database URL must name a file: sqlite:///live.db")
            if url.query or url.host:
                raise SettingsError(
                    "an SQLite URL has three slashes, or four before an absolute path, and no parameters"
                )
            return url.set(drivername="sqlite+pysqlite")
        case "postgresql" | "postgres":
            if not url.database:
                raise SettingsError(f"the database URL must name a database: {shown(url)}/name")
            if unknown := sorted(url.query.keys() - _QUERY_NAMES):
                raise SettingsError(f"the database URL has an unknown parameter: {unknown[0]}")
            query = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
            return url.set(drivername="postgresql+asyncpg", query=query)
        case other:
            raise SettingsError(f"no such kind of database: {other} (use sqlite or postgresql)")


def shown(url: URL) -> str:
    """Return the URL as messages show it: without the driver and the parameters, and with `***` as the password."""
    plain = url.set(drivername=url.get_backend_name(), query={})
    return plain.render_as_string(hide_password=True)


def is_sqlite(url: URL) -> bool:
    """Return True if the URL names an SQLite file."""
    return url.get_backend_name() == "sqlite"
