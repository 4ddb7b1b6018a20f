"""Viewers at rest, on real sockets and both event loops: what they are written, what they say, and how they end."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import sys
import zlib
from typing import TYPE_CHECKING, Any, cast

import pytest
import uvloop
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Opcode
from websockets.frames import Frame as WebSocketFrame
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from liveserver.domain.change import Position
from liveserver.protocol.close_codes import CLOSE_NO_PONG, CLOSE_RESTART
from liveserver.protocol.frames import ChangeFrame
from liveserver.protocol.messages import INBOUND_MAX
from liveserver.realtime.transport import batch_send, socket_viewer
from liveserver.realtime.transport.event_stream_viewer import EventStreamViewer
from liveserver.realtime.transport.socket_viewer import State
from liveserver.realtime.transport.timer_wheel import TimerWheel
from liveserver.realtime.transport.websocket_viewer import DeflatedViewer, WebSocketViewer, whole_frames
from liveserver.realtime.viewer import ViewerSet
from tests.support.api.site import settled
from tests.support.viewers import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from liveserver.protocol.frames import Frame
    from liveserver.realtime.transport.socket_viewer import SocketViewer
    from liveserver.realtime.viewer import Viewer

INTERVAL = 20
MANY = 10_000
"""Answers that viewers were asked for, where the test is not of how much one may say (`test_socket_viewer_talk.py`)."""
PEERS: list[socket.socket] = []
"""The clients' ends of the connections of a test."""

