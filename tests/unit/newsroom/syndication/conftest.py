"""Two servers, of which one follows the other."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from liveserver.settings import Settings
from tests.support.api.site import SETTINGS, serving
from tests.support.syndication_pair import SOURCE, Pair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def pair(settings: Settings, empty_database: Path, tmp_path: Path) -> AsyncIterator[Pair]:
    directory = tmp_path / "source"
    directory.mkdir()
    shutil.copy(empty_database, directory / "live.db")
    theirs = {**SETTINGS, "public_url": SOURCE, "database_url": f"sqlite:///{directory}/live.db"}
    ours = settings.model_copy(update={"follow_private": True})
    async with serving(Settings(**theirs)) as source, serving(ours) as mirror:
        yield Pair(source, mirror)
