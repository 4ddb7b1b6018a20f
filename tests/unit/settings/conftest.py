"""An environment without settings, in a folder without `.env`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("LIVESERVER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
