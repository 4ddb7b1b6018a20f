"""One timer for all connections: a wheel of slots, a second apart (Varghese and Lauck, 1987; centrifuge does the same).

A timer for each of 20,000 viewers is 20,000 heap entries that are pushed and cancelled; a place in a set is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    import asyncio

SLOTS = 128
"""Seconds that the wheel can look ahead, and one more."""

SLICE = 256
"""Members that are called before others on the loop have their turn."""

log = structlog.get_logger(__name__)


class Timed(Protocol):
    """A connection on the wheel."""

    slot: int
    """Where it stands; kept by the wheel."""

    def due(self) -> int | None:
        """Its time has come. Returns after how many seconds it wants to be called again; None for never."""


class TimerWheel:
    """Calls its members when they are due. It runs while it has any."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: list[set[Timed]] = [set() for _ in range(SLOTS)]
        self._at = 0
        self._running = False

    def __len__(self) -> int:
        return sum(map(len, self._slots))

    def add(self, member: Timed, seconds: int) -> None:
        """Call the member after so many seconds (1 to 127), once."""
        if not 0 < seconds < SLOTS:
            seconds = min(max(seconds, 1), SLOTS - 1)
        member.slot = slot = (self._at + seconds) % SLOTS
        self._slots[slot].add(member)
        if not self._running:
            self._running = True
            self._loop.call_later(1.0, self._turn)

    def discard(self, member: Timed) -> None:
        """Don't call the member."""
        slot = self._slots[member.slot]
        slot.discard(member)
        if not slot:
            # An empty set keeps the room of all it has ever held.
            slot.clear()

    def _turn(self) -> None:
        self._at = (self._at + 1) % SLOTS
        self._call()

    def _call(self) -> None:
        """Call a slice of those who are due."""
        due = self._slots[self._at]
        most = SLICE
        while due and most:
            most -= 1
            member = due.pop()
            try:
                again = member.due()
            except Exception:
                log.exception("keepalive.failed")
                continue
            if again is not None:
                self.add(member, again)
        if due:
            self._loop.call_soon(self._call)
            return
        due.clear()
        if any(self._slots):
            # From now, not from when it should have been: who was pinged late has its time all the same.
            self._loop.call_later(1.0, self._turn)
        else:
            self._running = False


_wheels: dict[asyncio.AbstractEventLoop, TimerWheel] = {}


def wheel_of(loop: asyncio.AbstractEventLoop) -> TimerWheel:
    """The timer that all connections of a loop share."""
    wheel = _wheels.get(loop)
    if wheel is None:
        # No weak references: what stands on a wheel leads back to its loop.
        for ended in [known for known in _wheels if known.is_closed()]:
            del _wheels[ended]
        wheel = _wheels[loop] = TimerWheel(loop)
    return wheel