ANSWER = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def on_both_loops(test: Callable[[], Awaitable[None]]) -> Callable[[Callable[[], asyncio.AbstractEventLoop]], None]:
    """Run a test on asyncio's own loop, and on uvloop."""

    @pytest.mark.parametrize("new_loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
    def run(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        async def in_time() -> None:
            async with asyncio.timeout(PATIENCE):
                await test()

        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(in_time())
        finally:
            while PEERS:
                PEERS.pop().close()

    run.__doc__ = test.__doc__
    return run


@pytest.fixture(autouse=True, params=["ring", "one by one"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How bytes go to sockets: all through a ring, or none."""
    if request.param == "ring":
        try:
            batch_send.IoUring()
        except OSError as error:
            pytest.skip(f"io_uring: {error}")
        monkeypatch.setattr(batch_send, "FEW", 0)
    else:
        monkeypatch.setattr(batch_send._Local, "allowed", False)


def frame(seq: int, size: int = 10) -> Frame:
    """A change whose message has so many bytes, which hardly shrink."""
    body = b"%d " % seq + bytes(33 + (number * number * 7919 + number // 7 * 31) % 90 for number in range(size))
    return ChangeFrame(Position("abcdefgh", seq), str(seq), body[:size])


class Listener:
    """The hub, to a viewer."""

    def __init__(self) -> None:
        self.drains: list[Viewer] = []
        self.left: list[Viewer] = []
        self.words: list[bytes] = []
        self.heard = asyncio.Event()
        self.asks = 0

    def writable(self, viewer: Viewer, /) -> None:
        self.drains.append(viewer)
        self.heard.set()

    def said(self, viewer: Viewer, message: bytes, /) -> None:
        self.words.append(message)

    def asked(self) -> int:
        return self.asks

    def gone(self, viewer: Viewer, /) -> None:
        self.left.append(viewer)
        self.heard.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for a report after which that holds."""
        while not reached():
            self.heard.clear()
            await self.heard.wait()


class Spy:
    """The transport, noting what is written through it."""

    def __init__(self, transport: asyncio.Transport, *, tls: bool) -> None:
        self.written: list[bytes] = []
        self._transport = transport
        self._tls = tls

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))
        self._transport.write(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return object() if self._tls and name == "sslcontext" else self._transport.get_extra_info(name, default)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Seat:
    """A viewer, and the other end of its connection."""

    def __init__(
        self, kind: type[SocketViewer], transport: Spy, peer: socket.socket, interval: int, opening: bytes = b""
    ) -> None:
        self.transport = transport
        self.peer = peer
        self.events = Listener()
        self.connections: set[Any] = set()
        self.wheel = TimerWheel(asyncio.get_running_loop())
        extra = (self.wheel, interval) if issubclass(kind, WebSocketViewer) else ()
        self.viewer: Any = cast("Any", kind)(transport, self.events, self.connections, *extra, opening)
        self.client = ClientProtocol(parse_uri("ws://test/"), state=OPEN, max_size=None)
        if kind is DeflatedViewer:
            self.client.extensions = [PerMessageDeflate(True, True, 15, 15)]
        self._frames: list[WebSocketFrame] = []

    async def read(self, count: int) -> bytes:
        """So many bytes of what comes."""
        data = bytearray()
        while len(data) < count:
            more = await asyncio.get_running_loop().sock_recv(self.peer, count - len(data))
            assert more, "the connection ended"
            data += more
        return bytes(data)

    async def frame(self) -> WebSocketFrame:
        """The next frame that comes."""
        while not self._frames:
            data = await asyncio.get_running_loop().sock_recv(self.peer, 65536)
            assert data, "the connection ended"
            self.client.receive_data(data)
            self._frames += cast("list[WebSocketFrame]", self.client.events_received())
            assert self.client.parser_exc is None
        return self._frames.pop(0)

    async def rest(self) -> bytes:
        """All that comes until the end."""
        data = b""
        while more := await asyncio.get_running_loop().sock_recv(self.peer, 65536):
            data += more
        return data

    async def close_code(self) -> int:
        """The code of the close frame that is the next thing that comes, and the last."""
        closing = await self.frame()
        assert closing.opcode is Opcode.CLOSE
        assert not self._frames
        return Close.parse(closing.data).code

    async def say(self, data: bytes) -> None:
        """Send bytes to the server."""
        await asyncio.get_running_loop().sock_sendall(self.peer, data)

    def fill(self, size: int = 3000) -> list[Frame]:
        """Write until the viewer refuses; what it took."""
        taken: list[Frame] = []
        while self.viewer.write(one := frame(len(taken), size)):
            taken.append(one)
        return taken

    async def leave(self) -> None:
        """Close the other end, and wait until that was noticed."""
        self.peer.close()
        await self.events.until(lambda: bool(self.events.left))


def sockets(room: int | None) -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection; `room` bounds what the kernel keeps."""
    with socket.socket() as listener:
        if room is not None:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                listener.setsockopt(socket.SOL_SOCKET, option, room)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        peer = socket.socket()
        if room is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        peer.connect(listener.getsockname())
        accepted, _ = listener.accept()
    PEERS.append(peer)
    for end in (accepted, peer):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end.setblocking(False)
    return accepted, peer


async def seat(
    kind: type[SocketViewer] = WebSocketViewer,
    *,
    room: int | None = None,
    interval: int = INTERVAL,
    tls: bool = False,
    first: bytes = b"",
    opening: bytes = b"",
) -> Seat:
    """A connection that is handed over, after `first` was written to its transport, and before `opening` is."""
    accepted, peer = sockets(room)
    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, accepted)
    spy = Spy(transport, tls=tls)
    if first:
        spy.write(first)
    return Seat(kind, spy, peer, interval, opening)


def at_once(peer: socket.socket, size: int) -> bytes:
    """So many bytes, without a turn of the event loop."""
    data = b""
    while len(data) < size:
        assert select.select([peer], [], [], PATIENCE)[0], "nothing came"
        data += peer.recv(size - len(data))
    return data


def masked(opcode: Opcode, data: bytes = b"", *, fin: bool = True, deflated: bool = False) -> bytes:
    """A frame as a client sends it."""
    extensions = [PerMessageDeflate(True, True, 15, 15)] if deflated else None
    return WebSocketFrame(opcode, data, fin).serialize(mask=True, extensions=extensions)


ENCODINGS: list[tuple[type[SocketViewer], str]] = [
    (WebSocketViewer, "ws"),
    (DeflatedViewer, "ws_deflated"),
    (EventStreamViewer, "sse"),
]


@on_both_loops
async def test_bytes_go_straight_to_the_socket() -> None:
    """Each viewer's own encoding, within the call, and not through the transport."""
    for kind, encoding in ENCODINGS:
        here = await seat(kind)
        for one in (frame(1), frame(2, 500), frame(3, 20_000)):
            data = getattr(one, encoding)
            assert here.viewer.write(one) is True
            assert at_once(here.peer, len(data)) == data
        assert here.transport.written == []
        await here.leave()


@on_both_loops
async def test_nothing_overtakes_the_answer_to_the_handshake() -> None:
    """It may still wait in the transport when the first messages are written."""
    here = await seat(first=ANSWER)
    frames = [frame(seq) for seq in range(3)]
    assert all(here.viewer.write(one) for one in frames)
    expected = ANSWER + b"".join(one.ws for one in frames)
    assert await here.read(len(expected)) == expected
    # Once the transport is empty, it is left out.
    before = list(here.transport.written)
    assert here.viewer.write(frame(9))
    assert at_once(here.peer, len(frame(9).ws)) == frame(9).ws
    assert here.transport.written == before
    await here.leave()


@on_both_loops
async def test_the_answer_that_opens_goes_with_the_first_message() -> None:
    """In one write; by itself if there is none; and before whatever else there is to say."""
    for kind, encoding in ENCODINGS:
        for tls in (False, True):
            here = await seat(kind, opening=ANSWER, tls=tls)
            assert here.viewer.write(frame(1))
            assert at_once(here.peer, 1) == ANSWER[:1]
            expected = ANSWER[1:] + getattr(frame(1), encoding)
            assert select.select([here.peer], [], [], PATIENCE)[0]
            assert here.peer.recv(65536) == expected
            assert here.transport.written == ([ANSWER + getattr(frame(1), encoding)] if tls else [])
            assert here.viewer.write(frame(2))
            assert at_once(here.peer, len(getattr(frame(2), encoding))) == getattr(frame(2), encoding)
            await here.leave()
        here = await seat(kind, opening=ANSWER)
        assert await here.read(len(ANSWER)) == ANSWER
        assert here.viewer.write(frame(1))
        assert await here.read(len(getattr(frame(1), encoding))) == getattr(frame(1), encoding)
        await here.leave()
        here = await seat(kind, opening=ANSWER)
        here.viewer.close(CLOSE_RESTART)
        assert (await here.rest()).startswith(ANSWER)
    here = await seat(opening=ANSWER)
    here.viewer.data_received(masked(Opcode.PING, b"x"))
    assert await here.read(len(ANSWER) + 3) == ANSWER + WebSocketFrame(Opcode.PONG, b"x").serialize(mask=False)
    await here.leave()


@on_both_loops
async def test_nothing_overtakes_an_answer_of_the_viewers_own() -> None:
    """A pong that waits in the transport, perhaps half written, goes first; also when there is room again before it."""
    here = await seat(room=4096)
    assert here.viewer.write(frame(1))
    pings, here.events.asks = 0, MANY
    while not here.transport.get_write_buffer_size():
        here.viewer.data_received(masked(Opcode.PING, b"x" * 125))
        pings += 1
    early = here.peer.recv(65536)
    here.client.receive_data(early)
    assert here.viewer.write(frame(2))
    here.client.events_received()
    rest = 2 + 10 + pings * 127 + 2 + 10 - len(early)
    here.client.receive_data(await here.read(rest))
    last = here.client.events_received()[-1]
    assert here.client.parser_exc is None
    assert isinstance(last, WebSocketFrame)
    assert last.data == frame(2).message
    await here.leave()


@on_both_loops
async def test_a_peer_that_reads_later_has_everything_in_order() -> None:
    """Short writes and full buffers lose nothing, double nothing; what was refused was not begun."""
    for kind, encoding in ENCODINGS:
        here = await seat(kind, room=4096)
        taken = here.fill()
        assert len(taken) > 20
        assert here.transport.written
        assert len(here.transport.written) < len(taken)
        expected = b"".join(getattr(one, encoding) for one in taken)
        assert await here.read(len(expected)) == expected
        await here.events.until(lambda here=here: bool(here.events.drains))  # type: ignore[misc]
        one = frame(99)
        assert here.viewer.write(one) is True
        assert at_once(here.peer, len(getattr(one, encoding))) == getattr(one, encoding)
        await here.leave()


@on_both_loops
async def test_many_are_written_to_together() -> None:
    """Whatever state each is in: everyone gets all of it in order, or nothing and is reported."""
    for kind, encoding in ENCODINGS:
        follower, late, full, slow, over, gone = [
            await seat(kind, room=room, tls=tls)
            for room, tls in [(None, False), (None, False), (4096, False), (4096, False), (None, True), (None, False)]
        ]
        assert follower.viewer.write(frame(0))
        taken = {full: [frame(0, 3000)], slow: []}
        assert full.viewer.write(taken[full][0])
        while not full.transport.get_write_buffer_size():
            taken[full].append(frame(len(taken[full]), 3000))
            assert full.viewer.write(taken[full][-1])
        taken[slow] = slow.fill()
        gone.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.viewer.write(frame(0))
        gone.peer.close()
        seats = (follower, late, full, slow, over, gone)
        bundle = [frame(1), frame(2, 500), frame(3, 2000)]
        lagging = kind.write_all([here.viewer for here in seats], bundle)
        assert lagging == [(slow.viewer, 0)]
        data = b"".join(getattr(one, encoding) for one in bundle)
        for here, before in ((follower, [frame(0)]), (late, []), (full, taken[full]), (over, [])):
            expected = b"".join(getattr(one, encoding) for one in before) + data
            assert await here.read(len(expected)) == expected
        expected = b"".join(getattr(one, encoding) for one in taken[slow])
        assert await slow.read(len(expected)) == expected
        await slow.events.until(lambda slow=slow: bool(slow.events.drains))  # type: ignore[misc]
        await gone.events.until(lambda gone=gone: bool(gone.events.left))  # type: ignore[misc]
        assert kind.write_all([gone.viewer], bundle) == []
        for here in seats[:-1]:
            await here.leave()


@on_both_loops
async def test_a_row_is_written_to_as_its_viewers_stand() -> None:
    """A viewer that left gets nothing, one moved to its place everything; one behind, or ended, keeps its order."""
    for kind, encoding in ENCODINGS:
        viewer_set = ViewerSet()
        seats = [await seat(kind, room=4096 if number == 3 else None) for number in range(5)]
        first, gone, over, slow, last = seats
        for here in seats:
            viewer_set.add(here.viewer)
        [batch] = viewer_set.batches()
        said = [frame(number, 500) for number in range(6)]
        assert batch.write(said[:1]) == []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kind, "write_all", None)
            assert batch.write(said[1:2]) == [], "while all may be written to directly, none is looked at"
            viewer_set.discard(gone.viewer)
            assert batch.write(said[2:3]) == []
        large: list[Frame] = []
        while not slow.transport.get_write_buffer_size():
            large.append(frame(len(large), 3000))
            assert slow.viewer.write(large[-1])
        assert batch.write(said[3:4]) == []
        over.viewer.close(1000)
        assert batch.write(said[4:5]) == []
        for here in (over, slow):
            viewer_set.discard(here.viewer)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kind, "write_all", None)
            assert batch.write(said[5:]) == []
        for here, frames in (
            (first, said),
            (gone, said[:2]),
            (slow, [*said[:3], *large, *said[3:5]]),
            (last, said),
        ):
            expected = b"".join(getattr(one, encoding) for one in frames)
            assert await here.read(len(expected)) == expected
            with pytest.raises(BlockingIOError):
                here.peer.recv(1)
            await here.leave()
        until_closed = await over.rest()
        expected = b"".join(getattr(one, encoding) for one in said[:4])
        assert until_closed.startswith(expected)
        assert len(until_closed) - len(expected) == (0 if kind is EventStreamViewer else 4)


@on_both_loops
async def test_one_message_larger_than_all_buffers_gets_through() -> None:
    here = await seat(room=4096)
    huge = frame(1, 1_000_000)
    assert here.viewer.write(huge) is True
    assert here.viewer.write(frame(2)) is False
    assert await here.read(len(huge.ws)) == huge.ws
    await here.events.until(lambda: bool(here.events.drains))
    assert here.viewer.write(frame(3)) is True
    await here.leave()


@on_both_loops
async def test_a_lagging_viewer_takes_and_says_nothing_until_it_has_drained() -> None:
    """It is reported once for each time that it lagged; what waits for it is bounded."""
    here = await seat(room=4096)
    for rounds in (1, 2):
        taken = here.fill()
        assert here.viewer.write(frame(99)) is False
        assert not here.transport.is_reading()
        size = here.transport.get_write_buffer_size()
        assert 64 * 1024 < size < 64 * 1024 + len(taken[0].ws) * 2
        assert here.events.drains == [here.viewer] * (rounds - 1)
        await here.read(sum(len(one.ws) for one in taken))
        await here.events.until(lambda rounds=rounds: len(here.events.drains) == rounds)  # type: ignore[misc]
        assert here.transport.is_reading()
    await asyncio.sleep(0)
    assert len(here.events.drains) == 2
    await here.leave()


@on_both_loops
async def test_a_viewer_that_is_written_to_as_it_drains_may_lag_again() -> None:
    """As the hub does, from within `writable`: nothing is lost, and it is reported again."""
    here = await seat(room=4096)
    taken = here.fill()
    refill: list[Frame] = []

    def again(viewer: Viewer, /) -> None:
        if not refill:
            refill.extend(here.fill())
        here.events.drains.append(viewer)
        here.events.heard.set()

    here.events.writable = again  # type: ignore[method-assign]
    assert await here.read(sum(len(one.ws) for one in taken)) == b"".join(one.ws for one in taken)
    assert await here.read(sum(len(one.ws) for one in refill)) == b"".join(one.ws for one in refill)
    await here.events.until(lambda: len(here.events.drains) == 2)
    await here.leave()


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
    """What it says isn't read meanwhile; that it drains shows that it lives. The hub sees to it that it drains."""
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


@on_both_loops
async def test_under_tls_nothing_is_written_past_the_transport() -> None:
    for kind, encoding in ENCODINGS:
        here = await seat(kind, tls=True, first=ANSWER)
        frames = [frame(seq, 200) for seq in range(3)]
        for one in frames:
            assert here.viewer.write(one) is True
            await asyncio.sleep(0)
        expected = [getattr(one, encoding) for one in frames]
        if kind is not EventStreamViewer:
            here.viewer.due()
            expected.append(b"\x89\x00")
        assert here.transport.written == [ANSWER, *expected]
        assert await here.read(len(b"".join(expected)) + len(ANSWER)) == ANSWER + b"".join(expected)
        await here.leave()


@on_both_loops
async def test_a_viewer_is_small() -> None:
    """It has slots only, and nothing in them that it doesn't need at rest."""
    for kind, _ in ENCODINGS:
        here = await seat(kind)
        assert not hasattr(here.viewer, "__dict__")
        assert sys.getsizeof(here.viewer) <= 176
        await here.leave()


@pytest.mark.parametrize("size", [0, 1, 125, 126, INBOUND_MAX])
def test_whole_frames(size: int) -> None:
    one = masked(Opcode.TEXT, b"x" * size)
    assert whole_frames(one) == (len(one), 1)
    assert whole_frames(one * 3) == (3 * len(one), 3)
    for cut in range(len(one)):
        assert whole_frames(one[:cut]) == (0, 0)
        assert whole_frames(one + one[:cut]) == (len(one), 1)
