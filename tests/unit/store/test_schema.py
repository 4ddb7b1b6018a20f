"""Database URLs, and how a database comes to the newest schema."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

import liveserver.store
from liveserver.domain.errors import SettingsError
from liveserver.store import Store, migrate, schema
from liveserver.store.connections import migration_connections
from liveserver.store.database_url import parse_url, shown
from liveserver.store.tables import metadata
from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

HEAD = schema.newest()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/live.db"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.mark.parametrize(
    ("address", "driver"),
    [
        ("sqlite:///live.db", "sqlite+pysqlite:///live.db"),
        ("sqlite:////var/lib/live.db", "sqlite+pysqlite:////var/lib/live.db"),
        ("postgresql://a:b%40@h/d", "postgresql+asyncpg://a:b%40@h/d"),
        ("postgres://a@h:5433/d", "postgresql+asyncpg://a@h:5433/d"),
        ("postgresql://h/d?sslmode=require", "postgresql+asyncpg://h/d?ssl=require"),
        ("postgresql:///d?host=/run/postgresql", "postgresql+asyncpg:///d?host=/run/postgresql"),
    ],
)
def test_addresses(address: str, driver: str) -> None:
    """As users write them, to the asynchronous drivers."""
    assert parse_url(address) == parse_url(address)
    assert parse_url(address).render_as_string(hide_password=False).replace("%2F", "/") == driver


@pytest.mark.parametrize(
    "address",
    [
        "",
        "live.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://live.db",
        "sqlite:///live.db?mode=ro",
        "sqlite+pysqlite:///live.db",
        "mysql://secret@h/d",
        "postgresql://secret@h",
        "postgresql://secret@h:port/d",
        "postgresql://secret@h/d?options=-c",
        "redis://secret@h/0",
    ],
)
def test_bad_addresses(address: str) -> None:
    """One line, without what may be a password."""
    with pytest.raises(SettingsError) as caught:
        parse_url(address)
    assert "\n" not in str(caught.value)
    assert str(caught.value)


def test_addresses_are_shown_without_password() -> None:
    """Neither in the authority nor in the parameters."""
    assert shown(parse_url("postgres://a:secret@h/d?sslmode=require")) == "postgresql://a:***@h/d"


async def test_migrating(empty_url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """From nothing to the newest, then to no purpose; prints nothing, and leaves logging as it was."""
    loggers = (logging.root, logging.getLogger("alembic"), logging.getLogger("sqlalchemy"))
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    assert await migrate(empty_url) == (None, HEAD)
    assert await migrate(empty_url) == (HEAD, HEAD)
    assert [(logger.level, list(logger.handlers)) for logger in loggers] == before
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


async def test_the_migrations_make_the_tables_that_the_code_uses(empty_url: str) -> None:
    """Alembic finds no difference, and foreign keys hold."""
    await migrate(empty_url)

    def differences(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    connections = migration_connections(parse_url(empty_url))
    assert await connections.run(differences) == []
    await connections.close()


@pytest.mark.slow
def test_processes_that_migrate_at_once(empty_url: str) -> None:
    """One does it, the others find it done; all can open the store."""
    script = (
        "import asyncio, sys\nfrom liveserver.store import Store, migrate\n"
        "async def main():\n"
        "    print(await migrate(sys.argv[1]))\n"
        "    await (await Store.open(sys.argv[1])).close()\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-W", "error", "-c", script, empty_url]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = sorted(process.communicate()[0].strip() for process in processes)
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert answers == [f"('{HEAD}', '{HEAD}')"] * 3 + [f"(None, '{HEAD}')"]


async def test_many_stores_open_one_new_file(tmp_path: Path) -> None:
    """An embedded file makes itself, whoever comes first."""
    stores = await asyncio.gather(*(Store.open(f"sqlite:///{tmp_path}/live.db") for _ in range(6)))
    try:
        assert [await store.liveblogs.page(limit=1) for store in stores] == [([], None)] * len(stores)
    finally:
        for store in stores:
            await store.close()


async def test_a_server_database_is_migrated_on_demand_only(empty_postgres_url: str) -> None:
    """Unless asked to, opening changes nothing and says what to run."""
    with pytest.raises(SettingsError, match="run liveserver migrate"):
        await Store.open(empty_postgres_url)
    store = await Store.open(empty_postgres_url, migrate=True)
    await store.close()
    await (await Store.open(empty_postgres_url)).close()


async def test_a_file_is_not_migrated_against_the_will(tmp_path: Path) -> None:
    """`migrate=False` holds for a file, too."""
    with pytest.raises(SettingsError, match="run liveserver migrate"):
        await Store.open(f"sqlite:///{tmp_path}/live.db", migrate=False)


async def test_a_database_of_a_newer_liveserver(empty_url: str) -> None:
    """Is left alone, and said so."""
    await migrate(empty_url)
    connections = migration_connections(parse_url(empty_url))
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    await connections.run(lambda connection: connection.execute(newer).close())
    await connections.close()
    for call in (Store.open(empty_url), migrate(empty_url)):
        with pytest.raises(SettingsError, match=r"newer liveserver \(revision 9999\)"):
            await call


def test_exports() -> None:
    """Every name in `__all__` is there."""
    assert all(hasattr(liveserver.store, name) for name in liveserver.store.__all__)
