"""`liveserver serve`: how it tells of the first owner. `tests/acceptance/test_people.py` runs it at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liveserver.cli.commands.serve import first_owner
from liveserver.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_command_has_the_options_that_the_server_got(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes from the environment or `.env` isn't repeated; passwords aren't shown."""
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {"_env_file": None, "port": 8901, "database_url": "postgresql://a:secret@db/my live"}
    settings = Settings(**given)
    hint = first_owner(settings, ["port", "database_url", "log_level"])
    assert "liveserver users invite NAME --role owner --database 'postgresql://a:***@db/my live' --port 8901\n" in hint
    assert f"in the folder {tmp_path}" in hint
    assert "http://localhost:8901/desk" in hint
    assert "--role owner\n" in first_owner(settings, [])
