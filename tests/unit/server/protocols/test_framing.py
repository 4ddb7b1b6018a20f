"""Bytes that may come and are no body, byte by byte."""

from __future__ import annotations

import pytest

from liveserver.server.protocols.framing import FRAMING_MAX, FRAMING_RATIO, HEAD_MAX, Allowance


def test_a_head_may_come_in_any_pieces_up_to_its_limit() -> None:
    for size in (1, 7, 1000, HEAD_MAX):
        allowance = Allowance()
        assert not allowance.begun
        taken = 0
        while more := allowance.take(size):
            assert allowance.begun
            taken += more
        assert taken == HEAD_MAX


def test_a_piece_is_never_larger_than_what_is_left() -> None:
    allowance = Allowance()
    assert allowance.take(10 * HEAD_MAX) == HEAD_MAX
    assert allowance.take(1) == 0


def test_every_message_has_an_allowance_of_its_own() -> None:
    allowance = Allowance()
    for _ in range(10):
        assert allowance.take(HEAD_MAX - 1) == HEAD_MAX - 1
        allowance.head_ended()
        allowance.message_ended()
        assert not allowance.begun


def test_a_body_of_any_length_passes() -> None:
    """Without chunks all is body."""
    allowance = Allowance()
    allowance.take(100)
    allowance.head_ended()
    rest = 10_000_000
    while rest:
        size = allowance.take(rest)
        assert size == min(rest, FRAMING_MAX)
        allowance.body_came(size)
        rest -= size
    assert allowance.body == 10_000_000
    assert allowance.begun


@pytest.mark.parametrize(("size", "passes"), [(1, False), (100, False), (512, True), (FRAMING_MAX // 2, True)])
def test_what_is_not_wanted_pays_for_large_chunks_only(size: int, *, passes: bool) -> None:
    allowance = Allowance()
    allowance.head_ended()
    framing = len(f"{size:x}\r\n\r\n")
    taken = 0
    for _ in range(2 * FRAMING_MAX):
        taken = allowance.take(framing + size)
        if taken < framing + size:
            break
        allowance.body_came(size, wanted=False)
    assert (taken == framing + size) is passes


@pytest.mark.parametrize(
    ("framing", "passes"), [(1, True), (5, True), (FRAMING_RATIO, True), (FRAMING_RATIO + 1, False)]
)
def test_chunks_of_one_byte_pay_for_their_framing(framing: int, *, passes: bool) -> None:
    allowance = Allowance()
    allowance.head_ended()
    enough = 0
    for _ in range(2 * FRAMING_MAX):
        taken = allowance.take(framing + 1)
        if taken < framing + 1:
            break
        allowance.body_came(1)
        enough += 1
    assert (enough == 2 * FRAMING_MAX) is passes


def test_what_a_body_pays_is_not_saved_up_for_its_trailers() -> None:
    allowance = Allowance()
    allowance.head_ended()
    for _ in range(1000):
        allowance.body_came(allowance.take(FRAMING_MAX))
    assert allowance.take(10 * FRAMING_MAX) == FRAMING_MAX
    assert allowance.take(1) == 0


def test_what_came_of_one_body_is_not_counted_for_the_next() -> None:
    allowance = Allowance()
    for _ in range(2):
        allowance.head_ended()
        allowance.body_came(allowance.take(10))
        assert allowance.body == 10
        allowance.message_ended()
