"""Network addresses, as limits count them.

All IPv6 addresses of one /64 network count as one address, because one client may have very many of them.
"""

from __future__ import annotations

from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_pton
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAPPED = bytes(10) + b"\xff\xff"
_NETWORK = 8
"""The number of bytes at the start of an IPv6 address that identify one connection to the internet (RFC 6177).

The user of the connection chooses the remaining bytes."""


def packed(host: str) -> bytes | None:
    """Return the four bytes of an IPv4 address, or the sixteen bytes of an IPv6 address; None if `host` is no address.

    For an IPv4 address that is written as an IPv6 address (`::ffff:192.0.2.1`), the result has four bytes, too.
    """
    try:
        if ":" not in host:
            return inet_pton(AF_INET, host)
        address = inet_pton(AF_INET6, host.partition("%")[0])
    except (OSError, ValueError):
        return None
    return address[12:] if address.startswith(_MAPPED) else address


def network_prefix(address: bytes) -> bytes:
    """Return the part of an address that limits count by.

    This part is the whole of an IPv4 address, or the first eight bytes (the /64 network) of an IPv6 address.
    """
    return address[:_NETWORK]


class Networks:
    """A set of addresses and networks, as `LIVESERVER_FORWARDED_ALLOW_IPS` lists them.

    Other texts in the list, such as host names, are ignored.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._single: set[bytes] = set()
        self._ranges: dict[int, list[tuple[int, int]]] = {4: [], 16: []}
        """The keys: the two lengths of an address, in bytes. The values: mask and first address of each network."""
        for name in names:
            try:
                network = ip_network(name.strip(), strict=False)
            except ValueError:
                continue
            first = network.network_address
            if network.num_addresses == 1:
                self._single.add(packed(str(first)) or first.packed)
            else:
                self._ranges[len(first.packed)].append((int(network.netmask), int(first)))

    def __contains__(self, address: bytes) -> bool:
        if address in self._single:
            return True
        number = int.from_bytes(address, "big")
        return any(number & mask == prefix for mask, prefix in self._ranges[len(address)])
