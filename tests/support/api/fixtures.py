"""The application as fixtures: a plugin, named in `pytest_plugins` by the test modules that use it."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from liveserver.settings import Settings
from liveserver.store import Store, migrate
from tests.support.api.site import OURS, SETTINGS, LiveSite, Site, Stack, serving, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class FilledDatabase(NamedTuple):
    """An SQLite file, and the editor's key that is in it."""

    path: Path
    editor_key: str


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file without anything in it: to be copied, which is quicker than migrating."""
    path = tmp_path_factory.mktemp("empty") / "live.db"

    async def make() -> None:
        url = f"sqlite:///{path}"
        await migrate(url)
        await (await Store.open(url)).close()

    asyncio.run(make())
    return path


@pytest.fixture(scope="session")
def settings_of_all(empty_database: Path) -> Settings:
    """Settings that were read and checked once."""
    return Settings(**{**SETTINGS, "database_url": f"sqlite:///{empty_database}"})


@pytest.fixture
def settings(settings_of_all: Settings, empty_database: Path, tmp_path: Path) -> Settings:
    """Settings of a server on a database of its own."""
    shutil.copy(empty_database, tmp_path / "live.db")
    return settings_of_all.model_copy(update={"database_url": f"sqlite:///{tmp_path}/live.db"})


@pytest.fixture(scope="session")
def filled_database(settings_of_all: Settings, empty_database: Path) -> FilledDatabase:
    """An SQLite file with the live blog and the editor's key: to be copied, which is quicker than writing both."""
    path = empty_database.with_name("filled.db")
    shutil.copy(empty_database, path)

    async def fill() -> str:
        async with started(settings_of_all.model_copy(update={"database_url": f"sqlite:///{path}"})) as running:
            return running.editor_key

    return FilledDatabase(path, asyncio.run(fill()))


@pytest.fixture
def editor_key(settings: Settings, filled_database: FilledDatabase) -> str:
    """The editor's key, in the database of `settings`, which has the live blog from now on."""
    shutil.copy(filled_database.path, settings.database_url.removeprefix("sqlite:///"))
    return filled_database.editor_key


@pytest.fixture
async def site(settings: Settings, editor_key: str) -> AsyncIterator[Site]:
    """The application with one live blog, `marees`."""
    async with started(settings, editor_key=editor_key) as running:
        yield running


@pytest.fixture
def stack() -> Stack:
    """The server's protocols: ours, unless a test module says otherwise."""
    return OURS


@pytest.fixture
async def live_site(settings: Settings, editor_key: str, stack: Stack) -> AsyncIterator[LiveSite]:
    """A real server with one live blog, `marees`."""
    async with serving(settings, stack, editor_key=editor_key) as running:
        yield running
