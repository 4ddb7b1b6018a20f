"""The application as fixtures: a plugin, named in `pytest_plugins` by the test modules that use it."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest

from liveserver.settings import Settings
from liveserver.store import Store, migrate
from tests.support.api.site import OURS, SETTINGS, LiveSite, Site, Stack, serving, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


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


@pytest.fixture
async def site(settings: Settings) -> AsyncIterator[Site]:
    """The application with one live blog, `marees`."""
    async with started(settings) as running:
        yield running


@pytest.fixture
def stack() -> Stack:
    """The server's protocols: ours, unless a test module says otherwise."""
    return OURS


@pytest.fixture
async def live_site(settings: Settings, stack: Stack) -> AsyncIterator[LiveSite]:
    """A real server with one live blog, `marees`."""
    async with serving(settings, stack) as running:
        yield running
