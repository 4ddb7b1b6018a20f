"""One store after the other: what holds for one holds for all."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from liveserver.store import Store
from tests.support.backups import fill
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_liveblog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a migrated, empty database."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("empty_database"), tmp_path / "live.db")
        return f"sqlite:///{tmp_path}/live.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """A store with one live blog, `match`."""
    store = await Store.open(store_url)
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    yield store
    await store.close()


@pytest.fixture
async def other(store_url: str, store: Store) -> AsyncIterator[Store]:
    """A second store on the database of `store`, as another process would have it."""
    other = await Store.open(store_url)
    yield other
    await other.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a backup that isn't made yet."""
    return tmp_path / "backup.zip"


@pytest.fixture(params=["sqlite", "postgresql"])
def target_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that is as new: no file yet, no tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/target.db"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.fixture
async def filled(store: Store) -> Store:
    """A store with everything that a backup has to hold."""
    await fill(store)
    return store
