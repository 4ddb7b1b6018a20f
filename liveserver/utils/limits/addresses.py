"""Network addresses as limits see them: whose a request is, where one may have very many."""

from __future__ import annotations

from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_pton
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAPPED = bytes(10) + b"\xff\xff"
_NETWORK = 8
"""Bytes of an IPv6 address that tell one connection to the internet from others (RFC 6177): the rest is its user's."""


def packed(host: str) -> bytes | None:
    """The four bytes of an IPv4 address, the sixteen of an IPv6 one; None for what is no address.

    An IPv4 address is the same when it is written as an IPv6 one (`::ffff:192.0.2.1`).
    """
    try:
        if ":" not in host:
            return inet_pton(AF_INET, host)
        found = inet_pton(AF_INET6, host.partition("%")[0])
    except (OSError, ValueError):
        return None
    return found[12:] if found.startswith(_MAPPED) else found


def network_prefix(address: bytes) -> bytes:
    """What addresses have in common that one person may have: all of an IPv4 address, the /64 of an IPv6 one."""
    return address[:_NETWORK]


class Networks:
    """Addresses and networks, as `LIVESERVER_FORWARDED_ALLOW_IPS` names them. What is neither is left out."""

    def __init__(self, names: Iterable[str]) -> None:
        self._single: set[bytes] = set()
        self._ranges: dict[int, list[tuple[int, int]]] = {4: [], 16: []}
        """By the length of the addresses: the mask, and what is common to them under it."""
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
        return any(number & mask == common for mask, common in self._ranges[len(address)])
