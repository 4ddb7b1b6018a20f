"""Frames that viewers send, on real sockets and both event loops: what is answered, and what ends the connection."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from liveserver.protocol.messages import INBOUND_MAX
from liveserver.realtime.transport import socket_viewer
from liveserver.realtime.transport.socket_viewer import State
from liveserver.realtime.transport.websocket_viewer import DeflatedViewer, WebSocketViewer, whole_frames
from tests.support.viewer_seat import MANY, frame, masked, on_both_loops, seat

if TYPE_CHECKING:
    from liveserver.realtime.transport.socket_viewer import SocketViewer

pytestmark = pytest.mark.usefixtures("way")


@on_both_loops
async def test_a_ping_is_answered_with_what_it_carries() -> None:
    here = await seat()
    await here.say(masked(Opcode.PING, b"x" * 125))
    pong = await here.frame()
    assert (pong.opcode, pong.data) == (Opcode.PONG, b"x" * 125)
    await here.leave()


@on_both_loops
async def test_a_close_is_echoed() -> None:
    """Then the connection ends, and nothing more is written."""
    for sent, code in ((struct.pack("!H", 1001) + b"bye", 1001), (struct.pack("!H", 4999), 4999)):
        here = await seat()
        here.viewer.data_received(masked(Opcode.TEXT, b"x") + masked(Opcode.CLOSE, sent))
        assert here.viewer.write(frame(1)) is True
        assert await here.close_code() == code
        assert await here.rest() == b""
        await here.events.until(lambda here=here: bool(here.events.left))  # type: ignore[misc]
        assert here.events.left == [here.viewer]


@on_both_loops
async def test_what_is_said_byte_by_byte_is_understood() -> None:
    """Frames in pieces, messages in fragments with a ping among them; the parser is dropped as soon as it can be."""
    here = await seat()
    here.events.asks = MANY
    assert here.viewer._parser is None
    first = masked(Opcode.TEXT, b"x" * 200, fin=False)
    for data in (first, masked(Opcode.PING, b"mid")):
        for byte in data:
            here.viewer.data_received(bytes([byte]))
        assert here.viewer._held == b""
        assert here.viewer._parser is not None
    for byte in masked(Opcode.CONT, b"y" * 200):
        here.viewer.data_received(bytes([byte]))
    assert here.viewer._parser is None
    await here.say(masked(Opcode.PONG) + masked(Opcode.BINARY, b"\xff") + masked(Opcode.PING, b"end")[:-2])
    pong = await here.frame()
    assert (pong.opcode, pong.data) == (Opcode.PONG, b"mid")
    assert here.viewer._parser is None
    assert here.viewer.write(frame(1))
    assert (await here.frame()).data == frame(1).message
    await here.leave()


UNMASKED = WebSocketFrame(Opcode.TEXT, b"x").serialize(mask=False)
RESERVED = bytes([masked(Opcode.TEXT)[0] | 0x20]) + masked(Opcode.TEXT)[1:]
BOMB = masked(Opcode.TEXT, b"\x00" * 100_000, deflated=True)
HALF = INBOUND_MAX // 2 + 1

REFUSED = {
    "a frame too large": (masked(Opcode.TEXT, b"x" * (INBOUND_MAX + 1)), 1009),
    "a frame that only says so": (masked(Opcode.BINARY, b"x" * 70_000)[:14], 1009),
    "a message too large": (
        masked(Opcode.TEXT, b"x" * HALF, fin=False) + masked(Opcode.CONT, b"x" * HALF),
        1009,
    ),
    "unmasked": (UNMASKED, 1002),
    "a reserved bit": (RESERVED, 1002),
    "a continuation of nothing": (masked(Opcode.CONT, b"x"), 1002),
    "a close code that nobody may send": (masked(Opcode.CLOSE, struct.pack("!H", 1005)), 1002),
}


@pytest.mark.slow
@on_both_loops
async def test_what_is_not_allowed_ends_the_connection() -> None:
    """In one piece, or byte by byte."""
    assert len(BOMB) < INBOUND_MAX
    cases: list[tuple[str, type[SocketViewer], bytes, int]] = [
        *((name, WebSocketViewer, data, code) for name, (data, code) in REFUSED.items()),
        ("a bomb", DeflatedViewer, BOMB, 1009),
        ("deflated without being asked", WebSocketViewer, BOMB, 1002),
        ("not deflated well", DeflatedViewer, b"\xc1" + masked(Opcode.TEXT, b"\xff" * 10)[1:], 1002),
    ]
    with pytest.MonkeyPatch.context() as patch:
        # One of them is ended while much of what it says is in the kernel: the end is then the server's.
        patch.setattr(socket_viewer, "LINGER", 1.0)
        for name, kind, data, code in cases:
            for pieces in ([data], [bytes([byte]) for byte in data]):
                here = await seat(kind)
                here.events.asks = MANY
                for piece in pieces:
                    here.viewer.data_received(piece)
                assert here.viewer.write(frame(1)) is True, name
                # It goes on sending, as one may that doesn't know yet.
                await here.say(b"x" * 50_000)
                assert await here.close_code() == code, name
                await here.leave()
                assert here.viewer._parser is None, name


@on_both_loops
async def test_a_viewer_that_broke_the_rules_and_does_not_leave_is_cut_off() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket_viewer, "LINGER", 0.05)
        here = await seat()
        await here.say(UNMASKED)
        assert await here.close_code() == 1002
        await here.events.until(lambda: bool(here.events.left))


@on_both_loops
async def test_the_largest_message_is_allowed() -> None:
    """In a frame, in many, deflated."""
    plain = [
        masked(Opcode.TEXT, b"x" * INBOUND_MAX),
        masked(Opcode.TEXT, b"", fin=False)
        + b"".join(masked(Opcode.CONT, b"x", fin=number == INBOUND_MAX - 1) for number in range(INBOUND_MAX)),
    ]
    deflated = [*plain, masked(Opcode.TEXT, b"x" * INBOUND_MAX, deflated=True)]
    for kind, messages in ((WebSocketViewer, plain), (DeflatedViewer, deflated)):
        here = await seat(kind)
        here.events.asks = MANY
        for data in messages:
            here.viewer.data_received(data)
            assert here.viewer._state is State.FOLLOWING
            assert here.viewer._parser is None
        await here.say(masked(Opcode.PING))
        assert (await here.frame()).opcode is Opcode.PONG
        await here.leave()


@on_both_loops
async def test_what_a_browser_deflates_in_fragments_is_understood() -> None:
    deflate = zlib.compressobj(wbits=-15)
    data = (deflate.compress(b"mer " * 100) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    first, rest = masked(Opcode.TEXT, data[:5], fin=False), masked(Opcode.CONT, data[5:])
    here = await seat(DeflatedViewer)
    here.viewer.data_received(bytes([first[0] | 0x40]) + first[1:])
    assert here.viewer._parser is not None
    here.viewer.data_received(rest)
    assert (here.viewer._parser, here.viewer._state) == (None, State.FOLLOWING)
    await here.leave()


@pytest.mark.parametrize("size", [0, 1, 125, 126, INBOUND_MAX])
def test_whole_frames(size: int) -> None:
    one = masked(Opcode.TEXT, b"x" * size)
    assert whole_frames(one) == (len(one), 1)
    assert whole_frames(one * 3) == (3 * len(one), 3)
    for cut in range(len(one)):
        assert whole_frames(one[:cut]) == (0, 0)
        assert whole_frames(one + one[:cut]) == (len(one), 1)
