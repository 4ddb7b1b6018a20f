"""The end of viewers' connections, on real sockets and both event loops: by a code, by silence, by leaving."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from websockets.frames import Opcode

from liveserver.protocol.close_codes import CLOSE_NO_PONG, CLOSE_RESTART
from liveserver.realtime.transport.event_stream_viewer import EventStreamViewer
from liveserver.realtime.transport.websocket_viewer import DeflatedViewer, WebSocketViewer
from tests.support.api.site import settled
from tests.support.viewer_seat import ANSWER, ENCODINGS, INTERVAL, frame, masked, on_both_loops, seat

pytestmark = pytest.mark.usefixtures("way")


@on_both_loops
async def test_a_viewer_that_has_said_its_last_word_is_written_to_without_harm() -> None:
    """Its transport is closing, and full: that is nobody else's trouble."""
    here = await seat(room=4096)
    assert here.viewer.write(frame(1, 60_000)) is True
    assert here.transport.get_write_buffer_size()
    here.peer.shutdown(socket.SHUT_WR)

    async def closing() -> bool:
        return here.transport.is_closing() is True

    await settled(closing)
    for seq in range(50):
        here.viewer.write(frame(seq, 5000))
    await here.leave()
    assert here.events.left == [here.viewer]
    assert here.viewer.write(frame(1)) is True


@on_both_loops
async def test_a_viewer_that_is_gone_is_written_to_without_harm() -> None:
    """Before the transport has noticed, and after; it is reported once."""
    for kind, _ in ENCODINGS:
        here = await seat(kind)
        here.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        here.peer.close()
        for seq in range(5):
            assert here.viewer.write(frame(seq)) is True
        await here.events.until(lambda here=here: bool(here.events.left))  # type: ignore[misc]
        assert here.viewer.write(frame(9)) is True
        here.viewer.close(4000)
        for _ in range(5):
            await asyncio.sleep(0)
        assert here.events.left == [here.viewer]
        assert (here.events.drains, here.connections, len(here.wheel)) == ([], set(), 0)


@on_both_loops
async def test_a_viewer_is_closed_with_a_code_after_what_was_written() -> None:
    for kind in (WebSocketViewer, DeflatedViewer):
        here = await seat(kind)
        assert here.viewer.write(frame(1))
        here.viewer.close(4504)
        here.viewer.close(4000)
        assert here.viewer.write(frame(2)) is True
        assert (await here.frame()).data == frame(1).message
        assert await here.close_code() == 4504
        assert await here.rest() == b""
        await here.events.until(lambda here=here: bool(here.events.left))  # type: ignore[misc]


@on_both_loops
async def test_an_event_stream_just_ends() -> None:
    here = await seat(EventStreamViewer, first=ANSWER)
    here.viewer.data_received(b"GET /more HTTP/1.1\r\n\r\n")
    assert here.viewer.write(frame(1))
    here.viewer.close(4000)
    here.viewer.close(4000)
    assert here.viewer.write(frame(2)) is True
    assert await here.rest() == ANSWER + frame(1).sse
    await here.events.until(lambda: bool(here.events.left))
    assert (here.events.left, here.connections) == ([here.viewer], set())


@on_both_loops
async def test_a_lagging_viewer_can_be_closed() -> None:
    """A viewer that reads after all has what it was sent, whole, and then the code."""
    here = await seat(room=4096)
    taken = here.fill()
    here.viewer.close(4000)
    assert [(await here.frame()).data for _ in taken] == [one.message for one in taken]
    assert await here.close_code() == 4000
    await here.events.until(lambda: bool(here.events.left))
    assert here.events.drains == []


@on_both_loops
async def test_the_server_that_ends_says_so() -> None:
    """uvicorn calls `shutdown` on all its connections, of which a viewer is one."""
    here = await seat()
    assert here.connections == {here.viewer}
    here.viewer.shutdown()
    assert await here.close_code() == CLOSE_RESTART
    await here.events.until(lambda: bool(here.events.left))


@on_both_loops
async def test_a_viewer_that_answers_is_kept() -> None:
    """By a pong, or by any byte."""
    here = await seat()
    assert len(here.wheel) == 1
    for answer in (masked(Opcode.PONG), masked(Opcode.TEXT, b"x"), masked(Opcode.PONG, b"unasked")[:1]):
        assert here.viewer.due() == INTERVAL
        assert (await here.frame()).opcode is Opcode.PING
        here.viewer.data_received(answer)
    assert here.viewer.due() == INTERVAL
    await here.leave()
    assert len(here.wheel) == 0
    assert here.viewer.due() is None


@on_both_loops
async def test_a_viewer_that_is_silent_is_closed() -> None:
    """With 4001, without waiting for it."""
    here = await seat()
    assert here.viewer.due() == INTERVAL
    assert here.viewer.due() is None
    assert (await here.frame()).opcode is Opcode.PING
    assert await here.close_code() == CLOSE_NO_PONG
    await here.events.until(lambda: bool(here.events.left))
    assert here.events.left == [here.viewer]


@on_both_loops
async def test_a_silent_viewer_with_full_buffers_is_not_waited_for() -> None:
    here = await seat(room=4096)
    assert here.viewer.write(frame(1, 60_000)) is True
    assert here.viewer.due() == INTERVAL
    assert here.viewer.due() is None
    await here.events.until(lambda: bool(here.events.left))


@on_both_loops
async def test_a_lagging_viewer_is_not_taken_for_a_silent_one() -> None:
    """Its pongs aren't read meanwhile; its draining shows that it lives. The hub sees to it that it drains."""
    here = await seat(room=4096)
    assert here.viewer.due() == INTERVAL
    taken = here.fill()
    for _ in range(3):
        assert here.viewer.due() == INTERVAL
    await here.read(2 + sum(len(one.ws) for one in taken))
    await here.events.until(lambda: bool(here.events.drains))
    assert here.viewer.due() == INTERVAL
    assert (await here.frame()).opcode is Opcode.PING
    await here.leave()


@on_both_loops
async def test_without_an_interval_nobody_is_pinged() -> None:
    here = await seat(interval=0)
    assert len(here.wheel) == 0
    await here.leave()
