"""The parts of a process: what one that can't start leaves behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from liveserver.access.partner_admission import PartnerAdmission
from liveserver.domain.errors import StoreUnavailable
from liveserver.newsroom.syndication.coordinator import SyndicationCoordinator
from liveserver.realtime.hub import Hub
from liveserver.server.lifespan import running
from liveserver.store import Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from liveserver.settings import Settings


@pytest.mark.parametrize(
    ("part", "method"), [(Hub, "start"), (PartnerAdmission, "start"), (SyndicationCoordinator, "__init__")]
)
async def test_a_part_that_fails_to_start_ends_the_others(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, part: type, method: str
) -> None:
    """The hub and the store are closed, and no task goes on."""
    closed: list[str] = []
    for one, name in ((Hub, "hub"), (Store, "store")):
        monkeypatch.setattr(one, "close", _noting(one.close, closed, name))

    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(part, method, fail)
    tasks = asyncio.all_tasks()
    with pytest.raises(StoreUnavailable, match="away"):
        async with running(settings):
            pytest.fail("it started")
    assert closed == ["hub", "store"]
    assert asyncio.all_tasks() == tasks


def _noting(close: Callable[..., Awaitable[None]], closed: list[str], name: str) -> Callable[..., Awaitable[None]]:
    async def noted(part: object) -> None:
        closed.append(name)
        await close(part)

    return noted
