"""Hubs on one history in memory and one bus that loses what it is told to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from liveserver.domain.change import Position
from liveserver.domain.topic import Topic
from liveserver.realtime.bus import Medium, MemoryBus
from tests.support.memory_history import EPOCH, MemoryHistory, hub_on
from tests.support.viewers import ListSink, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from liveserver.protocol.frames import ChangeFrame
    from liveserver.realtime.bus.port import Receiver
    from liveserver.realtime.hub import Hub


MATCH = "match"
WHOLE = Topic(MATCH)
NEVER = 3600.0
SOON = 0.01


class FaultyBus(MemoryBus):
    """A bus that goes down, loses messages and keeps a record. The work of `subscribe` can be given."""

    def __init__(self, medium: Medium) -> None:
        super().__init__(medium)
        self.subscribed: list[str] = []
        self.on_subscribe: Callable[[], object] = lambda: None
        self._receiver_outside: Receiver | None = None
        self._is_up = True

    @property
    def up(self) -> bool:
        return self._is_up

    async def start(self, receiver: Receiver) -> None:
        self._receiver_outside = receiver
        await super().start(receiver)

    def set_up(self, up: bool) -> None:
        """Go down, or come back."""
        self._is_up = up
        assert self._receiver_outside is not None
        self._receiver_outside.link_changed(up)

    async def subscribe(self, slug: str) -> None:
        await super().subscribe(slug)
        self.subscribed.append(f"+{slug}")
        self.on_subscribe()

    async def unsubscribe(self, slug: str) -> None:
        await super().unsubscribe(slug)
        self.subscribed.append(f"-{slug}")

    def deliver(self, slug: str, message: bytes) -> None:
        if self._is_up:
            super().deliver(slug, message)

    def deliver_announcement(self, message: bytes) -> None:
        if self._is_up:
            super().deliver_announcement(message)


class Node:
    """A hub with its end of the bus."""

    def __init__(self, history: MemoryHistory, medium: Medium, **options: Any) -> None:
        self.history = history
        self.bus = FaultyBus(medium)
        self.hub = hub_on(history, self.bus, **{"poll": NEVER, "poll_fast": NEVER, **options})

    async def join(
        self, after: int | Position | None = None, *, slug: str = MATCH, room: int | None = None
    ) -> ListSink:
        """A viewer."""
        viewer = ListSink(room)
        await self.hub.join(Topic(slug), viewer, Position(EPOCH, after) if isinstance(after, int) else after)
        return viewer

    def publish(self, key: str, *, size: int = 0) -> ChangeFrame:
        """Commit and publish here."""
        frame = self.history.commit(MATCH, key, size=size)
        self.hub.publish(MATCH, frame)
        return frame


@asynccontextmanager
async def cluster(*committed: str, nodes: int = 1, **options: Any) -> AsyncIterator[list[Node]]:
    """Hubs on one history and one medium. In the end none of them may leave a task behind."""
    history, medium = MemoryHistory(MATCH, "other"), Medium()
    for key in committed:
        history.commit(MATCH, key)
    before = asyncio.all_tasks()
    running = [Node(history, medium, **options) for _ in range(nodes)]
    async with started(*(node.hub for node in running)):
        await settle()
        yield running
        history.release()
    assert asyncio.all_tasks() == before


@asynccontextmanager
async def started(*hubs: Hub) -> AsyncIterator[None]:
    """Start hubs, and close them once the block has ended well."""
    for hub in hubs:
        await hub.start()
    yield
    for hub in hubs:
        await hub.close()


async def poll(node: Node) -> None:
    """Make the hub poll, and wait until it has."""
    node.hub.link_changed(True)
    await settle()
