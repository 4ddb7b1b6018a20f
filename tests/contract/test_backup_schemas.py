"""Backups and databases of an earlier schema."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from liveserver.domain.change import EntryChanged
from liveserver.domain.errors import BadBackup, SettingsError
from liveserver.store import Store, migrate, schema
from liveserver.store.backup.archive import Holdings
from liveserver.store.backup.restore import restore
from tests.support.backups import REQUEST, back_up, query, seen
from tests.support.principals import NEWSROOM
from tests.support.store_samples import NOON, TYPOGRAPHY, a_liveblog, an_entry

CURRENT = schema.newest()


@pytest.fixture
def later_schema(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Called, the schema has moved on: live blogs have a mood, and their titles are in capitals."""
    migrations = tmp_path / "migrations"
    shutil.copytree(Path(schema.__file__).parent / "migrations", migrations)
    (migrations / "versions" / "later.py").write_text(
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = 'later', '{CURRENT}'\n"
        "def upgrade():\n"
        "    op.add_column('liveblogs', sa.Column('mood', sa.Text, nullable=False, server_default='calm'))\n"
        "    op.execute('UPDATE liveblogs SET title = upper(title)')\n"
    )
    config = schema._config

    def moved() -> Any:
        made = config()
        made.set_main_option("script_location", str(migrations))
        return made

    monkeypatch.setattr(schema, "_config", moved)
    return "later"


@pytest.fixture
async def earlier(store_url: str, path: Path) -> Path:
    """A backup of the schema before that."""
    store = await Store.open(store_url)
    await fill_one(store)
    await back_up(store_url, path)
    await store.close()
    return path


async def fill_one(store: Store) -> None:
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    await store.entries.create("match", an_entry(body=TYPOGRAPHY), by=NEWSROOM, idempotency=REQUEST)


async def test_a_backup_of_an_earlier_schema(earlier: Path, target_url: str, later_schema: str) -> None:
    """Is brought up to date, data and all, before the database is touched."""
    restored = await restore(target_url, earlier)
    assert restored.now == Holdings(1, 1, NOON)
    assert await schema.revision(target_url) == later_schema
    store = await Store.open(target_url)
    assert (await store.liveblogs.find("match")).title == "LE MATCH"
    assert [change.entry.body for change in await entry_changes(store)] == [TYPOGRAPHY]
    assert await query(store, "SELECT mood FROM liveblogs") == [("calm",)]
    await store.close()


async def entry_changes(store: Store) -> list[EntryChanged]:
    items = (await store.changes.after("match", 0, limit=99)).items
    return [change for change in items if isinstance(change, EntryChanged)]


async def test_a_database_of_an_earlier_schema_can_be_backed_up(
    earlier: Path, store_url: str, later_schema: str
) -> None:
    """As it is: before an upgrade is when one wants to."""
    manifest = await back_up(store_url, earlier)
    assert (manifest.schema, manifest.holds.entries) == (CURRENT, 1)
    assert await schema.revision(store_url) == CURRENT


async def test_a_database_that_is_not_up_to_date_is_not_restored_into(
    earlier: Path, postgres_url: str, later_schema: str
) -> None:
    """Servers of an earlier release may run on it. (A file's own server is stopped: it is brought up to date.)"""
    with pytest.raises(SettingsError, match="run liveserver migrate"):
        await restore(postgres_url, earlier, replace=True)
    await migrate(postgres_url)
    assert (await restore(postgres_url, earlier, replace=True)).now.entries == 1


async def test_an_earlier_backup_that_cant_be_brought_up_to_date(
    filled: Store, store_url: str, path: Path, later_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration may read what nobody has written."""
    await back_up(store_url, path)
    before = await seen(filled)
    migrate_to = schema.migrate

    async def fail(address: str, *, to: str = "head") -> tuple[str | None, str]:
        if to == "head":
            raise KeyError("mood")
        return await migrate_to(address, to=to)

    monkeypatch.setattr(schema, "migrate", fail)
    monkeypatch.setattr(schema, "newest", lambda: later_schema)
    with pytest.raises(BadBackup, match=f"^{path} can't be brought up to date"):
        await restore(store_url, path, replace=True)
    assert await seen(filled) == before
