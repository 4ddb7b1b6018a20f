"""Heartbeats, and what the nodes tell each other of their viewers, among hubs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from liveserver.realtime.upkeep import announced_counts
from tests.support.api.site import settled
from tests.support.hub_cluster import MATCH, SOON, WHOLE, Node, cluster

if TYPE_CHECKING:
    import pytest


async def count_everywhere(node: Node, count: int) -> None:
    """Return once the node counts so many viewers of the match."""

    async def counts() -> bool:
        return node.hub.count_everywhere(MATCH) == count

    await settled(counts)


async def test_heartbeats_come_by_themselves() -> None:
    async with cluster("a", heartbeat=0) as [node]:
        viewer = await node.join()
        await viewer.until_told("heartbeat 1")
        assert viewer.messages[1] == {"type": "heartbeat", "seq": 1, "viewers": 1}


async def test_heartbeats_count_the_viewers_of_all_nodes() -> None:
    async with cluster("a", nodes=3, heartbeat=0) as [node, elsewhere, third]:
        viewer = await node.join()
        for other in (elsewhere, elsewhere, third):
            await other.join()
        await elsewhere.join(slug="other")
        for other in (elsewhere, third):
            other.hub.announce()
        assert [n.hub.count_everywhere(MATCH) for n in (node, elsewhere, third)] == [4, 3, 3]
        await viewer.until(lambda: viewer.messages[-1].get("viewers") == 4)


async def test_every_node_says_by_itself_how_many_viewers_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announced_counts, "INTERVAL", SOON)
    async with cluster(nodes=2) as [node, elsewhere]:
        viewers = [await elsewhere.join(), await elsewhere.join()]
        await count_everywhere(node, 2)
        elsewhere.hub.leave(WHOLE, viewers[0])
        await count_everywhere(node, 1)


async def test_a_node_that_says_nothing_any_more_is_counted_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announced_counts, "INTERVAL", SOON)
    monkeypatch.setattr(announced_counts, "LIFETIME", 5 * SOON)
    async with cluster(nodes=2) as [node, elsewhere]:
        await elsewhere.join()
        await count_everywhere(node, 1)
        await elsewhere.hub.close()
        await count_everywhere(node, 0)


async def test_while_the_bus_is_down_the_count_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can be heard, which says nothing of who is there."""
    monkeypatch.setattr(announced_counts, "LIFETIME", 0.05)
    async with cluster(nodes=2) as [node, elsewhere]:
        await elsewhere.join()
        elsewhere.hub.announce()
        for end in (node, elsewhere):
            end.bus.set_up(False)
        await asyncio.sleep(0.06)
        node.hub.announce()
        assert node.hub.count_everywhere(MATCH) == 1
        node.bus.set_up(True)
        node.hub.announce()
        assert node.hub.count_everywhere(MATCH) == 1, "it has had no time yet to say anything"
        await asyncio.sleep(0.06)
        node.hub.announce()
        assert node.hub.count_everywhere(MATCH) == 0
