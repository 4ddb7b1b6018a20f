"""One timer for all connections: a wheel of slots, one for each second (Varghese and Lauck, 1987).

If each of 20,000 viewers had a timer of its own, the event loop's heap would have 20,000 entries to be pushed and
cancelled. Here each viewer is only a member of a slot, which is a set. (The server centrifuge has such a wheel, too.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    import asyncio

SLOTS = 128
"""The number of slots of the wheel. So the longest time that a member can wait for a call is SLOTS - 1 seconds."""

SLICE = 256
"""The greatest number of members that are called in one turn of the event loop."""

log = structlog.get_logger(__name__)


class Timed(Protocol):
    """A member of a wheel: a connection that has something to do at a certain time."""

    slot: int
    """The number of the member's slot. The wheel sets it."""

    def due(self) -> int | None:
        """Do the work that is due now. Returns the seconds until the next call of `due`; None for no more calls."""


class TimerWheel:
    """A timer wheel, which calls `due` of each member at its time. The wheel runs only while it has members."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: list[set[Timed]] = [set() for _ in range(SLOTS)]
        self._at = 0
        self._running = False

    def __len__(self) -> int:
        return sum(map(len, self._slots))

    def add(self, member: Timed, seconds: int) -> None:
        """Let the wheel call a member's `due` after `seconds`. The member must not be on the wheel.

        Less than 1 second counts as 1, and more than SLOTS - 1 seconds count as SLOTS - 1.
        """
        if not 0 < seconds < SLOTS:
            seconds = min(max(seconds, 1), SLOTS - 1)
        member.slot = slot = (self._at + seconds) % SLOTS
        self._slots[slot].add(member)
        if not self._running:
            self._running = True
            self._loop.call_later(1.0, self._turn)

    def discard(self, member: Timed) -> None:
        """Remove a member, so that its `due` isn't called. Does nothing if it isn't on the wheel."""
        slot = self._slots[member.slot]
        slot.discard(member)
        if not slot:
            # A set whose members were removed keeps the memory that it once needed, unless `clear` is called.
            slot.clear()

    def _turn(self) -> None:
        self._at = (self._at + 1) % SLOTS
        self._call()

    def _call(self) -> None:
        """Call `due` of at most SLICE due members. The other due members are called in the event loop's next turns."""
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
            # The next turn comes a second from now, even if this call was late. So a peer that was pinged late has its
            # full time to answer.
            self._loop.call_later(1.0, self._turn)
        else:
            self._running = False


_wheels: dict[asyncio.AbstractEventLoop, TimerWheel] = {}


def wheel_of(loop: asyncio.AbstractEventLoop) -> TimerWheel:
    """Return the wheel that all connections of an event loop share."""
    wheel = _wheels.get(loop)
    if wheel is None:
        # Weak references to the loops wouldn't help: the members of a wheel refer to the wheel's loop.
        for closed_loop in [known_loop for known_loop in _wheels if known_loop.is_closed()]:
            del _wheels[closed_loop]
        wheel = _wheels[loop] = TimerWheel(loop)
    return wheel
