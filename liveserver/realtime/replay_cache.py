"""Replays for viewers that come back, beyond the channel's memory: read from the store once for many viewers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from liveserver.domain.change import Position

if TYPE_CHECKING:
    from liveserver.domain.topic import Topic
    from liveserver.realtime.channel import Replay
    from liveserver.realtime.ports import History

REPLAY_MAX = 300
"""The most changes that are replayed. A viewer further behind starts afresh, which takes fewer bytes."""

REPLAY_KEEP = 10.0
"""Seconds for which a replay is kept for the next viewers that memory doesn't cover.

Viewers come in waves: one read serves all of them, whatever their positions. And nobody can cause more than one read in
that time by opening streams.
"""

REPLAY_BYTES = 8 * 1024 * 1024
"""The most bytes of messages in a replay, whatever their number. A viewer that needs more starts afresh."""


class ReplayCache:
    """The cache of a topic's last replay, which was read or is being read."""

    def __init__(self, topic: Topic, history: History) -> None:
        self._topic = topic
        self._history = history
        self._replay: tuple[Position, asyncio.Task[Replay]] | None = None
        """The position where the read starts, and its task, which is kept for a while after it is done."""

    def reaches(self, after: Position, position: Position) -> bool:
        """True if a viewer at `after` is near enough to the channel's position to get a replay."""
        return position.seq - after.seq <= REPLAY_MAX

    async def read(self, after: Position, position: Position) -> Replay:
        """Return a replay from `after`, or from further back; if it was cached, it ends some seconds in the past.

        `position`: the channel's. The read starts so far back that it serves all viewers within reach. Raises NotFound
        and StoreUnavailable.
        """
        replay = self._replay
        if replay is None or replay[0].epoch != after.epoch or replay[0].seq > after.seq:
            furthest = max(0, position.seq - REPLAY_MAX)
            start = Position(after.epoch, min(after.seq, furthest))
            task = asyncio.create_task(self._read(start))
            replay = self._replay = (start, task)
            task.add_done_callback(self._keep)
        return await asyncio.shield(replay[1])

    def drop(self) -> None:
        """Forget the replay, which is too old, unless it is still being read."""
        if self._replay is not None and self._replay[1].done():
            self._replay = None

    def cancel(self) -> list[asyncio.Task[Replay]]:
        """Cancel the read under way, and return it for the caller to gather."""
        tasks = [] if self._replay is None else [self._replay[1]]
        for task in tasks:
            task.cancel()
        return tasks

    async def _read(self, start: Position) -> Replay:
        replay = await self._history.after(self._topic, start)
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
