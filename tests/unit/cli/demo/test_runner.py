"""The demo's newsroom: how long its story takes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.cli.demo.runner import Newsroom
from liveserver.cli.demo.script import load

if TYPE_CHECKING:
    from liveserver.http.container import Container


class Again(Exception):
    """The story begins for the second time."""


async def test_the_story_takes_as_long_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    slept, begun = list[float](), 0

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def clear(_newsroom: Newsroom) -> None:
        nonlocal begun
        begun += 1
        if begun == 2:
            raise Again

    async def nothing(*_: Any) -> None:
        pass

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(Newsroom, "_clear", clear)
    monkeypatch.setattr(Newsroom, "_do", nothing)
    parts: Container = SimpleNamespace(  # type: ignore[assignment]
        store=SimpleNamespace(liveblogs=SimpleNamespace(find=nothing))
    )
    newsroom = Newsroom(parts, load(), interval=6)
    with pytest.raises(Again):
        await newsroom.run()
    assert sum(slept) == newsroom.seconds == 240, "the README says it, too"
