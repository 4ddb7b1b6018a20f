"""How much a viewer may say."""

from __future__ import annotations

import pytest

from liveserver.protocol.messages import HEARD_MAX
from liveserver.realtime.transport.viewer_budget import (
    FRAME_BYTES,
    FRAME_SECONDS,
    FRAMES,
    SECONDS,
    allowed,
    spent,
    weight,
)

NOW = 1000.0


def test_the_largest_answer_to_a_takedown_counts_as_one_frame() -> None:
    """With its head: two bytes, two of length and four of mask."""
    assert weight(1, HEARD_MAX + 8) == 1
    assert weight(1, FRAME_BYTES * 3) == weight(3, 20) == 3
    assert 8_000 <= FRAMES * FRAME_BYTES <= 8_192


@pytest.mark.parametrize("pieces", [1, 3, FRAMES])
@pytest.mark.parametrize("asked", [0, 1, 50])
def test_so_much_may_come_at_once(pieces: int, asked: int) -> None:
    """And each answer that was asked for."""
    until = 0.0
    for _ in range(pieces):
        until = spent(until, NOW, (FRAMES + asked) / pieces)
        assert allowed(until, NOW, asked)
    assert not allowed(spent(until, NOW, 1), NOW, asked)


def test_what_was_said_takes_up_time_and_no_more() -> None:
    until = spent(0.0, NOW, FRAMES)
    assert not allowed(spent(until, NOW + FRAME_SECONDS / 3, 1), NOW + FRAME_SECONDS / 3)
    later = NOW + FRAME_SECONDS
    assert allowed(spent(until, later, 1), later)
    # A viewer that was silent for long has no more to say at once than another.
    later = NOW + 100 * SECONDS
    assert allowed(spent(until, later, FRAMES), later)
    assert not allowed(spent(until, later, FRAMES + 1), later)


def test_an_honest_viewer_is_never_near_the_bound() -> None:
    """A library that pings once a second, pongs, and says something of 100 bytes every two."""
    until = 0.0
    for second in range(3600):
        until = spent(until, second, weight(1, 6))
        if second % 2:
            until = spent(until, second, weight(1, 106))
        assert until - second < SECONDS / 4
