"""The schema's version: what it is, and how it becomes the newest. Alembic does the steps, in one transaction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from liveserver.errors import SettingsError
from liveserver.store.engine import (
    is_sqlite,
    migration_connections,
    opening,
    outages,
    parse_url,
    shown,
    use_write_ahead_log,
)

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

# Any number would do, if no other program that shares the database uses it.
_ADVISORY_LOCK = 0x6C697665_73657276


async def migrate(address: str) -> tuple[str | None, str]:
    """Bring the schema to the newest revision; the revision before (None: empty) and the one after.

    Safe to run from several processes at once: one does it, the others wait and find it done. Raises SettingsError
    if the database can't be opened, or was made by a newer liveserver.
    """
    url = parse_url(address)
    connections = migration_connections(url)
    try:
        with opening(url), outages():
            if is_sqlite(url):
                await use_write_ahead_log(url)
            return await connections.run(lambda connection: _upgrade(connection, url))
    finally:
        await connections.close()


async def is_current(address: str) -> bool:
    """True if the schema is at the newest revision. Raises SettingsError as `migrate` does."""
    url = parse_url(address)
    connections = migration_connections(url)
    try:
        with opening(url), outages():
            found = await connections.run(lambda connection: _revision(connection, url))
            return found == _script().get_current_head()
    finally:
        await connections.close()


def _config() -> Config:
    config = Config()
    # A path with a percent sign would be interpolated.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _revision(connection: Connection, url: URL) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in _script().walk_revisions()}
    if revision is not None and revision not in known:
        raise SettingsError(f"the database {shown(url)} was made by a newer liveserver (revision {revision})")
    return revision


def _upgrade(connection: Connection, url: URL) -> tuple[str | None, str]:
    if not is_sqlite(url):
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
    before = _revision(connection, url)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    after = _revision(connection, url)
    assert after is not None
    if is_sqlite(url) and connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
        raise SettingsError(f"the database {shown(url)} has entries without their live blog; nothing was changed")
    return before, after
