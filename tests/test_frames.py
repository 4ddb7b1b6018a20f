"""One message, each encoding made once; and its way over the bus."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveserver import wire
from liveserver.frames import BUS_MESSAGE_MAX, ChangeFrame, Frame, pack, unpack
from liveserver.model import Position

HERE = Position("k3f9x2ab", 42)


def test_websocket_text_and_sse_carry_the_same_message() -> None:
    message = wire.entry_message(42, {"id": "a", "body": "« été »"})
    frame = ChangeFrame(HERE, "a", message)
    assert frame.text.encode() == message
    assert frame.sse == b"id: k3f9x2ab-42\ndata: " + message + b"\n\n"
    assert (frame.seq, frame.event_id) == (42, HERE)


def test_a_message_that_moves_nobody_has_no_event_id() -> None:
    """Else a browser would come back to where it never was."""
    assert Frame(b"{}").sse == b"data: {}\n\n"


def test_an_encoding_is_made_once() -> None:
    frame = ChangeFrame(HERE, "a", b"{}")
    assert frame.sse is frame.sse
    assert frame.text is frame.text


@given(
    epoch=st.text("abcdefghjk23456789", min_size=1, max_size=32),
    seq=st.integers(0, 10**18 - 1),
    key=st.text("0123456789abcdef-", min_size=1, max_size=36),
    message=st.binary(max_size=200),
)
def test_a_change_is_unpacked_as_it_was_packed(epoch: str, seq: int, key: str, message: bytes) -> None:
    change = unpack(pack(ChangeFrame(Position(epoch, seq), key, message)))
    assert isinstance(change, ChangeFrame)
    assert (change.position, change.key, change.message) == (Position(epoch, seq), key, message)


def test_a_change_above_the_limit_travels_as_its_position_alone() -> None:
    fits = ChangeFrame(HERE, "a", b"x" * BUS_MESSAGE_MAX)
    assert isinstance(unpack(pack(fits)), ChangeFrame)
    too_large = ChangeFrame(HERE, "a", b"x" * (BUS_MESSAGE_MAX + 1))
    assert pack(too_large) == b"k3f9x2ab-42"
    assert unpack(pack(too_large)) == HERE


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\n", b"k3f9x2ab", b"k3f9x2ab-x", b"k3f9x2ab-42 key", b"k3f9x2ab-42\n{}", b"k3f9x2ab-42 a b\n{}"),
        *(b"\xff-1 key\n{}", b" \n{}", b"{}", b"\x00" * 100),
    ],
)
def test_what_was_not_packed_here_is_none(data: bytes) -> None:
    assert unpack(data) is None


@given(st.binary(max_size=100))
def test_no_bytes_make_unpack_fail(data: bytes) -> None:
    assert unpack(data) is None or isinstance(unpack(data), ChangeFrame | Position)
