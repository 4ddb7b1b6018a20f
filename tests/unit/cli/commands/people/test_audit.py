"""`liveserver audit`: who did what, as a table and as JSON lines."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from liveserver.cli.app import app
from liveserver.cli.commands.people import audit
from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from liveserver.protocol.json_encoding import timestamp
from liveserver.server import log_config
from liveserver.store import Store, migrate
from tests.support.people_samples import joined
from tests.support.store_samples import a_draft, a_liveblog

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

    from liveserver.domain.people.principal import Principal


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of its own."""
    # The configuration would stay for all tests of this process.
    monkeypatch.setattr(log_config, "configure", lambda _settings: None)
    return f"sqlite:///{tmp_path}/live.db"


@pytest.fixture
def ada(database: str) -> Principal:
    """An editor who has opened a live blog, and written two drafts there."""

    async def fill() -> Principal:
        await migrate(database)
        store = await Store.open(database)
        editor = await joined(store, "Ada Lovelace", Role.EDITOR)
        await store.liveblogs.create(a_liveblog(), editor)
        for _ in range(2):
            await store.entries.create("match", a_draft(now()), by=editor)
        await store.close()
        return editor

    return asyncio.run(fill())


def run(database: str, *words: str) -> Result:
    """What the command printed."""
    return CliRunner().invoke(app, ["audit", *words, "--database", database])


def lines(database: str, *words: str) -> list[dict[str, Any]]:
    """The acts that it printed as JSON lines."""
    result = run(database, "--json", *words)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_acts_are_printed_as_json_lines_by_what_is_asked_for(database: str, ada: Principal) -> None:
    """By name or id, live blog, entry, action and time; the last act first."""
    drafts = lines(database, "--person", "ada lovelace", "--action", "entry")
    assert [act["action"] for act in drafts] == ["entry.created"] * 2
    assert drafts[0]["by"] == {"kind": "user", "id": ada.id, "name": "Ada Lovelace"}
    assert lines(database, "--person", ada.id, "--action", "entry.created") == drafts
    assert lines(database, "--entry", drafts[1]["entry"]) == drafts[1:]
    assert [act["action"] for act in lines(database, "--liveblog", "match")] == [
        "entry.created",
        "entry.created",
        "liveblog.opened",
    ]
    later = timestamp(now() + timedelta(minutes=1))
    assert lines(database, "--since", later) == []
    assert lines(database, "--until", "2026-01-01") == []
    assert lines(database, "--since", "2026-01-01", "--until", later, "--action", "entry") == drafts


def test_only_so_many_are_read_at_once_and_shown(
    database: str, ada: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = lines(database)
    assert ada.id in {act["by"]["id"] for act in every}
    monkeypatch.setattr(audit, "PAGE", 2)
    assert lines(database) == every
    assert lines(database, "--limit", "3") == every[:3]


def test_people_get_a_table(database: str, ada: Principal) -> None:
    """A name with a space in the details stands in quotation marks."""
    result = run(database)
    assert result.exit_code == 0
    head, newest, *_ = result.stdout.splitlines()
    assert head.split() == ["AT", "BY", "ACTION", "LIVE", "BLOG", "ENTRY", "DETAILS"]
    assert "Ada Lovelace" in newest
    assert "entry.created" in newest
    assert f'user={ada.id} user_name="Ada Lovelace" role=editor' in result.stdout


def test_a_bad_time_is_told(database: str) -> None:
    result = run(database, "--since", "yesterday")
    assert result.exit_code == 2
    assert "--since must be a day" in result.output
    result = run(database, "--since", "2026-11-30 17:09")
    assert result.exit_code == 2
    assert "with its offset from UTC" in result.output


@pytest.mark.parametrize(("option", "value"), [("--person", "Nobody"), ("--person", "u_x"), ("--liveblog", "nope")])
def test_somebody_and_something_unknown_is_told(database: str, ada: Principal, option: str, value: str) -> None:
    """A table without acts would say that there was nothing to tell."""
    result = run(database, option, value)
    assert result.exit_code == 2
    assert f"{option}: " in result.stderr
    assert repr(value) in result.stderr
    assert result.stdout == ""


def test_who_has_done_nothing_has_no_acts(database: str, ada: Principal) -> None:
    assert lines(database, "--person", ada.id, "--until", "2020-01-01") == []
