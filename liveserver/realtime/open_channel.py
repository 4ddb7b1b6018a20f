"""A live blog that somebody reads here: its channel, what is known of it elsewhere, and the reads under way for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from liveserver.domain.change import VOID_POSITION, Position
from liveserver.utils.single_flight import FreshFlight

if TYPE_CHECKING:
    from collections.abc import Collection

    from liveserver.domain.topic import Topic
    from liveserver.protocol.frames import ChangeFrame
    from liveserver.realtime.channel import Channel, Replay

REPLAY_MAX = 300
"""Changes that a viewer may be behind to be told of each; one further behind starts afresh, which is less to carry."""

REPLAY_KEEP = 10.0
"""Seconds for which what was read for viewers that memory doesn't cover is kept for the next of them.

They come in waves: one read serves all of them, from whatever positions within reach. Whoever opens streams to have the
store read gets no more than one read in that time.
"""

REPLAY_BYTES = 8 * 1024 * 1024
"""The memory that this may take, whatever the number of changes; who would need more of it starts afresh."""

log = structlog.get_logger(__name__)


class History(Protocol):
    """Where the hub reads what it doesn't have. Raises NotFound and StoreUnavailable."""

    async def after(self, topic: Topic, position: Position) -> Replay:
        """Everything after a position; the last changes, if it is of another history than the store's.

        A seq beyond the store's gives an empty replay at the store's position.
        """

    async def recent(self, topic: Topic, here: Position, count: int) -> Replay:
        """The last changes, at most `count` of them up to `here`, where it stood a moment ago."""

    async def positions(self, topics: Collection[Topic]) -> dict[Topic, Position]:
        """Where each stands; of a live blog that isn't there, nothing."""


class SyncedChannel:
    """A topic in memory."""

    def __init__(self, channel: Channel, history: History, eased: asyncio.Event) -> None:
        """`eased`: set whenever some of what waits has been written."""
        self.channel = channel
        self.liveblog = channel.topic.slug
        """The slug of what its viewers read, all of it or a view of it."""
        self.idle_since: float | None = now()
        """Since when nobody reads it here."""
        self.heard = channel.position
        """How far the store was last known to have got: the channel may be about to follow."""
        self.grace = False
        """Whether a missing change is being waited for."""
        self.refresh = FreshFlight(self._refresh)
        """Reads what the store has beyond the channel, and delivers it."""
        self._history = history
        self._eased = eased
        self._replay: tuple[Position, asyncio.Task[Replay]] | None = None
        """A read from a position on, under way or done, for viewers that memory doesn't cover."""
        self._pumping = False
        """Whether the next row has its turn already."""

    def cancel(self) -> list[asyncio.Task[Any]]:
        """End the reads under way; they are returned for the caller to gather."""
        tasks: list[asyncio.Task[Any]] = [*self.refresh.cancel(), *([self._replay[1]] if self._replay else [])]
        for task in tasks:
            task.cancel()
        return tasks

    def hear(self, position: Position) -> None:
        """Note a position that the store has reached."""
        if position.epoch != self.heard.epoch or position.seq > self.heard.seq:
            self.heard = position

    @property
    def reached(self) -> Position | None:
        """How far the live blog is known to have got; None if that isn't known here."""
        here, heard = self.channel.position, self.heard
        if heard.epoch != here.epoch:
            # History was replaced, and the channel hasn't followed yet; or it has, and the poll is about to hear of it.
            return None
        return heard if heard.seq > here.seq else here

    def pump_soon(self) -> None:
        """Have what waits written, row by row, each in a turn of its own."""
        if self.channel.fanout_queue and not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    async def bridge(self, after: Position) -> tuple[Position, list[ChangeFrame]]:
        """Read what memory lacks for a viewer at `after`, until `Channel.join` can be called for it.

        The position to call it with is void if `after` lies too far back to be replayed.
        """
        channel = self.channel
        if channel.position.seq - after.seq > REPLAY_MAX:
            return VOID_POSITION, []
        if after.epoch != channel.position.epoch or after.seq > channel.position.seq:
            # It may come from another node, and know more than this one. Only the store can call its position void.
            await self.refresh()
        while after.epoch == channel.position.epoch and after.seq < channel.floor:
            replay = await self._read_from(after)
            if replay.position.epoch == channel.position.epoch and replay.position.seq >= channel.floor:
                return (after if after.seq >= replay.floor else VOID_POSITION), replay.frames
            # Memory has gone on since, and forgotten what came after that read.
            if self._replay is not None and self._replay[1].done():
                self._replay = None
            await self.refresh()
        return after, []

    async def _read_from(self, after: Position) -> Replay:
        """What the store has after a position, or after one further back: one read serves all that are within reach."""
        read = self._replay
        if read is None or read[0].epoch != after.epoch or read[0].seq > after.seq:
            furthest = max(0, self.channel.position.seq - REPLAY_MAX)
            start = Position(after.epoch, min(after.seq, furthest))
            task = asyncio.create_task(self._read(start))
            read = self._replay = (start, task)
            task.add_done_callback(self._keep)
        return await asyncio.shield(read[1])

    async def _read(self, start: Position) -> Replay:
        replay = await self._history.after(self.channel.topic, start)
        budget = REPLAY_BYTES
        for index in range(len(replay.frames), 0, -1):
            frame = replay.frames[index - 1]
            budget -= len(frame.message)
            if budget < 0:
                return replay._replace(floor=frame.seq, frames=replay.frames[index:])
        return replay

    def _keep(self, task: asyncio.Task[Replay]) -> None:
        if task.cancelled() or task.exception():
            self._forget(task)
        else:
            asyncio.get_running_loop().call_later(REPLAY_KEEP, self._forget, task)

    def _forget(self, task: asyncio.Task[Replay]) -> None:
        if self._replay is not None and self._replay[1] is task:
            self._replay = None

    async def _refresh(self) -> None:
        channel = self.channel
        while True:
            before = channel.position
            replay = await self._history.after(channel.topic, before)
            if replay.position == before or channel.repair(replay, now()):
                break
        self.pump_soon()
        if channel.position != before:
            log.debug("hub.refreshed", topic=channel.topic, before=str(before), after=str(channel.position))

    def _pump(self) -> None:
        self.channel.pump(now())
        self._pumping = False
        self._eased.set()
        self.pump_soon()


def now() -> float:
    """The event loop's time."""
    return asyncio.get_running_loop().time()
