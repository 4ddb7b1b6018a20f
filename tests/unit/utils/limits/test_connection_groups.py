"""Connections in groups, and which of them gives way."""

from __future__ import annotations

import pytest

from liveserver.utils.limits.connection_groups import SLOW_MIN, ConnectionGroups, owner_of


def test_the_first_of_the_largest_group_is_the_slowest() -> None:
    """Where a group is large enough; a connection that is added again stands last."""
    groups = ConnectionGroups()
    for number in range(SLOW_MIN - 1):
        groups.add(f"a{number}", "a")
    assert groups.slowest() is None
    for number in range(SLOW_MIN + 1):
        groups.add(f"b{number}", "b")
    assert groups.slowest() == "b0"
    groups.add("b0", "b")
    assert groups.slowest() == "b1"
    assert len(groups) == 2 * SLOW_MIN


def test_a_connection_that_is_removed_is_in_no_group() -> None:
    """Once, twice, and where it never was; and a connection has one owner at a time."""
    groups = ConnectionGroups()
    groups.add("x", "a")
    groups.add("x", "b")
    assert (list(groups.of("a")), list(groups.of("b"))) == ([], ["x"])
    for _ in range(2):
        groups.remove("x")
    assert (len(groups), list(groups.of("b"))) == (0, [])


@pytest.mark.parametrize(
    ("host", "owner"),
    [("192.0.2.7", bytes([192, 0, 2, 7])), ("2001:db8::1", b"\x20\x01\x0d\xb8\0\0\0\0"), ("unix", None)],
)
def test_connections_are_grouped_by_network(host: str, owner: bytes | None) -> None:
    assert owner_of(host) == owner
