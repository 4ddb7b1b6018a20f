"""What clients were sent and haven't read, by address: memory that others' answers don't need.

A connection tells when its transport has more to send than it takes at once, and when that has gone; in between its
bytes count for its client's address. So an address with much of it can be made to read first (`turns.py`), while a
client that reads costs nothing here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from liveserver.addresses import network_prefix, packed

if TYPE_CHECKING:
    from collections.abc import Callable

    Size = Callable[[], int]

UNREAD_MAX = 1024 * 1024
"""Bytes that one address may have unread while more is made for it: of the largest answers two, of pages some ten that
don't even fit the connection's buffers."""


class Unread:
    """The connections of a server whose clients read more slowly than they are answered."""

    def __init__(self) -> None:
        self._sizes: dict[bytes, dict[object, Size]] = {}
        """By what the client's address is counted: its connections, and how many bytes wait for each."""
        self._prefixes: dict[object, bytes] = {}
        """The connections, and under what they stand above."""

    def __len__(self) -> int:
        return len(self._prefixes)

    def paused(self, connection: object, host: str, size: Size) -> None:
        """A connection can't send on. `size`: how many bytes wait, at any time until it has `resumed`."""
        prefix = _prefix_of(host)
        if prefix is not None and connection not in self._prefixes:
            self._prefixes[connection] = prefix
            self._sizes.setdefault(prefix, {})[connection] = size

    def resumed(self, connection: object) -> None:
        """It sends on, or has ended; nothing happens if it never paused."""
        prefix = self._prefixes.pop(connection, None)
        if prefix is not None:
            of_address = self._sizes[prefix]
            del of_address[connection]
            if not of_address:
                del self._sizes[prefix]

    def is_much(self, prefix: bytes) -> bool:
        """Whether so many bytes wait for an address, or a network, that it should read before it has more."""
        of_address = self._sizes.get(prefix)
        return of_address is not None and sum(size() for size in of_address.values()) >= UNREAD_MAX


@lru_cache(maxsize=1_024)
def _prefix_of(host: str) -> bytes | None:
    address = packed(host)
    return None if address is None else network_prefix(address)
