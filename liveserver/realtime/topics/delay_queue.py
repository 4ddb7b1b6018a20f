"""The queue of changes that a delayed topic doesn't show yet. This module does no I/O, and has no clock."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from liveserver.protocol.frames import ChangeFrame

if TYPE_CHECKING:
    from liveserver.domain.change import Position

QUEUE_BYTES = 8 * 1024 * 1024
"""The greatest total size in bytes of the messages in one queue.

If a change would exceed this size, only its position is queued. The change is read from the store when it is due."""


class DelayQueue:
    """A queue of one topic's changes that viewers aren't to see yet. Times are in seconds of the caller's clock."""

    def __init__(self) -> None:
        self.position: Position | None = None
        """The last known position of the live blog; None if it hasn't been read yet."""
        self._released = 0
        """The highest seq that viewers may see already. `put` ignores changes up to this seq."""
        self._waiting: dict[int, ChangeFrame | Position] = {}
        """The waiting changes by seq. A change with only its position here is read from the store when it is due."""
        self._due: list[tuple[float, int]] = []
        """A heap of the times when changes are due, each with the change's seq."""
        self._size = 0

    @property
    def due(self) -> float | None:
        """The time when the next change is due; None while no change waits."""
        return self._due[0][0] if self._due else None

    def restart(self, position: Position, released: int) -> None:
        """Empty the queue, and start again.

        `position`: the live blog's position. `released`: the seq up to which viewers may see all changes already.
        """
        self._waiting.clear()
        self._due.clear()
        self._size = 0
        self.position, self._released = position, released

    def is_behind(self, position: Position) -> bool:
        """Return True if `position` is later than the last known position or has another epoch, or if none is known."""
        last = self.position
        return last is None or position.epoch != last.epoch or position.seq > last.seq

    def note_position(self, position: Position) -> None:
        """Note a position that the live blog has reached, if it is later than the last known position.

        Both must have the same epoch. Does nothing before the first `restart`.
        """
        if self.position is not None and position.seq > self.position.seq:
            self.position = position

    def put(self, seq: int, change: ChangeFrame | Position, due: float) -> None:
        """Add a change that is due at the time `due`. Does nothing if the change was released, or waits already.

        `change`: the change, or only its position. If the queue has the position of this change, but not the change
        itself, the change replaces the position, and keeps the position's due time. If the change would exceed
        QUEUE_BYTES, only its position is added.
        """
        waiting = self._waiting.get(seq)
        if seq <= self._released or isinstance(waiting, ChangeFrame):
            return
        if isinstance(change, ChangeFrame):
            if self._size + len(change.message) > QUEUE_BYTES:
                change = change.position
            else:
                self._size += len(change.message)
        if waiting is None:
            heapq.heappush(self._due, (due, seq))
        self._waiting[seq] = change

    def take(self, now: float) -> list[ChangeFrame | Position]:
        """Remove the changes that are due at the time `now` or earlier. Returns them in ascending order by seq."""
        seqs = []
        while self._due and self._due[0][0] <= now:
            seqs.append(heapq.heappop(self._due)[1])
        changes = [self._waiting.pop(seq) for seq in sorted(seqs)]
        self._size -= sum(len(change.message) for change in changes if isinstance(change, ChangeFrame))
        self._released = max([self._released, *seqs])
        return changes

    def delete(self, entry_id: str, until: int) -> None:
        """Turn the waiting changes of an entry into deletions. Positions in the queue stay as they are.

        `until`: the seq of the change that took the entry down. Later changes stay: the entry was published again.
        """
        for seq, change in self._waiting.items():
            if seq > until:
                continue
            if isinstance(change, ChangeFrame) and change.key == entry_id and not change.deletes:
                deletion = change.as_deletion()
                self._size += len(deletion.message) - len(change.message)
                self._waiting[seq] = deletion
