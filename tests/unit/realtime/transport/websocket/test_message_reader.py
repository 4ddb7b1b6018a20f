"""From a peer's bytes to messages. The outcome of each case: `test_connection.py`, which runs on this."""

from __future__ import annotations

import tracemalloc

import pytest
from websockets.exceptions import ProtocolError

from liveserver.realtime.transport.websocket.message_reader import End, MessageReader, close_frame
from tests.support.websocket_peer import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    answers,
    close,
    deflated,
    fragments,
    frame,
)


def test_messages_and_what_is_answered_at_once() -> None:
    inbound = MessageReader(1000, deflate=True)
    assert inbound.read(frame(TEXT, "é".encode()) + frame(PING, b"?") + frame(BINARY, b"\xff", fin=False)) == (
        ["é"],
        frame(PONG, b"?", masked=False),
        None,
    )
    assert inbound.read(frame(CONT, b"\xfe")[:5]) == ([], b"", None)
    assert inbound.read(frame(CONT, b"\xfe")[5:]) == ([b"\xff\xfe"], b"", None)
    assert inbound.read(frame(TEXT, deflated(b"Hello"), rsv=4)) == (["Hello"], b"", None)


@pytest.mark.parametrize(
    ("said", "end"),
    [
        (close(4000, b"why"), End(4000, "why")),
        (frame(CLOSE), End(1005, "")),
        (frame(TEXT, b"half", fin=False) + close(4000), End(4000, "")),
        (frame(TEXT, b"\xff") + close(4000), End(1007, "")),
        (frame(3), End(1002, "invalid opcode")),
    ],
)
def test_an_end(said: bytes, end: End) -> None:
    """Nothing counts after it, and what came before it isn't lost."""
    inbound = MessageReader(1000, deflate=False)
    assert inbound.read(frame(TEXT, b"before") + said + frame(TEXT, b"after") + frame(PING)) == (["before"], b"", end)


def test_the_frame_that_answers_an_end() -> None:
    assert answers([End(4000, "é").frame()]) == [(0x80 | CLOSE, b"\x0f\xa0\xc3\xa9")]
    assert answers([End(1005, "").frame()]) == [(0x80 | CLOSE, b"")]
    assert answers([close_frame(1012)]) == [(0x80 | CLOSE, b"\x03\xf4")]


def test_after_our_close_only_the_peers_counts() -> None:
    inbound = MessageReader(1000, deflate=False)
    assert inbound.close(4000, "why") == close_frame(4000, "why")
    pong = frame(PONG, masked=False)
    assert inbound.read(frame(TEXT, b"ignored") + frame(TEXT, b"\xff") + frame(PING)) == ([], pong, None)
    assert inbound.read(close(1000)) == ([], b"", End(1000, ""))


@pytest.mark.parametrize(("code", "reason"), [(1005, ""), (1006, ""), (999, ""), (5000, ""), (4000, "*" * 124)])
def test_a_close_that_can_not_be_sent(code: int, reason: str) -> None:
    with pytest.raises(ProtocolError):
        MessageReader(1000, deflate=False).close(code, reason)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments_weigh_no_more_than_what_they_carry(opcode: int) -> None:
    inbound = MessageReader(1_000_000, deflate=False)
    inbound.read(frame(opcode, fin=False))
    many = b"".join(fragments(opcode, b"xy" * 500, 2)[1:-1])
    tracemalloc.start()
    try:
        for _ in range(4):
            inbound.read(frame(CONT, fin=False) * 500)
            inbound.read(many)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Four thousand bytes, and room for a parser's own.
    assert held < 20_000
