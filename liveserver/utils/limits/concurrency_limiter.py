"""How many there may be at the same time, for each of many keys: the streams that are held from one address."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable


class Permit:
    """What the streams of one address hold. All of them share it, so that each costs a reference."""

    __slots__ = ("_held", "_key", "count")

    def __init__(self, held: dict[Hashable, Permit], key: Hashable) -> None:
        self._held = held
        self._key = key
        self.count = 0
        """How many hold it."""

    def release(self) -> None:
        """One of them has gone. Each says so once."""
        self.count -= 1
        if not self.count:
            del self._held[self._key]


class ConcurrencyLimiter:
    """Allows so many at the same time for each key. Nothing is kept for a key of which there is none."""

    def __init__(self, most: int) -> None:
        self.most = most
        """For one key."""
        self._held: dict[Hashable, Permit] = {}

    def __len__(self) -> int:
        return len(self._held)

    def acquire(self, key: Hashable) -> Permit | None:
        """The key's permit, which one more holds; None if as many do as may."""
        permit = self._held.get(key)
        if permit is None:
            permit = self._held[key] = Permit(self._held, key)
        elif permit.count >= self.most:
            return None
        permit.count += 1
        return permit
