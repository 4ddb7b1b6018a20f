"""The revision of the database's schema, and migrations of the schema, which Alembic runs in one transaction."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from liveserver.domain.errors import SettingsError
from liveserver.store.connections import migration_connections
from liveserver.store.database import own_history
from liveserver.store.database_url import is_sqlite, parse_url, shown
from liveserver.store.outages import opening, outages
from liveserver.store.sqlite_file import use_write_ahead_log

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection


async def migrate(address: str, *, to: str = "head") -> tuple[str | None, str]:
    """Bring the schema to the newest revision, or to the revision `to`.

    Returns the revisions before the migration (None: the database had no tables) and after it. Several processes may
    call this function at once: one process migrates, and the other processes wait until it is done. Raises
    SettingsError if the database can't be opened, or was made by a newer liveserver.
    """
    url = parse_url(address)
    connections = migration_connections(url)
    try:
        with opening(url), outages():
            if is_sqlite(url):
                await use_write_ahead_log(url)
            return await connections.run(lambda connection: _upgrade(connection, url, to))
    finally:
        await connections.close()


async def is_current(address: str) -> bool:
    """Return True if the schema is at the newest revision.

    Raises SettingsError if the database can't be opened, or was made by a newer liveserver.
    """
    return await revision(address) == newest()


async def revision(address: str) -> str | None:
    """Return the revision of the database's schema; None if the database has no tables yet.

    Raises SettingsError if the database can't be opened, or was made by a newer liveserver.
    """
    url = parse_url(address)
    connections = migration_connections(url)
    try:
        with opening(url), outages():
            return await connections.run(lambda connection: revision_of(connection, url))
    finally:
        await connections.close()


def newest() -> str:
    """Return the newest revision: the schema must have it before this code reads or writes the tables."""
    head = _script().get_current_head()
    assert head is not None
    return head


def is_known(revision: str) -> bool:
    """Return True if the revision is the newest or an earlier one: this code has a migration to it."""
    return revision in {script.revision for script in _script().walk_revisions()}


def _config() -> Config:
    config = Config()
    # Alembic would take a single percent sign in the path for the beginning of an interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _script() -> ScriptDirectory:
    """Return the migrations of this package. They are loaded at the first call, and kept for later calls."""
    location = _config().get_main_option("script_location")
    assert location is not None
    return _script_in(location)


@cache
def _script_in(location: str) -> ScriptDirectory:
    return ScriptDirectory(location)


def revision_of(connection: Connection, url: URL) -> str | None:
    """Return the revision of the schema, as the transaction of `connection` sees it; None if there are no tables yet.

    Raises SettingsError if the database was made by a newer liveserver.
    """
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is not None and not is_known(revision):
        raise SettingsError(f"the database {shown(url)} was made by a newer liveserver (revision {revision})")
    return revision


def _upgrade(connection: Connection, url: URL, to: str) -> tuple[str | None, str]:
    own_history(connection)
    before = revision_of(connection, url)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)
    after = revision_of(connection, url)
    assert after is not None
    if is_sqlite(url) and connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
        raise SettingsError(f"the database {shown(url)} has entries without their live blog; nothing was changed")
    return before, after
