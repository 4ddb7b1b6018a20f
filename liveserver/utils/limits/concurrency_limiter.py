"""A limit on a number at a time, for each of many keys: the open streams of each address."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable


class Permit:
    """A permit that all streams of one address share, so that each costs a reference only."""

    __slots__ = ("_held", "_key", "count")

    def __init__(self, held: dict[Hashable, Permit], key: Hashable) -> None:
        self._held = held
        self._key = key
        self.count = 0
        """The number of its holders."""

    def release(self) -> None:
        """Give the permit back. Each holder does so once."""
        self.count -= 1
        if not self.count:
            del self._held[self._key]


class ConcurrencyLimiter:
    """A limiter that allows `most` holders at a time for each key. It keeps nothing for keys without holders."""

    def __init__(self, most: int) -> None:
        self.most = most
        """The greatest number of holders of one key."""
        self._held: dict[Hashable, Permit] = {}

    def __len__(self) -> int:
        return len(self._held)

    def acquire(self, key: Hashable) -> Permit | None:
        """Return the key's permit, with one more holder; None if it has `most` already."""
        permit = self._held.get(key)
        if permit is None:
            permit = self._held[key] = Permit(self._held, key)
        elif permit.count >= self.most:
            return None
        permit.count += 1
        return permit
