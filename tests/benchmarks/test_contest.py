"""The comparison itself, small: real servers, and viewers that get everything."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from typing import TYPE_CHECKING

import orjson
import pytest

from benchmarks.contestants import (
    CONTESTS,
    ROOT,
    Contestant,
    Discipline,
    Floor,
    Liveserver,
    NotInstalled,
    StarletteLoop,
    WebsocketsBroadcast,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(180)
async def test_a_small_comparison(tmp_path: Path) -> None:
    """The floor in three disciplines, and a server of Python: the same bytes, and nothing lost."""
    arguments = ["--rounds", "1", "--viewers", "20", "--publishes", "10", "--only", "broadcast", "--out", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks", *arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert out.decode().rstrip() == (tmp_path / "table.md").read_text().rstrip()
    values = orjson.loads((tmp_path / "comparison.json").read_bytes())
    sizes = {}
    compiler = shutil.which("cc") is not None
    for entrant in values["entrants"]:
        if entrant["is_floor"] and not compiler:
            assert entrant["missing"] == "cc is not installed"
            continue
        (figures,) = entrant["rounds"]
        sizes[entrant["name"], entrant["discipline"]] = figures["delivery_bytes"]
        assert figures["delivery_us"] > 0
        assert figures["p50_ms"] > 0
    assert len(sizes) == (4 if compiler else 1)
    if not compiler:
        return
    assert sizes["websockets, `broadcast()`", "WebSocket"] == sizes["floor", "WebSocket"]
    assert sizes["floor", "WebSocket, deflated"] < sizes["floor", "WebSocket"] / 2


@pytest.mark.parametrize("kind", [Liveserver, StarletteLoop, WebsocketsBroadcast])
def test_a_contestant_that_is_installed(kind: type[Contestant]) -> None:
    """A contestant that needs nothing but this project is always there."""
    assert kind.check()


def test_a_contestant_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what is missing."""
    monkeypatch.setenv("PATH", "/nowhere")
    others = [kind for _, kinds in CONTESTS for kind in kinds if kind.name in {"floor", "Node, `ws`"}]
    for kind in others:
        with pytest.raises(NotInstalled, match="is not installed"):
            kind.check()


def test_the_floor_comes_first() -> None:
    disciplines: list[Discipline] = [discipline for discipline, _ in CONTESTS]
    assert len(set(disciplines)) == len(disciplines)
    assert all(kinds[0] is Floor and Liveserver in kinds for _, kinds in CONTESTS)
