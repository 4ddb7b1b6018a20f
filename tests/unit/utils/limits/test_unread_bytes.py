"""The bytes that are counted for an address while it doesn't read, and no more when it does."""

from __future__ import annotations

from functools import partial

import pytest

from liveserver.utils.limits.addresses import network_prefix, packed
from liveserver.utils.limits.connection_groups import SLOW_MIN
from liveserver.utils.limits.unread_bytes import UnreadBytes

HOST = "192.0.2.1"


def prefix(host: str = HOST) -> bytes:
    """By what a host is counted."""
    address = packed(host)
    assert address is not None
    return network_prefix(address)


def nothing() -> int:
    """As much waits for a connection alone."""
    return 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:3::4", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
    ],
)
def test_connections_of_one_address_count_together(one: str, other: str, same: bool) -> None:
    unread = UnreadBytes()
    unread.paused("a", one, None, lambda: 3)
    assert unread.size_of(prefix(one)) == 3
    unread.paused("b", other, None, lambda: 4)
    assert unread.size_of(prefix(one)) == (7 if same else 3)


def test_what_all_are_sent_counts_once() -> None:
    """However many have it to read; beside what waits for each alone, as it is encrypted."""
    unread = UnreadBytes()
    body, other = bytes(100), bytes(50)
    for connection in "abc":
        unread.paused(connection, HOST, body, nothing)
    assert unread.size_of(prefix()) == 100
    unread.paused("d", HOST, other, nothing)
    unread.paused("e", HOST, body, lambda: 7)
    unread.paused("f", HOST, b"", nothing)
    assert unread.size_of(prefix()) == 157
    for connection in "abc":
        unread.resumed(connection)
    assert unread.size_of(prefix()) == 157
    unread.resumed("e")
    assert unread.size_of(prefix()) == 50


def test_what_is_read_counts_no_more() -> None:
    """As little as what a connection has read that is still paused."""
    sizes = {"a": 100, "b": 100}
    unread = UnreadBytes()
    for connection in sizes:
        unread.paused(connection, HOST, None, partial(sizes.__getitem__, connection))
    unread.resumed("a")
    assert unread.size_of(prefix()) == 100
    sizes["b"] = 1
    assert unread.size_of(prefix()) == 1
    unread.resumed("b")
    unread.resumed("b")
    assert (len(unread), unread._groups._groups) == (0, {})


def test_a_connection_counts_once() -> None:
    """For the client for which it was paused last: a proxy's connection has one client after another."""
    unread = UnreadBytes()
    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.2"):
        unread.paused("a", host, None, lambda: 5)
    assert [unread.size_of(prefix(host)) for host in ("192.0.2.1", "192.0.2.2")] == [0, 5]
    unread.resumed("a")
    assert (len(unread), unread._groups._groups) == (0, {})


def test_a_client_without_an_address_is_not_counted() -> None:
    unread = UnreadBytes()
    unread.paused("a", "no address", None, lambda: 5)
    assert len(unread) == 0


def test_an_address_that_reads_many_slowly_gives_way() -> None:
    """The one that has waited for longest, of the address that has most; never of those that have few."""
    unread = UnreadBytes()
    for number in range(SLOW_MIN - 1):
        unread.paused(f"a{number}", "192.0.2.1", None, nothing)
        unread.paused(f"b{number}", "192.0.2.2", None, nothing)
    assert unread.slowest() is None
    unread.paused("b9", "192.0.2.2", None, nothing)
    assert unread.slowest() == "b0"
    unread.paused("b0", "192.0.2.2", None, nothing)
    assert unread.slowest() == "b1"
    unread.resumed("b1")
    assert unread.slowest() is None


def test_an_owner_takes_the_place_of_the_address() -> None:
    """An API key, whose clients may be anywhere."""
    unread = UnreadBytes()
    for number, host in enumerate(("192.0.2.7", "192.0.2.8")):
        unread.paused(number, host, None, lambda: 10, owner=("key", "a"))
    unread.paused(2, "192.0.2.7", None, lambda: 5)
    assert [unread.size_of(owner) for owner in (("key", "a"), bytes([192, 0, 2, 7]), ("key", "b"))] == [20, 5, 0]
    unread.resumed(0)
    unread.resumed(1)
    assert (unread.size_of(("key", "a")), len(unread)) == (0, 1)
