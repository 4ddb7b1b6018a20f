"""Viewers that say more than a viewer has to say, in every way there is: the end comes soon, and costs little."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any

import pytest
from websockets.frames import Close, Opcode
from websockets.frames import Frame as WebSocketFrame

from liveserver.protocol.close_codes import CLOSE_TOO_BIG, CLOSE_TOO_TALKATIVE
from liveserver.protocol.messages import INBOUND_MAX
from liveserver.realtime.transport import socket_viewer, websocket_viewer
from liveserver.realtime.transport.event_stream_viewer import EventStreamViewer
from liveserver.realtime.transport.socket_viewer import State
from liveserver.realtime.transport.viewer_budget import FRAME_BYTES, FRAMES, SECONDS
from liveserver.realtime.transport.websocket_viewer import DeflatedViewer, WebSocketViewer
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.viewer_seat import ANSWER, ENCODINGS, Seat, frame, masked, on_both_loops, seat

if TYPE_CHECKING:
    from liveserver.realtime.transport.socket_viewer import SocketViewer

NEVER = 10.0**6
"""Seconds."""

TALK: dict[str, tuple[type[SocketViewer], list[bytes]]] = {
    "pings": (WebSocketViewer, [masked(Opcode.PING)]),
    "long pings": (WebSocketViewer, [masked(Opcode.PING, b"x" * 125)]),
    "empty pongs": (WebSocketViewer, [masked(Opcode.PONG)]),
    "pongs": (WebSocketViewer, [masked(Opcode.PONG, b"x" * 125)]),
    "texts": (WebSocketViewer, [masked(Opcode.TEXT, b'{"type":"gone"}')]),
    "long texts": (WebSocketViewer, [masked(Opcode.TEXT, b"x" * 250)]),
    "bytes": (WebSocketViewer, [masked(Opcode.BINARY)]),
    "fragments": (WebSocketViewer, [masked(Opcode.TEXT, fin=False), *[masked(Opcode.CONT, fin=False)] * FRAMES]),
    "deflated texts": (DeflatedViewer, [masked(Opcode.TEXT, b"x" * 200, deflated=True)]),
    "deflated to the last byte allowed": (DeflatedViewer, [masked(Opcode.TEXT, b"x" * INBOUND_MAX, deflated=True)]),
    "pings of one who may deflate": (DeflatedViewer, [masked(Opcode.PING)]),
}  # fmt: skip


def some(of: list[bytes], count: int) -> list[bytes]:
    """So many frames; the last of the given ones again and again."""
    return (of + of[-1:] * count)[:count]


def turned_away() -> int:
    """How many were, for what they said, since the process began."""
    return refusals.counts[Reason.TOO_TALKATIVE]


async def dismissed(here: Seat) -> None:
    """It is told so, nothing else, and once; nothing more is written to it; and it leaves no trace."""
    assert await here.close_code() == CLOSE_TOO_TALKATIVE
    assert await here.rest() == b""
    assert here.viewer._state is State.CLOSED
    assert here.viewer.write(frame(1)) is True
    assert (here.viewer._held, here.viewer._parser) == (b"", None)
    await here.leave()
    assert (here.events.left, here.connections, len(here.wheel)) == ([here.viewer], set(), 0)


@on_both_loops
async def test_no_more_than_so_many_frames_come_at_once() -> None:
    """Those are heeded; with one more in the same read, none is parsed and none is answered."""
    for name, (kind, said) in TALK.items():
        here = await seat(kind)
        here.viewer.data_received(b"".join(some(said, FRAMES)))
        assert here.viewer._state is State.FOLLOWING, name
        await here.leave()
        before, here = turned_away(), await seat(kind)
        here.viewer.data_received(b"".join(some(said, FRAMES + 1)))
        await dismissed(here)
        assert here.events.words == [], name
        assert turned_away() == before + 1, name


@on_both_loops
async def test_no_more_than_so_many_frames_come_one_by_one() -> None:
    """Frame by frame, or byte by byte: it comes to an end."""
    for name, (kind, said) in TALK.items():
        here, count = await seat(kind), 0
        while here.viewer._state is State.FOLLOWING and count < 20 * FRAMES:
            here.viewer.data_received(some(said, count + 1)[-1])
            count += 1
        assert FRAMES < count < 20 * FRAMES, name
        while (last := await here.frame()).opcode is Opcode.PONG:
            pass
        assert Close.parse(last.data).code == CLOSE_TOO_TALKATIVE, name
        await here.leave()
    for kind in (WebSocketViewer, DeflatedViewer):
        here, count = await seat(kind), 0
        text = masked(Opcode.TEXT, b"x" * INBOUND_MAX)
        while here.viewer._state is State.FOLLOWING and count < len(text):
            here.viewer.data_received(text[count : count + 1])
            count += 1
        assert FRAMES < count < len(text)
        await dismissed(here)


@on_both_loops
async def test_no_more_than_so_many_bytes_come_at_once() -> None:
    """In whole frames, in one that isn't whole, and in what is no frame at all: it isn't even looked at."""
    large = masked(Opcode.BINARY, b"x" * INBOUND_MAX)
    most = FRAMES * FRAME_BYTES // len(large)
    here = await seat()
    here.viewer.data_received(large * most)
    assert here.viewer._state is State.FOLLOWING
    await here.leave()
    for data in (large * (most + 2), b"\x8a" * ((FRAMES + 1) * FRAME_BYTES), masked(Opcode.PONG) * 40_000):
        here = await seat()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(websocket_viewer, "whole_frames", None)
            here.viewer.data_received(data)
        await dismissed(here)


@pytest.mark.slow
@on_both_loops
async def test_one_frame_that_is_too_large_is_told_so() -> None:
    """1009, however much of it comes at once, and in whatever pieces."""
    large = masked(Opcode.TEXT, b"x" * 1_000_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket_viewer, "LINGER", 1.0)
        for pieces in ([large], [large[:1], large[1:]], [large[:14], large[14:]]):
            here = await seat()
            for piece in pieces:
                here.viewer.data_received(piece)
            assert await here.close_code() == CLOSE_TOO_BIG
            assert await here.rest() == b""
            await here.leave()


@on_both_loops
async def test_what_was_said_is_forgotten_in_time() -> None:
    """As much may come again; a viewer that was silent for long has no more to say at once."""
    here = await seat()
    for _ in range(3):
        here.viewer.data_received(masked(Opcode.PONG) * FRAMES)
        here.viewer._spent -= SECONDS * 100
    assert here.viewer._state is State.FOLLOWING
    here.viewer.data_received(masked(Opcode.PONG) * (FRAMES + 1))
    await dismissed(here)


@on_both_loops
async def test_answers_that_were_asked_for_may_come_besides() -> None:
    """All at once, as those of a page that was in the background."""
    answer = masked(Opcode.TEXT, b"x" * 256)
    here = await seat()
    here.events.asks = 50
    here.viewer.data_received(answer * (FRAMES + 50))
    assert len(here.events.words) == FRAMES + 50
    here.viewer.data_received(answer)
    await dismissed(here)


@on_both_loops
async def test_the_answers_to_one_read_go_out_in_one_write() -> None:
    here = await seat()
    here.viewer.data_received(b"".join(masked(Opcode.PING, b"%d" % number) for number in range(FRAMES)))
    assert len(here.transport.written) == 1
    pongs = [await here.frame() for _ in range(FRAMES)]
    assert [(pong.opcode, pong.data) for pong in pongs] == [(Opcode.PONG, b"%d" % number) for number in range(FRAMES)]
    await here.leave()


UNFINISHED: dict[str, tuple[type[SocketViewer], bytes, bytes]] = {
    "one byte": (WebSocketViewer, masked(Opcode.PONG)[:1], masked(Opcode.PONG)[1:]),
    "a head": (WebSocketViewer, masked(Opcode.TEXT, b"x" * 400)[:8], masked(Opcode.TEXT, b"x" * 400)[8:]),
    "a frame behind whole ones": (
        WebSocketViewer,
        masked(Opcode.PONG) * 3 + masked(Opcode.TEXT, b"xy")[:-1],
        masked(Opcode.TEXT, b"xy")[-1:],
    ),
    "a message": (WebSocketViewer, masked(Opcode.TEXT, b"x", fin=False), masked(Opcode.CONT)),
    "a message and a frame": (
        WebSocketViewer,
        masked(Opcode.TEXT, b"x", fin=False) + masked(Opcode.CONT)[:3],
        masked(Opcode.CONT)[3:],
    ),
    "a deflated message": (
        DeflatedViewer,
        bytes([masked(Opcode.TEXT, b"", fin=False)[0] | 0x40]) + masked(Opcode.TEXT, b"", fin=False)[1:],
        masked(Opcode.CONT, b"\x00"),
    ),
}  # fmt: skip


@on_both_loops
async def test_what_was_begun_must_be_ended_in_a_while() -> None:
    """A frame, or a message in fragments; whatever else comes meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(websocket_viewer, "UNFINISHED_SECONDS", 0.0)
        for name, (kind, begun, _) in UNFINISHED.items():
            here = await seat(kind)
            here.viewer.data_received(begun)
            if here.viewer._parser is not None and not here.viewer._held:
                here.viewer.data_received(masked(Opcode.PONG))
            assert here.viewer._patience is not None, name
            await dismissed(here)


