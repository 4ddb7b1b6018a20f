"""QueueViewer, which is written to by ASGI's `send`: order, lagging, and its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
import pytest

from liveserver.domain.change import Position
from liveserver.protocol.frames import ChangeFrame, Frame
from liveserver.realtime.transport.queue_viewer import QUEUE_BYTES, QueueViewer
from tests.support.api.site import SLUG, WHOLE
from tests.support.viewers import PATIENCE

if TYPE_CHECKING:
    from tests.support.api.site import Site


def frame(seq: int, size: int = 10) -> Frame:
    """A frame of so many bytes."""
    return ChangeFrame(Position("abcdefgh", seq), str(seq), b"x" * size)


class Transport:
    """Takes one frame at a time, when it is let."""

    def __init__(self) -> None:
        self.sent: list[Frame] = []
        self._room = asyncio.Semaphore(0)
        self._taken = asyncio.Event()

    async def send(self, one: Frame) -> None:
        """Send a frame once it is let through."""
        await self._room.acquire()
        self.sent.append(one)
        self._taken.set()

    async def take(self, count: int) -> None:
        """Let so many more through, and wait until they are."""
        wanted = len(self.sent) + count
        for _ in range(count):
            self._room.release()
        async with asyncio.timeout(PATIENCE):
            while len(self.sent) < wanted:
                self._taken.clear()
                await self._taken.wait()


class Hub:
    """Notes who has drained, and when."""

    def __init__(self) -> None:
        self.drained: list[QueueViewer] = []
        self.again = asyncio.Event()

    def __call__(self, viewer: QueueViewer) -> None:
        self.drained.append(viewer)
        self.again.set()


async def test_a_queue_viewer_sends_in_order_and_ends() -> None:
    """A frame queued before the end is sent; one that comes after it isn't."""
    hub, transport = Hub(), Transport()
    viewer = QueueViewer(hub)
    frames = [frame(seq) for seq in range(3)]
    assert all(viewer.write(one) for one in frames)
    running = asyncio.create_task(viewer.run(transport.send))
    await transport.take(1)
    viewer.close(4000)
    viewer.close(1012)
    assert viewer.write(frame(9)) is True
    await transport.take(2)
    assert await running == 4000
    assert transport.sent == frames
    assert hub.drained == []


async def test_a_slow_viewer_lags_until_it_has_drained() -> None:
    """A full queue takes nothing more, not even what would fit, until all of it is sent: then the hub hears of it."""
    hub, transport = Hub(), Transport()
    viewer = QueueViewer(hub)
    half = QUEUE_BYTES // 2
    first = [frame(1, half), frame(2, half)]
    assert all(viewer.write(one) for one in first)
    assert viewer.write(frame(3)) is False
    running = asyncio.create_task(viewer.run(transport.send))
    await transport.take(1)
    assert viewer.write(frame(4)) is False
    assert hub.drained == []
    await transport.take(1)
    await hub.again.wait()
    assert hub.drained == [viewer]
    later = frame(5)
    assert viewer.write(later) is True
    await transport.take(1)
    assert transport.sent == [*first, later]
    viewer.close(1012)
    assert await running == 1012


async def test_a_viewer_that_lagged_is_caught_up(site: Site) -> None:
    """With a second `hello` and the latest states of what it missed; then it is live again."""
    hub, transport = site.parts.hub, Transport()
    viewer = QueueViewer(lambda viewer: hub.resume(WHOLE, viewer))
    await hub.join(WHOLE, viewer, None)
    running = asyncio.create_task(viewer.run(transport.send))
    channel = next(hub.channels())
    entries = []
    while not channel.lagging:
        entries.append(await site.publish("x" * 100_000))
        # The hub hears of it in the turn after the answer.
        await asyncio.sleep(0)
    missed = entries.pop()
    for heading in ("Un", "Deux"):
        missed = await site.edit(missed, heading=heading)
    await asyncio.sleep(0)
    assert hub.count(SLUG) == 1
    await transport.take(1 + len(entries) + 2)
    messages = [orjson.loads(one.message) for one in transport.sent]
    assert [message["type"] for message in messages] == ["hello", *["entry"] * len(entries), "hello", "entry"]
    seq = len(entries) + 3
    assert (messages[-2]["seq"], messages[-2]["resumed"]) == (seq, True)
    assert messages[-1] == {"type": "entry", "seq": seq, "entry": missed}
    assert not channel.lagging
    live = await site.publish()
    await transport.take(1)
    assert orjson.loads(transport.sent[-1].message) == {"type": "entry", "seq": seq + 1, "entry": live}
    viewer.close(1012)
    assert await running == 1012
    hub.leave(WHOLE, viewer)


async def test_a_stuck_viewer_is_dropped_when_it_is_closed() -> None:
    """Its send may never return; what was queued for it is let go."""
    hub, transport = Hub(), Transport()
    viewer = QueueViewer(hub)
    assert viewer.write(frame(1, QUEUE_BYTES)) is True
    running = asyncio.create_task(viewer.run(transport.send))
    await asyncio.sleep(0)
    assert viewer.write(frame(2)) is False
    viewer.close(4000)
    async with asyncio.timeout(PATIENCE):
        assert await running == 4000
    assert transport.sent == []


async def test_a_queue_viewer_can_be_cancelled() -> None:
    """As when the viewer leaves: that is no close code."""
    viewer = QueueViewer(Hub())
    running = asyncio.create_task(viewer.run(Transport().send))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_frame_larger_than_the_queue_gets_through() -> None:
    """Otherwise it could never be caught up with: `hello`, a lag, and `hello` again, for ever."""
    hub, transport = Hub(), Transport()
    viewer = QueueViewer(hub)
    hello, huge = frame(1), frame(2, 3 * QUEUE_BYTES)
    assert viewer.write(hello) is True
    assert viewer.write(huge) is True
    assert viewer.write(frame(3)) is False
    running = asyncio.create_task(viewer.run(transport.send))
    await transport.take(2)
    await hub.again.wait()
    assert transport.sent == [hello, huge]
    running.cancel()
