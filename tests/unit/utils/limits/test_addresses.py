"""Addresses as limits see them."""

from __future__ import annotations

import pytest

from liveserver.utils.limits.addresses import Networks, network_prefix, packed


def same(one: str, other: str) -> bool:
    """Whether two addresses count as one."""
    first, second = packed(one), packed(other)
    assert first is not None
    assert second is not None
    return network_prefix(first) == network_prefix(second)


def test_addresses_that_count_as_one() -> None:
    """All of an IPv4 address, in either notation; the /64 of an IPv6 one, which is as good as one person's."""
    assert same("192.0.2.7", "::ffff:192.0.2.7")
    assert same("192.0.2.7", "::FFFF:c000:207")
    assert not same("192.0.2.7", "192.0.2.8")
    assert same("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff")
    assert not same("2001:db8:0:1::1", "2001:db8:0:2::1")
    assert same("fe80::1%eth0", "fe80::1")
    assert not same("::", "0.0.0.0")


@pytest.mark.parametrize(
    "host",
    ["", "testclient", "unix:", "unknown", "_x", "1.2.3", "1.2.3.4.5", ":::", "é", "\x00", "1.2.3.4\x00", "9" * 99],
)
def test_what_is_no_address(host: str) -> None:
    assert packed(host) is None


def test_networks() -> None:
    """Addresses and networks of both kinds; what is neither, such as `*`, is left out."""
    networks = Networks(["127.0.0.1", " 172.30.81.7/24", "::1", "2001:db8::/32", "*", "", "localhost"])
    inside = ["127.0.0.1", "::ffff:127.0.0.1", "172.30.81.255", "::1", "2001:db8:ffff::1"]
    outside = ["127.0.0.2", "172.30.82.0", "::2", "2001:db9::", "0.0.0.1"]
    assert [host for host in [*inside, *outside] if (packed(host) or b"") in networks] == inside
