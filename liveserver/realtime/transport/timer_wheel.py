"""One timer for all connections: a wheel of slots, a second apart (Varghese and Lauck, 1987; centrifuge does the same).

Timers for 20,000 viewers would be 20,000 entries of a heap, to be pushed and cancelled. A member of a set is cheaper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    import asyncio

SLOTS = 128
"""Slots of the wheel: one more than the seconds that it can look ahead."""

SLICE = 256
"""Members that are called in one turn of the event loop."""

log = structlog.get_logger(__name__)


class Timed(Protocol):
    """A connection on the wheel."""

    slot: int
    """The member's slot, set by the wheel."""

    def due(self) -> int | None:
        """Do the work that is due; return the seconds until the next call, or None for no more."""


class TimerWheel:
    """A timer wheel, which calls its members when they are due. It runs while it has any."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: list[set[Timed]] = [set() for _ in range(SLOTS)]
        self._at = 0
        self._running = False

    def __len__(self) -> int:
        return sum(map(len, self._slots))

    def add(self, member: Timed, seconds: int) -> None:
        """Call a member once, after so many seconds (1 to 127)."""
        if not 0 < seconds < SLOTS:
            seconds = min(max(seconds, 1), SLOTS - 1)
        member.slot = slot = (self._at + seconds) % SLOTS
        self._slots[slot].add(member)
        if not self._running:
            self._running = True
            self._loop.call_later(1.0, self._turn)

    def discard(self, member: Timed) -> None:
        """Remove a member, so that it isn't called."""
        slot = self._slots[member.slot]
        slot.discard(member)
        if not slot:
            # An emptied set keeps the memory that it once needed, unless it is cleared.
            slot.clear()

    def _turn(self) -> None:
        self._at = (self._at + 1) % SLOTS
        self._call()

    def _call(self) -> None:
        """Call the next members that are due, SLICE at most."""
        due = self._slots[self._at]
        calls_left = SLICE
        while due and calls_left:
            calls_left -= 1
            member = due.pop()
            try:
                seconds = member.due()
            except Exception:
                log.exception("keepalive.failed")
                continue
            if seconds is not None:
                self.add(member, seconds)
        if due:
            self._loop.call_soon(self._call)
            return
        due.clear()
        if any(self._slots):
            # A second from now, even if this call was late: a peer that was pinged late has its full time to answer.
            self._loop.call_later(1.0, self._turn)
        else:
            self._running = False


_wheels: dict[asyncio.AbstractEventLoop, TimerWheel] = {}


def wheel_of(loop: asyncio.AbstractEventLoop) -> TimerWheel:
    """Return the wheel that all connections of an event loop share."""
    wheel = _wheels.get(loop)
    if wheel is None:
        # Weak references wouldn't help: the members of a wheel refer to its loop.
        for closed_loop in [known_loop for known_loop in _wheels if known_loop.is_closed()]:
            del _wheels[closed_loop]
        wheel = _wheels[loop] = TimerWheel(loop)
    return wheel