@on_both_loops
async def test_nothing_runs_for_a_viewer_that_has_ended_what_it_began() -> None:
    for name, (kind, begun, rest) in UNFINISHED.items():
        here = await seat(kind)
        assert here.viewer._patience is None, name
        here.viewer.data_received(begun)
        assert here.viewer._patience is not None, name
        here.viewer.data_received(rest)
        assert here.viewer._patience is None, name
        assert here.viewer._state is State.FOLLOWING, name
        await here.leave()


@on_both_loops
async def test_a_viewer_that_leaves_amid_a_frame_is_not_waited_for() -> None:
    here = await seat()
    here.viewer.data_received(masked(Opcode.PONG)[:1])
    timer = here.viewer._patience
    await here.leave()
    assert timer.cancelled()


@on_both_loops
async def test_a_lagging_viewer_has_time_until_it_is_read_again() -> None:
    """The rest of what it began may wait in the kernel."""
    here = await seat(room=4096)
    here.viewer.data_received(masked(Opcode.PONG)[:1])
    here.fill()
    for _ in range(3):
        here.viewer._unfinished()
        assert here.viewer._state is State.LAGGING
        assert here.viewer._patience is not None
    await here.leave()


@on_both_loops
async def test_a_lagging_viewer_is_dismissed_behind_what_waits_for_it() -> None:
    """Under TLS something that was read already may come after reading was paused. That it leaves is noticed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket_viewer, "LINGER", NEVER)
        here = await seat(room=4096)
        taken = here.fill()
        here.viewer.data_received(masked(Opcode.PING) * (FRAMES + 1))
        assert here.viewer._state is State.CLOSED
        assert [(await here.frame()).data for _ in taken] == [one.message for one in taken]
        await dismissed(here)


@on_both_loops
async def test_a_viewer_dismissed_before_the_answer_has_the_answer_first() -> None:
    """Frames that came too early count like all others."""
    for kind, _ in ENCODINGS:
        here = await seat(kind, opening=ANSWER)
        here.viewer.data_received(masked(Opcode.PING) * 2000)
        closing = b"" if kind is EventStreamViewer else struct.pack("!BBH", 0x88, 2, CLOSE_TOO_TALKATIVE)
        assert await here.rest() == ANSWER + closing
        await here.leave()


@on_both_loops
async def test_an_event_stream_to_which_much_is_sent_ends() -> None:
    """Behind what was written; in one read, or in many."""
    for pieces in ([b"x" * ((FRAMES + 1) * FRAME_BYTES)], [b"x"] * 10_000):
        before, here = turned_away(), await seat(EventStreamViewer, first=ANSWER)
        assert here.viewer.write(frame(1))
        here.viewer.data_received(b"GET /more HTTP/1.1\r\n\r\n")
        for piece in pieces:
            if here.viewer._state is State.FOLLOWING:
                here.viewer.data_received(piece)
        assert here.viewer._state is State.CLOSED
        assert turned_away() == before + 1
        assert await here.rest() == ANSWER + frame(1).sse
        await here.leave()
        assert (here.events.left, here.connections) == ([here.viewer], set())


ENOUGH = 4_000_000
"""Bytes: more than kernels keep for two ends of a connection, at first."""


async def pour(here: Seat, data: bytes) -> int:
    """Send again and again until nobody reads any more; how many bytes were taken, by the kernel mostly."""
    sent = 0
    while here.transport.is_reading() and sent < ENOUGH:
        sent += here.peer.send(data)
        await asyncio.sleep(0)
    return sent


FLOODS: dict[str, tuple[type[SocketViewer], bytes]] = {
    "empty pongs": (WebSocketViewer, masked(Opcode.PONG) * 300),
    "pings to one who may deflate": (DeflatedViewer, masked(Opcode.PING, b"x" * 125) * 20),
    "what is against the rules": (WebSocketViewer, WebSocketFrame(Opcode.TEXT, b"x").serialize(mask=False) * 600),
    "requests on an event stream": (EventStreamViewer, b"GET / HTTP/1.1\r\n\r\n" * 100),
}


@on_both_loops
async def test_a_flood_is_not_read_for_long() -> None:
    """Bytes after the end aren't read on for ever; the peer sees the end. The server doesn't wait for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket_viewer, "LINGER", NEVER)
        patch.setattr(socket_viewer, "LAST_SECONDS", 0.0)
        for name, (kind, data) in FLOODS.items():
            here = await seat(kind)
            sent = await pour(here, data)
            assert here.viewer._state is State.CLOSED, name
            assert sent < ENOUGH, name
            assert not here.transport.is_closing(), name
            if kind is not EventStreamViewer:
                while (last := await here.frame()).opcode is Opcode.PONG:
                    pass
                assert Close.parse(last.data).code in {CLOSE_TOO_TALKATIVE, 1002}, name
            here.viewer.shutdown()
            await here.events.until(lambda here=here: bool(here.events.left))  # type: ignore[misc]
            assert here.connections == set(), name


@on_both_loops
async def test_a_closed_viewer_that_does_not_read_is_cut_off() -> None:
    """The bytes that wait for it aren't kept for ever."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket_viewer, "LINGER", 0.05)
        endings: list[Any] = [
            lambda here: here.viewer.close(4000),
            lambda here: here.viewer.data_received(masked(Opcode.PONG) * 2000),
        ]
        for kind, _ in ENCODINGS:
            for end in endings:
                here = await seat(kind, room=4096)
                here.fill()
                end(here)
                await here.events.until(lambda here=here: bool(here.events.left))  # type: ignore[misc]
                assert here.connections == set()
    here = await seat(room=4096)
    here.fill()
    here.viewer.data_received(masked(Opcode.CLOSE, struct.pack("!H", 1000)))
    assert here.viewer._patience is not None
    await here.leave()
