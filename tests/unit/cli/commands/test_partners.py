"""`liveserver partners …`, from taking one in to removing it."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from liveserver.cli.app import app
from liveserver.domain.errors import InvalidInput, NotFound
from liveserver.server import log_config
from liveserver.store import migrate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def told() -> list[Any]:
    """The lines that the commands have logged: the act, the one who did it, and its object."""
    return []


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[Any]) -> Callable[..., str]:
    """Runs a command on a database of its own; what it prints, beside what it logs."""
    runner = CliRunner()
    # The configuration stays for all tests of this process.
    monkeypatch.setattr(log_config, "configure", lambda _settings: None)
    asyncio.run(migrate(f"sqlite:///{tmp_path}/live.db"))

    def run(*words: str) -> str:
        with capture_logs() as lines:
            result = runner.invoke(app, ["partners", *words, "--database", f"sqlite:///{tmp_path}/live.db"])
        told.extend((line["event"], line["by"]["command"], line.get("changed")) for line in lines)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_live_blogs_that_arent_there(run: Callable[..., str]) -> None:
    """They may be opened later, or be misspelt: that is told, beside the id."""
    partner_id, *told = run("add", "Le Phare", "--liveblog", "marees", "--liveblog", "maree-haute-2").splitlines()
    assert told == [
        f"liveserver: there is no live blog {slug} so far: the partner may show it once it is opened"
        for slug in ("marees", "maree-haute-2")
    ]
    assert run("edit", partner_id, "--liveblog", "marees").splitlines()[1:] == told[:1]
    assert run("edit", partner_id, "--name", "La Balise").splitlines() == [f"{partner_id} is at version 3."]


def test_a_partner(run: Callable[..., str], told: list[Any]) -> None:
    origins = ("--origin", "https://a.example", "--origin", "https://*.a.example")
    credit = ("--credit", "Avec nous", "--credit-url", "https://live.example/")
    partner_id = run("add", "Le Phare", *origins, "--tag", "mer", "--delay", "30", "--accent", "#c00", *credit).strip()
    assert re.fullmatch(r"p_[a-z0-9]{12}", partner_id)
    shown = orjson.loads(run("show", partner_id))
    assert (shown["origins"], shown["tags"], shown["delay"]) == (
        ["https://a.example", "https://*.a.example"],
        ["mer"],
        30,
    )
    assert (shown["theme"], shown["attribution"]["url"]) == ({"accent": "#c00"}, "https://live.example/")
    run(
        "edit",
        partner_id,
        "--delay",
        "5",
        "--clear",
        "tags",
        "--clear",
        "attribution",
        "--expires",
        "2030-01-01T00:00:00Z",
    )
    shown = orjson.loads(run("show", partner_id))
    assert (shown["tags"], shown["delay"], shown["attribution"], shown["version"]) == ([], 5, None, 2)
    assert "expires 2030-01-01T00:00:00.000Z" in run("list")
    run("disable", partner_id)
    assert orjson.loads(run("show", partner_id))["enabled"] is False
    assert re.search(rf"{partner_id} +Le Phare +off +5 s +all +all +https://a.example", run("list"))
    run("enable", partner_id)
    assert orjson.loads(run("show", partner_id))["enabled"] is True
    run("enable", partner_id)
    run("remove", partner_id)
    with pytest.raises(NotFound):
        run("show", partner_id)
    assert partner_id not in run("list")
    assert told == [
        ("partner.created", "partners add", None),
        ("partner.edited", "partners edit", ["tags", "delay", "expires_at", "attribution"]),
        ("partner.edited", "partners disable", ["enabled"]),
        ("partner.edited", "partners enable", ["enabled"]),
        ("partner.deleted", "partners remove", None),
    ]


def test_what_is_refused(run: Callable[..., str]) -> None:
    """Every bad option is named, as it was given."""
    with pytest.raises(InvalidInput, match=r"^--origin: must be .*; --delay: .*; --expires: .*; --accent: "):
        run("add", "x", "--origin", "a.example", "--delay", "9999", "--expires", "2020-01-01", "--accent", "red")
    with pytest.raises(InvalidInput, match=r"^the name: .*; --credit: .*; --credit-url: "):
        run("edit", "p_abcdefghijkl", "--name", " ", "--credit-url", "here")
    with pytest.raises(NotFound):
        run("disable", "p_abcdefghijkl")
