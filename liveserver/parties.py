"""Who came together: the streams that are held from one address, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable


class Party:
    """The streams of one address. All of them share this, so that each costs a reference."""

    __slots__ = ("_key", "_parties", "count")

    def __init__(self, parties: dict[Hashable, Party], key: Hashable) -> None:
        self._parties = parties
        self._key = key
        self.count = 0

    def leave(self) -> None:
        """One of them has gone. Each says so once."""
        self.count -= 1
        if not self.count:
            del self._parties[self._key]


class Parties:
    """Every party that is here: none is kept for an address that holds no stream."""

    def __init__(self, most: int) -> None:
        self.most = most
        """In one party."""
        self._parties: dict[Hashable, Party] = {}

    def __len__(self) -> int:
        return len(self._parties)

    def join(self, key: Hashable) -> Party | None:
        """The party, with one more in it; None if it is full."""
        party = self._parties.get(key)
        if party is None:
            party = self._parties[key] = Party(self._parties, key)
        elif party.count >= self.most:
            return None
        party.count += 1
        return party
