"""Options that commands share: settings as flags, and a client's key."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from liveserver.cli.options import required_key, with_settings
from liveserver.settings import Settings  # noqa: TC001  # evaluated by with_settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delenv("LIVESERVER_KEY", raising=False)
    monkeypatch.delenv("LIVESERVER_KEY_FILE", raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_command_gets_the_settings_that_it_names() -> None:
    """And has their flags, also the short ones; its own options come before."""
    given: list[tuple[str, str, int]] = []

    @with_settings("database_url", "port")
    def look(settings: Settings, name: Annotated[str, typer.Argument()], count: int = 1) -> None:
        given.append((name, settings.database_url, settings.port * count))

    app = typer.Typer()
    app.command()(look)
    words = ["x", "--database", "sqlite:///a.db", "--port", "80", "--count", "2"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert given == [("x", "sqlite:///a.db", 160)]
    assert CliRunner().invoke(app, ["x", "--redis", "redis://x"]).exit_code == 2


def test_a_command_may_get_the_flags_alone() -> None:
    given: list[dict[str, Any]] = []

    @with_settings()
    def look(flags: dict[str, Any]) -> None:
        given.append(flags)

    app = typer.Typer()
    app.command()(look)
    assert CliRunner().invoke(app, ["--port", "80"]).exit_code == 0
    assert given == [{"port": "80"}]


def test_a_key_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert required_key("lv_a_b") == "lv_a_b"
    with pytest.raises(typer.Exit) as ended:
        required_key(None)
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err.startswith("liveserver: an API key is needed: --key, LIVESERVER_KEY or")
