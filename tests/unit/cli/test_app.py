"""The commands themselves: what they do before they do anything, and what they say."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from liveserver.cli.app import app
from liveserver.domain.errors import SettingsError
from liveserver.server import log_config

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


@pytest.fixture(autouse=True)
def nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # The configuration stays for all tests of this process.
    monkeypatch.setattr(log_config, "configure", lambda _settings: None)


def run(*words: str) -> Result:
    with capture_logs():
        return CliRunner().invoke(app, words)


@pytest.mark.parametrize(
    "command",
    [
        *("keys list", "keys revoke 2zgpnh3zf4od", "partners list", "partners show p_abcdefghijkl"),
        *("partners edit p_abcdefghijkl --name x", "partners disable p_abcdefghijkl", "partners remove p_abcdefghijkl"),
        *("follow essai", "follow essai --stop", "follow essai https://live.example/live/x"),
    ],
)
def test_commands_on_a_database_that_is_not_there(tmp_path: Path, command: str) -> None:
    """They tell of it, from the root, instead of making an empty one."""
    error = run(*command.split(), "--database", "sqlite:///typo.db").exception
    assert isinstance(error, SettingsError)
    assert str(error) == (
        f"there is no database at {tmp_path}/typo.db: give the server's own with --database (LIVESERVER_DATABASE_URL), "
        "or have `liveserver serve` make one"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["keys create --name x --scope publish", "partners add x"])
def test_commands_that_make_a_database_tell_of_it_once(tmp_path: Path, command: str) -> None:
    for said in (f"liveserver: there was no database: made a new one at {tmp_path}/new.db\n", ""):
        done = run(*command.split(), "--database", "sqlite:///new.db")
        assert done.exit_code == 0
        assert done.stderr.startswith(said)
        assert ("made a new one" in done.stderr) == bool(said)
        assert "made a new one" not in done.stdout


def test_a_key_is_for_the_database_of_a_folder(tmp_path: Path) -> None:
    """Also where it was there already: in the wrong folder there may be one, too."""
    for _ in range(2):
        done = run("keys", "create", "--name", "x", "--scope", "publish")
        assert f"Made a key for the server on sqlite:///{tmp_path}/live.db; it is on standard output" in done.stderr


@pytest.mark.parametrize("command", ["keys list", "publish essai pli", "config"])
def test_misspelt_variables_are_told_by_every_command(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Commands of clients as well, which have variables of their own; once, and the server tells its log."""
    monkeypatch.setenv("LIVESERVER_DATABASE", "sqlite:///right.db")
    monkeypatch.setenv("LIVESERVER_KEI", "lv_a_b")
    done = run(*command.split())
    assert [line for line in done.stderr.splitlines() if "is no setting" in line] == [
        "liveserver: LIVESERVER_DATABASE is no setting: perhaps LIVESERVER_DATABASE_URL is meant",
        "liveserver: LIVESERVER_KEI is no setting: perhaps LIVESERVER_KEY is meant",
    ]


def test_a_line_of_the_file_of_settings_that_is_none(tmp_path: Path) -> None:
    """Is told once, with the file."""
    (tmp_path / ".env").write_text('broken line "\n')
    done = run("config")
    assert done.exit_code == 0
    assert done.stderr == f"liveserver: {tmp_path}/.env:1 isn't like NAME=value, and is left out\n"


def test_what_the_demo_has_of_its_own() -> None:
    """Its help names that, and not the server's defaults."""
    said = " ".join(run("demo", "--help").stdout.split())
    assert "[here: live.db in --dir]" in said
    assert "[here: always 1]" in said
    assert "LIVESERVER_DATABASE_URL" not in said
    assert "default: sqlite:///live.db" in " ".join(run("serve", "--help").stdout.split())


def test_a_start_imports_what_every_command_needs() -> None:
    """Neither the store, the server nor a client: that takes longer than most commands do."""
    code = "import sys, liveserver.cli.app; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    imported = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True
    ).stdout.split()
    heavy = {
        "alembic",
        "asyncpg",
        "httpx2",
        "jinja2",
        "PIL",
        "redis",
        "sqlalchemy",
        "starlette",
        "uvicorn",
        "websockets",
    }
    assert not heavy & set(imported)
    assert "typer" in imported
