"""Connections in groups, by address or by API key. If necessary, the server ends one of the largest group."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from liveserver.utils.limits.addresses import network_prefix, packed

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

SLOW_MIN = 10
"""The least number of connections in a group from which the server may end a connection. A browser has six."""


class ConnectionGroups:
    """Slow connections, grouped by owner. An owner is an API key, or a prefix of client addresses."""

    def __init__(self) -> None:
        self._owners: dict[object, Hashable] = {}
        self._groups: dict[Hashable, dict[object, None]] = {}
        """The group of each owner. In a group, the connection that was added first comes first."""

    def __len__(self) -> int:
        return len(self._owners)

    def __contains__(self, connection: object) -> bool:
        return connection in self._owners

    def add(self, connection: object, owner: Hashable) -> None:
        """Add a connection at the end of an owner's group. If it is in any group already, it is removed there."""
        self.remove(connection)
        self._owners[connection] = owner
        self._groups.setdefault(owner, {})[connection] = None

    def remove(self, connection: object) -> None:
        """Remove a connection from its group. Does nothing if it is in no group."""
        if connection in self._owners:
            owner = self._owners.pop(connection)
            group = self._groups[owner]
            del group[connection]
            if not group:
                del self._groups[owner]

    def of(self, owner: Hashable) -> Iterable[object]:
        """Return the connections of an owner."""
        return self._groups.get(owner, ())

    def slowest(self) -> object | None:
        """Return the oldest connection of the largest group; None if no group has `SLOW_MIN` connections or more."""
        group = max(self._groups.values(), key=len, default={})
        return next(iter(group)) if len(group) >= SLOW_MIN else None


@lru_cache(maxsize=1_024)
def owner_of(host: str) -> bytes | None:
    """Return the part of an IP address by which connections are grouped; None if `host` isn't an IP address.

    This part is the whole of an IPv4 address, or the first eight bytes (the /64 network) of an IPv6 address.
    """
    address = packed(host)
    return None if address is None else network_prefix(address)
