"""Turns for work of which little may be under way at a time, such as the hashing of passwords.

A *line* is the queue of one client, or of several clients that count as one. The lines take turns, and at most one turn
of each line is under way. So however much one line asks for, another one waits for one turn of each line at most. A
*room* is a sort of lines: it says how many places its lines have, and the lines of an earlier room have their turns
before those of a later one.

A client takes a place before it waits for a turn, and is refused at once if there is none. So a refusal costs nothing,
and comes before anything that mustn't happen in vain. `http/fair_queue.py` is the queue for answers that several
clients may share.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable


class _Line:
    """The places of one line, and the turns for which they wait."""

    __slots__ = ("busy", "held", "waiting")

    def __init__(self) -> None:
        self.held = 0
        """The number of places that the line holds, whether they wait for a turn or not."""
        self.busy = False
        """True while a turn of the line is under way."""
        self.waiting: deque[asyncio.Future[None]] = deque()


class Room:
    """A sort of lines, and the places that they may hold. It keeps nothing for lines without places."""

    def __init__(self, *, per_line: int, in_all: int, one_each: int) -> None:
        """`per_line`: how many places a line may hold. `in_all`: how many all lines together may hold.

        The fuller the room is, the fewer places a line gets. A line without a place gets one even if the room is full,
        until the lines hold `one_each` places together.
        """
        self._per_line = per_line
        self._in_all = in_all
        self._one_each = one_each
        self._lines: dict[Hashable, _Line] = {}
        self._ring: dict[_Line, None] = {}
        """The lines that wait for a turn. The first line has the next turn."""
        self.held = 0
        """The number of places that all lines hold."""

    def has_place(self, key: Hashable, *, crowd: bool) -> bool:
        """Return True if the line may take one more place.

        `crowd`: True if the line has many clients that can't be told apart. Then `per_line` isn't looked at.
        """
        line = self._lines.get(key)
        held = line.held if line is not None else 0
        if self.held >= self._one_each:
            return False
        free = self._in_all - self.held
        return held < (free if crowd else min(self._per_line, free)) or not held

    def take(self, key: Hashable) -> _Line:
        """Take a place of a line."""
        line = self._lines.setdefault(key, _Line())
        line.held += 1
        self.held += 1
        return line

    def release(self, key: Hashable, line: _Line) -> None:
        """Give a place back."""
        line.held -= 1
        self.held -= 1
        if not line.held:
            del self._lines[key]

    def wait(self, line: _Line) -> None:
        """Let the line have a turn when it is its time."""
        if not line.busy:
            self._ring.setdefault(line)

    def next(self) -> _Line | None:
        """Take the line that has the next turn out of the ring, and return it; None if no line waits."""
        while self._ring:
            line = next(iter(self._ring))
            del self._ring[line]
            # Those that have left wait no more.
            while line.waiting and line.waiting[0].done():
                line.waiting.popleft()
            if line.waiting:
                return line
        return None


class Place:
    """A place of a line, for one turn after the other. `Turns.place` gives it; its holder must `release` it once."""

    def __init__(self, turns: Turns, room: Room, key: Hashable) -> None:
        self._turns = turns
        self._room = room
        self._key = key
        self._line = room.take(key)

    def release(self) -> None:
        """Give the place back."""
        self._room.release(self._key, self._line)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, which lasts as long as this context."""
        await self._turns.wait(self._room, self._line)
        try:
            yield
        finally:
            self._turns.ended(self._room, self._line)


class Turns:
    """The turns of the lines in some rooms."""

    def __init__(self, at_once: int, *rooms: Room) -> None:
        """`at_once`: how many turns may be under way at a time. `rooms`: those whose lines come first, first."""
        self._at_once = at_once
        self._rooms = rooms
        self._under_way = 0

    def place(self, room: Room, key: Hashable, *, crowd: bool = False) -> Place | None:
        """Return a place of the line with this key; None if there is none. `crowd`: see `Room.has_place`."""
        return Place(self, room, key) if room.has_place(key, crowd=crowd) else None

    async def wait(self, room: Room, line: _Line) -> None:
        """Wait for a turn of the line. The caller must call `ended` when the turn is over."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        room.wait(line)
        self._begin()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.ended(room, line)
            raise

    def ended(self, room: Room, line: _Line) -> None:
        """End a turn of the line."""
        self._under_way -= 1
        line.busy = False
        if line.waiting:
            room.wait(line)
        self._begin()

    def _begin(self) -> None:
        while self._under_way < self._at_once:
            line = next((line for room in self._rooms if (line := room.next()) is not None), None)
            if line is None:
                return
            self._under_way += 1
            line.busy = True
            line.waiting.popleft().set_result(None)
