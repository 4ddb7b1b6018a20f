"""A limit on how many holders each key may have at a time: for example, how many open streams each address may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable


class Permit:
    """The permit of one key. All holders of the key refer to this object, so that a holder takes hardly any memory."""

    __slots__ = ("_held", "_key", "count")

    def __init__(self, held: dict[Hashable, Permit], key: Hashable) -> None:
        self._held = held
        self._key = key
        self.count = 0
        """The number of holders that the permit has now."""

    def release(self) -> None:
        """Give the permit back. Each holder must call this method exactly once."""
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
        """Count one more holder of the key, and return the key's permit; None if the key has `most` holders already."""
        permit = self._held.get(key)
        if permit is None:
            permit = self._held[key] = Permit(self._held, key)
        elif permit.count >= self.most:
            return None
        permit.count += 1
        return permit
