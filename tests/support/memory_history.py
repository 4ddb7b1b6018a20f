"""A history in memory: of each thing the latest state, as the store keeps it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from liveserver.domain.change import Position
from liveserver.domain.errors import NotFound, StoreUnavailable
from liveserver.protocol import messages
from liveserver.protocol.frames import ChangeFrame
from liveserver.realtime.channel import Replay
from liveserver.realtime.hub import Hub
from liveserver.realtime.topics.partner_editions import PartnerEditions
from liveserver.realtime.topics.topic_bus import TopicBus
from tests.support.viewers import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Collection

    from liveserver.domain.topic import Topic
    from liveserver.realtime.bus import Bus

EPOCH = "aaaaaaaa"
LIVEBLOG = "liveblog"


@dataclass
class _Line:
    position: Position
    latest: dict[str, ChangeFrame] = field(default_factory=dict)


class MemoryHistory:
    """Implements the hub's `History` of whole live blogs, counts what is read, and can be held up or taken down."""

    def __init__(self, *slugs: str) -> None:
        self.reads: list[str] = []
        """`recent`, `after 3`, in the order in which they began; polls are not among them."""
        self.down = False
        self.broken = False
        self.polled = asyncio.Event()
        self._lines = {slug: _Line(Position(EPOCH, 0)) for slug in slugs}
        self._let_go = asyncio.Event()
        self._let_go.set()
        self._began = asyncio.Event()

    def position(self, slug: str) -> Position:
        """Where the live blog stands."""
        return self._lines[slug].position

    def state(self, slug: str) -> dict[str, int]:
        """The seq of the latest state of each thing."""
        return {key: frame.seq for key, frame in self._lines[slug].latest.items()}

    def commit(self, slug: str, key: str, *, deleted: bool = False, size: int = 0) -> ChangeFrame:
        """The next change: of an entry with this id, or of the live blog."""
        line = self._lines[slug]
        line.position = Position(line.position.epoch, line.position.seq + 1)
        if key == LIVEBLOG:
            message = messages.liveblog_message(line.position.seq, {"slug": slug, "title": "x" * size})
        elif deleted:
            message = messages.delete_message(line.position.seq, key)
        else:
            message = messages.entry_message(line.position.seq, {"id": key, "body": "x" * size})
        frame = ChangeFrame(line.position, key, message)
        line.latest[key] = frame
        return frame

    def restart(self, slug: str, epoch: str, changes: int) -> None:
        """Replace the history by another one with so many changes."""
        self._lines[slug] = _Line(Position(epoch, 0))
        for number in range(changes):
            self.commit(slug, f"restored-{number % 3}")

    def read(self, slug: str, seq: int) -> Replay:
        """Everything after a seq, at once."""
        if slug not in self._lines:
            raise NotFound
        line = self._lines[slug]
        frames = sorted((frame for frame in line.latest.values() if frame.seq > seq), key=lambda frame: frame.seq)
        return Replay(line.position, seq, frames)

    def read_recent(self, slug: str, count: int) -> Replay:
        """The last changes, at once."""
        return self.read(slug, self._recent(slug, count))

    def hold(self) -> None:
        """From now on answers are kept back: what is read is of the moment of reading, not of the answer."""
        self._let_go.clear()

    def release(self) -> None:
        """Give the answers."""
        self._let_go.set()

    async def until_reads(self, count: int) -> None:
        """Wait until so many reads have begun."""
        async with asyncio.timeout(PATIENCE):
            while len(self.reads) < count:
                self._began.clear()
                await self._began.wait()

    def vanish(self, slug: str) -> None:
        """Replace everything by a history without this live blog."""
        del self._lines[slug]

    async def after(self, topic: Topic, position: Position) -> Replay:
        slug = topic.slug
        line = self._lines.get(slug)
        foreign = line is not None and line.position.epoch != position.epoch
        return await self._answer(f"after {position.seq}", slug, self._recent(slug, 100) if foreign else position.seq)

    async def recent(self, topic: Topic, here: Position, count: int) -> Replay:
        return await self._answer("recent", topic.slug, self._recent(topic.slug, count))

    def _recent(self, slug: str, count: int) -> int:
        line = self._lines.get(slug)
        return max(0, line.position.seq - count) if line else 0

    async def positions(self, topics: Collection[Topic]) -> dict[Topic, Position]:
        self.polled.set()
        if self.broken:
            raise ZeroDivisionError
        if self.down:
            raise StoreUnavailable
        return {topic: self._lines[topic.slug].position for topic in topics if topic.slug in self._lines}

    async def _answer(self, what: str, slug: str, seq: int) -> Replay:
        self.reads.append(what)
        self._began.set()
        replay = None if self.down else self.read(slug, seq)
        await self._let_go.wait()
        if replay is None or self.down:
            raise StoreUnavailable
        return replay


def hub_on(history: MemoryHistory, bus: Bus, **options: Any) -> Hub:
    """A hub on a history in memory and a bus."""
    return Hub(history, TopicBus(bus, PartnerEditions(cast("Any", history))), **options)
