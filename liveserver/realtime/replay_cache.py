"""Replays (changes read from the store) for viewers that need older changes than the channel's memory has.

One replay serves many viewers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from liveserver.domain.change import Position

if TYPE_CHECKING:
    from liveserver.domain.topic import Topic
    from liveserver.realtime.channel import Replay
    from liveserver.realtime.ports import History

REPLAY_MAX = 300
"""The greatest number of missed changes for which a viewer gets a replay.

A viewer that has missed more changes loads a snapshot, which has fewer bytes.
"""

REPLAY_KEEP = 10.0
"""How long, in seconds, a replay is kept after it was read, so that other viewers can get it, too.

When many viewers need a replay at the same time, one read of the store serves all of them, whatever their positions. So
nobody can cause many reads by opening many streams.
"""

REPLAY_BYTES = 8 * 1024 * 1024
"""The greatest total size in bytes of a replay's messages. A viewer that needs more bytes loads a snapshot instead."""


class ReplayCache:
    """The cache of a topic's last replay. Viewers share a replay even while it is still being read from the store."""

    def __init__(self, topic: Topic, history: History) -> None:
        self._topic = topic
        self._history = history
        self._replay: tuple[Position, asyncio.Task[Replay]] | None = None
        """The position after which the replay is read, and the task that reads it; None if there is no replay.

        The task is kept for REPLAY_KEEP seconds after it has ended. A failed task is forgotten at once.
        """

    def reaches(self, after: Position, position: Position) -> bool:
        """Return True if a viewer has missed at most REPLAY_MAX changes, so that it gets a replay.

        `after`: the viewer's position. `position`: the channel's position. Only the seqs are compared, not the epochs.
        """
        return position.seq - after.seq <= REPLAY_MAX

    async def read(self, after: Position, position: Position) -> Replay:
        """Return a replay of the changes after `after`, or after an earlier position.

        `position`: the channel's position. A replay from the cache may lack the changes of the last seconds. If the
        replay must be read from the store, the read starts so far back that it serves all viewers for which `reaches`
        is True. If the messages have more than REPLAY_BYTES, the replay lacks the oldest changes, up to the seq
        `floor`. Raises NotFound and StoreUnavailable.
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
        """Forget the replay, so that the next `read` reads the store. Does nothing while the replay is being read."""
        if self._replay is not None and self._replay[1].done():
            self._replay = None

    def cancel(self) -> list[asyncio.Task[Replay]]:
        """Cancel the read if one is under way. Returns the last replay's task in a list, which the caller can await.

        Returns [] if no replay is being read or kept.
        """
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
