"""What is counted for an address while it doesn't read, and what no more when it does."""

from __future__ import annotations

from functools import partial

import pytest

from liveserver.addresses import network_prefix, packed
from liveserver.unread import UNREAD_MAX, Unread


def prefix(host: str) -> bytes:
    """By what a host is counted."""
    address = packed(host)
    assert address is not None
    return network_prefix(address)


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
    unread = Unread()
    unread.paused("a", one, lambda: UNREAD_MAX - 1)
    assert not unread.is_much(prefix(one))
    unread.paused("b", other, lambda: 1)
    assert unread.is_much(prefix(one)) is same


def test_what_is_read_counts_no_more() -> None:
    """As little as what a connection has left that is still paused."""
    sizes = {"a": UNREAD_MAX, "b": UNREAD_MAX}
    unread = Unread()
    for connection in sizes:
        unread.paused(connection, "192.0.2.1", partial(sizes.__getitem__, connection))
    unread.resumed("a")
    assert unread.is_much(prefix("192.0.2.1"))
    sizes["b"] = 1
    assert not unread.is_much(prefix("192.0.2.1"))
    unread.resumed("b")
    unread.resumed("b")
    assert (len(unread), vars(unread)["_sizes"]) == (0, {})


def test_a_connection_counts_once() -> None:
    unread = Unread()
    for _ in range(3):
        unread.paused("a", "192.0.2.1", lambda: UNREAD_MAX // 2)
    assert not unread.is_much(prefix("192.0.2.1"))
    unread.resumed("a")
    assert len(unread) == 0


def test_who_has_no_address_is_not_counted() -> None:
    unread = Unread()
    unread.paused("a", "no address", lambda: UNREAD_MAX)
    assert len(unread) == 0
