"""The changes that wait for their time in a delayed topic. Decides; does no I/O, and has no clock of its own."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from liveserver.protocol.frames import ChangeFrame

if TYPE_CHECKING:
    from liveserver.domain.change import Position

QUEUE_BYTES = 8 * 1024 * 1024
"""Bytes of messages that wait in one queue. Of a change beyond them its position waits; the store is read later."""


class DelayQueue:
    """The changes of one topic that nobody may see yet. Times are those of the caller's clock, in seconds."""

    def __init__(self) -> None:
        self.position: Position | None = None
        """The last position known of the live blog; None: it hasn't been read yet."""
        self._released = 0
        """The seq up to which nothing waits any more."""
        self._waiting: dict[int, ChangeFrame | Position] = {}
        """By seq. Of a position alone the change is read from the store when its time comes."""
        self._due: list[tuple[float, int]] = []
        """A heap of times and seqs."""
        self._size = 0

    @property
    def due(self) -> float | None:
        """The time of the next change; None while nothing waits."""
        return self._due[0][0] if self._due else None

    def restart(self, position: Position, released: int) -> None:
        """Begin anew, with a history at `position`, of which nothing waits up to the seq `released`."""
        self._waiting.clear()
        self._due.clear()
        self._size = 0
        self.position, self._released = position, released

    def is_behind(self, position: Position) -> bool:
        """Whether a position of the live blog is news to the queue."""
        known = self.position
        return known is None or position.epoch != known.epoch or position.seq > known.seq

    def note_position(self, position: Position) -> None:
        """Note a position that the live blog has reached, in the same history."""
        if self.position is not None and position.seq > self.position.seq:
            self.position = position

    def put(self, seq: int, change: ChangeFrame | Position, due: float) -> None:
        """Have a change wait, unless its time is over; one that waits already keeps its time."""
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
        """Remove and return the changes that are due, ascending by seq."""
        seqs = []
        while self._due and self._due[0][0] <= now:
            seqs.append(heapq.heappop(self._due)[1])
        taken = [self._waiting.pop(seq) for seq in sorted(seqs)]
        self._size -= sum(len(change.message) for change in taken if isinstance(change, ChangeFrame))
        self._released = max([self._released, *seqs])
        return taken

    def withdraw(self, entry_id: str) -> None:
        """Make each change of an entry that waits its deletion."""
        for seq, change in self._waiting.items():
            if isinstance(change, ChangeFrame) and change.key == entry_id and not change.deletes:
                emptied = change.withdrawn()
                self._size += len(emptied.message) - len(change.message)
                self._waiting[seq] = emptied
