"""Slow connections in groups, by address or by API key.

If the server needs room for a new connection, it may end a connection of the largest group.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from liveserver.utils.limits.addresses import network_prefix, packed

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

SLOW_MIN = 10
"""The least number of connections that a group must have before the server may end any of them.

A browser opens at most six connections to a server."""


class ConnectionGroups:
    """Connections whose clients read or send slowly, by owner. An owner is an API key or an address prefix."""

    def __init__(self) -> None:
        self._owners: dict[object, Hashable] = {}
        self._groups: dict[Hashable, dict[object, None]] = {}
        """The group of each owner. In a group, the connection that was added first comes first."""

    def __len__(self) -> int:
        return len(self._owners)

    def __contains__(self, connection: object) -> bool:
        return connection in self._owners

    def add(self, connection: object, owner: Hashable) -> None:
        """Add a connection at the end of an owner's group. If it is in a group already, it leaves that group."""
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
        """Return the connections of an owner, in the order in which they were added."""
        return self._groups.get(owner, ())

    def slowest(self) -> object | None:
        """Return the connection that has been in the largest group for longest.

        Returns None if the largest group has less than `SLOW_MIN` connections.
        """
        group = max(self._groups.values(), key=len, default={})
        return next(iter(group)) if len(group) >= SLOW_MIN else None


@lru_cache(maxsize=1_024)
def owner_of(host: str) -> bytes | None:
    """Return the part of an IP address by which connections are grouped; None if `host` isn't an IP address.

    This part is the whole of an IPv4 address, or the first eight bytes (the /64 network) of an IPv6 address.
    """
    address = packed(host)
    return None if address is None else network_prefix(address)
