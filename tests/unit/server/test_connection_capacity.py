"""The connections that go into a number of descriptors."""

from __future__ import annotations

import pytest

from liveserver.server.connection_capacity import OWN, RESERVE_MAX, UNLIMITED, capacity


@pytest.mark.parametrize("limit", [0, 1, OWN, OWN + 1, 256, 1024, 20_000, UNLIMITED])
def test_there_is_always_room_for_one_and_never_for_all(limit: int) -> None:
    room = capacity(limit)
    assert 1 <= room.streams <= room.connections
    assert room.connections == max(1, limit - OWN)


def test_a_tenth_is_kept_for_requests() -> None:
    assert capacity(OWN + 1000) == (1000, 900)
    assert capacity(OWN + 100_000) == (100_000, 100_000 - RESERVE_MAX)


def test_a_setting_lowers_it_and_never_raises_it() -> None:
    assert capacity(OWN + 1000, most=10) == (10, 9)
    assert capacity(OWN + 1000, most=5000) == (1000, 900)


def test_the_database_has_its_descriptors() -> None:
    assert capacity(20_000).connections - capacity(20_000, database_pool=5).connections == 30
