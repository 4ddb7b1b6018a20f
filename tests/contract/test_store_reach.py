"""The promises of every store on reach."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.audience import ReachHour
from liveserver.domain.errors import NotFound
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_liveblog, at

if TYPE_CHECKING:
    from liveserver.store import Store


async def test_what_nodes_count_adds_up(store: Store) -> None:
    """Views and seconds; of peaks the higher one stays. Each hour, partner and live blog by itself."""
    await store.liveblogs.create(a_liveblog("vote"), NEWSROOM)
    first = [ReachHour("", at(0), 3, 100, 3), ReachHour("p_a", at(0), 1, 50, 1), ReachHour("", at(3600), 0, 30, 2)]
    await store.reach.add([("match", hour) for hour in first])
    await store.reach.add([("match", ReachHour("", at(0), 2, 10, 2)), ("vote", ReachHour("", at(0), 7, 7, 7))])
    await store.reach.add([("match", ReachHour("", at(0), 1, 1, 9)), ("rien", ReachHour("", at(0), 1, 1, 1))])
    assert await store.reach.find("match", at(0), at(7200)) == [
        ReachHour("", at(0), 6, 111, 9),
        ReachHour("", at(3600), 0, 30, 2),
        ReachHour("p_a", at(0), 1, 50, 1),
    ]
    assert await store.reach.find("match", at(1), at(3601)) == [ReachHour("", at(3600), 0, 30, 2)]
    assert await store.reach.find("match", at(0), at(3600), partner="p_a") == [ReachHour("p_a", at(0), 1, 50, 1)]
    assert await store.reach.find("match", at(0), at(3600), partner="") == [ReachHour("", at(0), 6, 111, 9)]
    assert await store.reach.find("vote", at(0), at(1)) == [ReachHour("", at(0), 7, 7, 7)]
    assert await store.reach.find("match", at(0), at(3600), partner="p_\x00") == []
    with pytest.raises(NotFound):
        await store.reach.find("rien", at(0), at(1))


async def test_many_nodes_write_at_once(store: Store) -> None:
    hours = [ReachHour(partner, at(0), 1, 2, 1) for partner in ("p_b", "", "p_a")]
    orders = [hours, hours[::-1]] * 5
    await asyncio.gather(*(store.reach.add([("match", hour) for hour in order]) for order in orders))
    assert await store.reach.find("match", at(0), at(1)) == [
        ReachHour(partner, at(0), 10, 20, 1) for partner in ("", "p_a", "p_b")
    ]
