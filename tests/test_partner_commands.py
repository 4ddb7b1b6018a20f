"""`liveserver partners …`, from taking one in to removing it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson
import pytest
from typer.testing import CliRunner

from liveserver.cli import app
from liveserver.errors import Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Runs a command on a database of its own; what it prints."""
    runner = CliRunner()

    def run(*words: str) -> str:
        result = runner.invoke(app, ["partners", *words, "--database", f"sqlite:///{tmp_path}/live.db"])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_a_partner(run: Callable[..., str]) -> None:
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
    run("remove", partner_id)
    with pytest.raises(NotFound):
        run("show", partner_id)
    assert partner_id not in run("list")


def test_what_is_refused(run: Callable[..., str]) -> None:
    """As the API does: every bad field is named."""
    with pytest.raises(Invalid, match=r"/origins/0.*/delay"):
        run("add", "x", "--origin", "a.example", "--delay", "9999")
    with pytest.raises(NotFound):
        run("disable", "p_abcdefghijkl")
