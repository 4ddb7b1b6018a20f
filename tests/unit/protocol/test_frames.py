"""One message, each encoding made once; and its way over the bus."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from liveserver.domain.change import Position
from liveserver.protocol import messages
from liveserver.protocol.frames import BUS_MESSAGE_MAX, DEFLATE_MIN, ChangeDetails, ChangeFrame, Frame, pack, unpack

HERE = Position("k3f9x2ab", 42)


def test_websocket_text_and_sse_carry_the_same_message() -> None:
    message = messages.entry_message(42, {"id": "a", "body": "« été »"})
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
    assert frame.ws is frame.ws
    large = ChangeFrame(HERE, "a", b"x" * DEFLATE_MIN)
    assert large.ws_deflated is large.ws_deflated


def received(data: bytes, *, deflated: bool = False) -> bytes:
    """The text that a client makes of bytes which are one message, twice: no frame depends on the one before."""
    client = ClientProtocol(parse_uri("ws://test/"), state=OPEN, max_size=None)
    if deflated:
        client.extensions = [PerMessageDeflate(True, True, 15, 15)]
    client.receive_data(data * 2)
    first, second = client.events_received()
    assert client.parser_exc is None
    assert isinstance(first, WebSocketFrame)
    assert (first.opcode, first.fin) == (Opcode.TEXT, True)
    assert first == second
    return bytes(first.data)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_client_understands_the_websocket_frames(size: int) -> None:
    frame = Frame(b"x" * size)
    assert received(frame.ws) == received(frame.ws, deflated=True) == frame.message
    assert received(frame.ws_deflated, deflated=True) == frame.message
    head = 2 if size < 126 else 4 if size < 65_536 else 10
    assert (len(frame.ws), frame.ws[0]) == (head + size, 0x81)


def test_what_is_worth_it_is_deflated() -> None:
    """Which the first reserved bit tells; what is shorter is the very frame that everyone gets."""
    short, long = Frame(b"x" * (DEFLATE_MIN - 1)), Frame("« été » ".encode() * DEFLATE_MIN)
    assert short.ws_deflated is short.ws
    assert long.ws_deflated[0] == 0xC1
    assert len(long.ws_deflated) < len(long.ws) // 10
    assert received(long.ws_deflated, deflated=True) == long.message


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
    ("message", "details"),
    [
        (messages.entry_message(42, {"id": "a", "tags": ["sea", "sky"]}), ChangeDetails(("sea", "sky"))),
        (messages.entry_message(42, {"id": "a", "tags": []}), ChangeDetails(())),
        (messages.delete_message(42, "a"), ChangeDetails()),
        (messages.delete_message(42, "a", within=5_000), ChangeDetails(None, 5_000)),
        (messages.liveblog_message(42, {"slug": "match"}), ChangeDetails()),
    ],
)
def test_the_details_of_a_change_that_came_over_the_bus(message: bytes, details: ChangeDetails) -> None:
    """Its message says them, as the frame's maker would."""
    change = unpack(pack(ChangeFrame(HERE, "a", message, details)))
    assert isinstance(change, ChangeFrame)
    assert change.details == details


def test_details_that_are_told_are_not_read() -> None:
    frame = ChangeFrame(HERE, "a", b"not JSON", ChangeDetails(("sea",)))
    assert frame.details == ChangeDetails(("sea",))
    assert frame.as_deletion().details == ChangeDetails()


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\n", b"k3f9x2ab", b"k3f9x2ab-x", b"k3f9x2ab-42 key", b"k3f9x2ab-42\n{}", b"k3f9x2ab-42 a b\n{}"),
        *(b"\xff-1 key\n{}", b" \n{}", b"{}", b"\x00" * 100, b"gone 5 a", b"gone 5 a 500"),
    ],
)
def test_what_was_not_packed_here_is_none(data: bytes) -> None:
    assert unpack(data) is None


@given(st.binary(max_size=100))
def test_no_bytes_make_unpack_fail(data: bytes) -> None:
    assert unpack(data) is None or isinstance(unpack(data), ChangeFrame | Position)
