"""The poll, as hubs carry it out: what the bus lost is found, and what nobody reads is forgotten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from liveserver.domain.change import Position
from liveserver.domain.topic import Topic
from liveserver.protocol.frames import BUS_MESSAGE_MAX
from liveserver.realtime import synced_channel as synced_channel_module
from liveserver.realtime.upkeep import store_poll as store_poll_module
from tests.support.hub_cluster import MATCH, SOON, WHOLE, cluster, poll
from tests.support.memory_history import EPOCH
from tests.support.viewers import PATIENCE, settle

if TYPE_CHECKING:
    import pytest


async def test_what_is_asked_for_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does for viewers."""
    async with cluster("a") as [node]:
        times = [0.0]
        for module in (synced_channel_module, store_poll_module):
            monkeypatch.setattr(module, "now", lambda: times[-1])
        await node.hub.enter(WHOLE)
        for _ in range(3):
            times.append(times[-1] + store_poll_module.IDLE_KEEP - 1)
            await poll(node)
            assert node.hub.reached(WHOLE) == Position(EPOCH, 1)
        times.append(times[-1] + store_poll_module.IDLE_KEEP + 1)
        await poll(node)
        assert node.hub.reached(WHOLE) is None


async def test_a_live_blog_that_nobody_reads_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async with cluster("a") as [node]:
        viewer, reader = await node.join(), await node.join(slug="other")
        node.hub.leave(WHOLE, viewer)
        await poll(node)
        assert node.hub.count(MATCH) == 0
        assert len(list(node.hub.channels())) == 2, "for a while it is kept warm"
        monkeypatch.setattr(store_poll_module, "IDLE_KEEP", -1)
        await poll(node)
        assert [channel.topic.slug for channel in node.hub.channels()] == ["other"]
        assert node.bus.subscribed == ["+match", "+other", "-match"]
        assert (await node.join(0)).told == ["hello 1", "entry 1 a"], "and opened again"
        assert reader.told == ["hello 0 fresh"]


async def test_a_bus_that_hangs_does_not_hold_up_the_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live blog is unsubscribed beside it: what the bus has lost meanwhile must be found all the same."""
    monkeypatch.setattr(store_poll_module, "IDLE_KEEP", 0.0)
    async with cluster(poll=SOON) as [node]:
        viewer, leaving = await node.join(), await node.join(slug="other")
        hangs = asyncio.Event()

        async def unsubscribe(slug: str) -> None:
            hangs.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(node.bus, "unsubscribe", unsubscribe)
        node.hub.leave(Topic("other"), leaving)
        await asyncio.wait_for(hangs.wait(), PATIENCE)
        node.history.commit(MATCH, "a")
        await viewer.until_told("entry 1 a")


async def test_the_last_message_lost_is_found_by_the_poll() -> None:
    async with cluster(poll=SOON) as [node]:
        viewer = await node.join()
        node.history.commit(MATCH, "a")
        await viewer.until_told("entry 1 a")
        assert node.history.reads == ["recent", "after 0"]


async def test_a_poll_that_finds_nothing_reads_nothing() -> None:
    async with cluster("a", poll=SOON) as [node]:
        await node.join()
        for _ in range(3):
            node.history.polled.clear()
            await asyncio.wait_for(node.history.polled.wait(), PATIENCE)
        assert node.history.reads == ["recent"]


async def test_while_the_bus_is_down_the_poll_is_fast() -> None:
    async with cluster(nodes=2, poll_fast=SOON) as [node, elsewhere]:
        viewer = await node.join()
        node.bus.set_up(False)
        await settle()
        for key in "ab":
            elsewhere.publish(key)
        await viewer.until_told("entry 2 b")
        assert viewer.told == ["hello 0 fresh", "entry 1 a", "entry 2 b"]


async def test_a_bus_that_comes_back_is_followed_by_a_poll_at_once() -> None:
    async with cluster(nodes=2) as [node, elsewhere]:
        viewer = await node.join()
        node.bus.set_up(False)
        await settle()
        elsewhere.publish("a")
        await settle()
        assert viewer.told == ["hello 0 fresh"]
        node.bus.set_up(True)
        await viewer.until_told("entry 1 a")


async def test_a_repair_that_failed_is_made_good_by_the_poll() -> None:
    async with cluster(nodes=2, poll=SOON) as [node, elsewhere]:
        viewer = await node.join()
        node.history.down = True
        elsewhere.publish("large", size=BUS_MESSAGE_MAX)
        await node.history.until_reads(2)
        await settle()
        assert viewer.told == ["hello 0 fresh"]
        node.history.down = False
        await viewer.until_told("entry 1 large")


async def test_the_poll_outlives_any_defect() -> None:
    async with cluster(poll=SOON) as [node]:
        viewer = await node.join()
        node.history.broken = True
        node.history.polled.clear()
        await asyncio.wait_for(node.history.polled.wait(), PATIENCE)
        node.history.broken = False
        node.history.commit(MATCH, "a")
        await viewer.until_told("entry 1 a")
