"""What waits for its time in a view that is late. Decides; does no I/O, and has no clock of its own."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from liveserver.protocol.frames import ChangeFrame

if TYPE_CHECKING:
    from liveserver.domain.change import Position

LINE_BYTES = 8 * 1024 * 1024
"""How much may wait in one line; of what comes then, the position waits, and the store is read when its time comes."""


class DelayQueue:
    """The changes of one live blog that nobody may see yet."""

    def __init__(self) -> None:
        self.heard: Position | None = None
        """How far the live blog is known to have got; None: that hasn't been read yet."""
        self._released = 0
        """Up to here nothing waits any more."""
        self._waiting: dict[int, ChangeFrame | Position] = {}
        """By seq; a position alone has to be read from the store when its time comes."""
        self._due: list[tuple[float, int]] = []
        """A heap of when, and which."""
        self._size = 0

    @property
    def due(self) -> float | None:
        """When the next change is due; None while nothing waits."""
        return self._due[0][0] if self._due else None

    def restart(self, position: Position, released: int) -> None:
        """Begin with a history that has got this far, and of which nothing waits up to that seq."""
        self._waiting.clear()
        self._due.clear()
        self._size = 0
        self.heard, self._released = position, released

    def is_behind(self, position: Position) -> bool:
        """Whether the line hasn't heard of it yet."""
        heard = self.heard
        return heard is None or position.epoch != heard.epoch or position.seq > heard.seq

    def hear(self, position: Position) -> None:
        """Note how far the history that the line is of has got."""
        if self.heard is not None and position.seq > self.heard.seq:
            self.heard = position

    def put(self, seq: int, change: ChangeFrame | Position, due: float) -> None:
        """Have a change wait, unless it has had its time; one that waits already keeps its time."""
        there = self._waiting.get(seq)
        if seq <= self._released or isinstance(there, ChangeFrame):
            return
        if isinstance(change, ChangeFrame):
            if self._size + len(change.message) > LINE_BYTES:
                change = change.position
            else:
                self._size += len(change.message)
        if there is None:
            heapq.heappush(self._due, (due, seq))
        self._waiting[seq] = change

    def take(self, now: float) -> list[ChangeFrame | Position]:
        """What is due, ascending by seq."""
        seqs = []
        while self._due and self._due[0][0] <= now:
            seqs.append(heapq.heappop(self._due)[1])
        taken = [self._waiting.pop(seq) for seq in sorted(seqs)]
        self._size -= sum(len(change.message) for change in taken if isinstance(change, ChangeFrame))
        self._released = max([self._released, *seqs])
        return taken

    def withdraw(self, entry_id: str) -> None:
        """What waits of an entry loses its words."""
        for seq, change in self._waiting.items():
            if isinstance(change, ChangeFrame) and change.key == entry_id and not change.deletes:
                emptied = change.withdrawn()
                self._size += len(emptied.message) - len(change.message)
                self._waiting[seq] = emptied
