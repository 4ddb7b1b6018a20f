"""The end: everybody is told a moment, gets what comes until then, and leaves at it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.errors import Draining
from liveserver.domain.topic import Topic
from liveserver.server import drain as module
from liveserver.server.drain import SLOTS, farewell, timetable
from tests.support.hub_cluster import MATCH, WHOLE, cluster
from tests.support.viewers import PATIENCE, ListSink, set_batch_size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.hub_cluster import Node

WINDOW = 0.2


class Leaving(ListSink):
    """A viewer whose connection ends when it is closed, at a time that is kept."""

    def __init__(self, node: Node, slug: str) -> None:
        super().__init__()
        self.left_at = 0.0
        self._node = node
        self._slug = slug

    def close(self, code: int) -> None:
        super().close(code)
        loop = asyncio.get_running_loop()
        self.left_at = loop.time()
        loop.call_soon(self._node.hub.leave, Topic(self._slug), self)

    @property
    def after_ms(self) -> int:
        """The delay that it was told, in milliseconds."""
        [ms] = [message["after_ms"] for message in self.messages if message["type"] == "reconnect"]
        return int(ms)


async def join(node: Node, slug: str = MATCH) -> Leaving:
    viewer = Leaving(node, slug)
    await node.hub.join(Topic(slug), viewer, None)
    return viewer


@asynccontextmanager
async def going(node: Node, window: float = WINDOW) -> AsyncIterator[None]:
    """While the viewers are seen off, and until that is done."""
    task = asyncio.create_task(farewell(node.hub, window))
    await asyncio.sleep(0)
    yield
    await asyncio.wait_for(task, PATIENCE)


@pytest.mark.parametrize("count", [0, 1, 2, 60, SLOTS, 3 * SLOTS + 7])
def test_moments_are_spread_evenly_over_the_window(count: int) -> None:
    moments = timetable(count, 10)
    assert len(moments) == count
    assert moments == sorted(moments)
    assert all(0 <= moment <= 10_000 for moment in moments)
    for start in range(0, 10_000, 500):
        within = sum(start <= moment < start + 500 for moment in moments)
        assert within <= count / 20 + 2 * max(1, count / SLOTS)
    if count <= 60:
        assert len(set(moments)) == count, "everyone at another moment"


async def test_everyone_is_told_another_moment_and_leaves_at_it() -> None:
    async with cluster() as [node]:
        viewers = [await join(node, slug) for slug in (MATCH, "other") for _ in range(10)]
        began = asyncio.get_running_loop().time()
        async with going(node):
            pass
        assert [viewer.closed for viewer in viewers] == [1012] * 20
        for viewer in viewers:
            assert viewer.after_ms / 1000 <= viewer.left_at - began < viewer.after_ms / 1000 + WINDOW / 2
        assert len({viewer.after_ms for viewer in viewers}) == 20
        in_order = sorted(viewers, key=lambda viewer: viewer.after_ms)
        assert all(one.left_at <= other.left_at for one, other in pairwise(in_order))
        assert in_order != viewers, "whoever came first needn't leave first"


async def test_changes_are_delivered_until_one_leaves() -> None:
    async with cluster() as [node]:
        viewers = [await join(node) for _ in range(20)]
        async with going(node):
            while any(viewer.closed is None for viewer in viewers):
                node.publish("a")
                await asyncio.sleep(0.005)
        last = max(viewers, key=lambda viewer: viewer.after_ms)
        seqs = [message["seq"] for message in last.messages if message["type"] == "entry"]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) > 5


async def test_what_was_on_its_way_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    set_batch_size(monkeypatch, 2)
    async with cluster() as [node]:
        viewers = [await join(node) for _ in range(50)]
        node.publish("a")
        async with going(node, 0):
            pass
        assert [viewer.told[1] for viewer in viewers] == ["entry 1 a"] * 50
        assert [viewer.told[2:] for viewer in viewers] == [["reconnect 0"]] * 50


async def test_nobody_else_is_let_in() -> None:
    async with cluster() as [node]:
        await join(node)
        node.history.hold()
        behind = asyncio.create_task(node.join(0, slug="other"))
        await node.history.until_reads(2)
        async with going(node):
            node.history.release()
            with pytest.raises(Draining):
                await behind
            with pytest.raises(Draining):
                await node.join()
            with pytest.raises(Draining):
                await node.hub.enter(WHOLE)


async def test_without_viewers_it_is_over_at_once() -> None:
    async with cluster() as [node]:
        await asyncio.wait_for(farewell(node.hub, 3600), PATIENCE)


async def test_when_the_last_has_left_by_itself_it_is_over() -> None:
    async with cluster() as [node]:
        viewer = await join(node)
        async with going(node, 3600):
            await viewer.until(lambda: len(viewer.frames) == 2)
            assert viewer.after_ms >= 900_000
            node.hub.leave(WHOLE, viewer)


async def test_a_viewer_that_does_not_read_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is let go without a word, and the connection's own end is for others to enforce."""
    monkeypatch.setattr(module, "PATIENCE", 0.02)
    async with cluster() as [node]:
        slow = await node.join(room=1)
        node.publish("a")
        async with going(node):
            pass
        assert (slow.told, slow.closed) == (["hello 0 fresh"], 1012)


async def test_the_other_nodes_hear_that_nobody_is_left() -> None:
    async with cluster(nodes=2) as [node, elsewhere]:
        await join(node)
        node.hub.announce()
        assert elsewhere.hub.count_everywhere(MATCH) == 1
        async with going(node):
            pass
        assert elsewhere.hub.count_everywhere(MATCH) == 0
