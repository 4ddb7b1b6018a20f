"""The messages of commands beside their output."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from liveserver.cli import terminal
from liveserver.cli.app import app
from liveserver.cli.commands import keys
from liveserver.cli.terminal import tell_wait

if TYPE_CHECKING:
    from pathlib import Path


def test_waits_that_are_worth_telling(capsys: pytest.CaptureFixture[str]) -> None:
    """A wait that is over before it is read isn't told."""
    tell_wait("too many", 0.9)
    tell_wait("too many", 6.2)
    assert capsys.readouterr() == ("", "liveserver: too many; trying again in 7 s\n")


@pytest.mark.parametrize("at_terminal", [True, False])
def test_a_key_goes_where_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_terminal: bool) -> None:
    """At a terminal it follows the words; in a pipe or a variable, nothing follows them, and they say where it is."""
    monkeypatch.setattr("liveserver.server.log_config.configure", lambda _settings: None)
    monkeypatch.setattr(keys, "is_read_here", lambda: at_terminal)
    database = f"sqlite:///{tmp_path}/live.db"
    words = ["keys", "create", "--name", "x", "--scope", "publish", "--database", database]
    with capture_logs():
        made = CliRunner().invoke(app, words)
    assert re.fullmatch(r"lv_[a-z0-9]{12}_\S+\n", made.stdout)
    assert made.stderr.splitlines() == [
        f"liveserver: there was no database: made a new one at {tmp_path}/live.db",
        f"A key for the server on {database}, shown this once:"
        if at_terminal
        else f"Made a key for the server on {database}; it is on standard output, shown this once.",
        "Programs send it as Authorization: Bearer …; commands take it from LIVESERVER_KEY, or --key.",
    ]


@pytest.mark.parametrize(("asked", "level"), [(None, "warning"), ("info", "info"), ("error", "error")])
def test_a_command_logs_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str | None, level: str
) -> None:
    """Its answer stands for the line that a server would log."""
    if asked is not None:
        monkeypatch.setenv("LIVESERVER_LOG_LEVEL", asked)
    levels: list[str] = []
    monkeypatch.setattr("liveserver.server.log_config.configure", lambda settings: levels.append(settings.log_level))
    words = ["keys", "create", "--name", "x", "--scope", "publish", "--database", f"sqlite:///{tmp_path}/live.db"]
    with capture_logs():
        CliRunner().invoke(app, words)
    assert levels == [level]


def test_when_something_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "now", lambda: datetime(2026, 11, 22, 12, tzinfo=UTC))
    assert terminal.expiry(datetime(2026, 11, 22, 12, tzinfo=UTC)) == "expired 2026-11-22T12:00:00.000Z"
    assert terminal.expiry(datetime(2026, 11, 22, 13, tzinfo=UTC)) == "expires 2026-11-22T13:00:00.000Z"


def test_tables_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Both go to standard output, which programs read."""
    terminal.print_table([("ID", "N"), ("abc", "5"), ("x", "12")], figures=True)
    terminal.print_json({"name": "Été"})
    assert capsys.readouterr() == ('ID    N\nabc   5\nx    12\n{\n  "name": "Été"\n}\n', "")
