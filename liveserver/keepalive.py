"""One timer for all connections: a wheel of slots, a second apart (Varghese and Lauck, 1987; centrifuge does the same).

A timer for each of 20,000 viewers is 20,000 heap entries that are pushed and cancelled; a place in a set is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

SLOTS = 128
"""Seconds that the wheel can look ahead."""


class Member(Protocol):
    """A connection on the wheel."""

    slot: int
    """Where it stands; kept by the wheel."""

    def due(self) -> int | None:
        """Its time has come. Returns after how many seconds it wants to be called again; None for never."""


class Wheel:
    """Calls its members when they are due. It runs while it has any."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: list[set[Member]] = [set() for _ in range(SLOTS)]
        self._at = 0
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return self._count

    def add(self, member: Member, seconds: int) -> None:
        """Call the member after so many seconds, once."""
        member.slot = (self._at + min(max(seconds, 1), SLOTS - 1)) % SLOTS
        self._slots[member.slot].add(member)
        self._count += 1
        if self._timer is None:
            self._timer = self._loop.call_later(1.0, self._turn)

    def discard(self, member: Member) -> None:
        """Don't call the member."""
        slot = self._slots[member.slot]
        if member in slot:
            slot.remove(member)
            self._count -= 1

    def _turn(self) -> None:
        self._at = (self._at + 1) % SLOTS
        due, self._slots[self._at] = self._slots[self._at], set()
        self._count -= len(due)
        self._timer = self._loop.call_later(1.0, self._turn) if self._count or due else None
        for member in due:
            again = member.due()
            if again is not None:
                self.add(member, again)
