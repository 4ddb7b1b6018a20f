"""One viewer's account of what it gets, without a network."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from websockets.frames import Close, Opcode
from websockets.frames import Frame as WebSocketFrame

from liveserver.cli.bench.measuring.histogram import Measurements
from liveserver.cli.bench.viewers.handshake import Opening, Transport
from liveserver.cli.bench.viewers.viewer import Meanings, Stage, Viewer
from liveserver.domain.model import Position
from liveserver.protocol import wire
from liveserver.protocol.frames import Frame
from tests.bench.liar import answer_to

if TYPE_CHECKING:
    from liveserver.cli.bench.viewers.messages import Mark


class Audience:
    def __init__(self, transport: Transport, *, greeted: bool = True) -> None:
        self.opening = Opening(transport, "localhost", "/stream")
        self.greeted = greeted
        self.tally = Measurements()
        self.meanings = Meanings()
        self.marks: list[Mark | None] = []
        self.began_count = 0
        self.endings: list[tuple[str, float | None]] = []

    def arrived(self, mark: Mark | None) -> None:
        self.marks.append(mark)

    def began(self, viewer: Viewer) -> None:
        self.began_count += 1

    def ended(self, viewer: Viewer, reason: str, pause: float | None) -> None:
        self.endings.append((reason, pause))


class Wire(asyncio.Transport):
    """A connection's other end."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.sent = b""
        self.closed = False
        viewer.connection_made(self)

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        sent, self.sent = self.sent, b""
        return sent


def following(audience: Audience, start: int = 10) -> tuple[Viewer, Wire]:
    """A viewer whose stream has begun at a seq."""
    viewer = Viewer(0, audience)
    return viewer, open_(viewer, audience, start)


def open_(viewer: Viewer, audience: Audience, seq: int, *, resumed: bool = False, epoch: str = "abc") -> Wire:
    wire_ = Wire(viewer)
    hello = Frame(wire.hello(Position(epoch, seq), resumed=resumed, heartbeat=25))
    if audience.opening.transport is Transport.WS:
        viewer.data_received(answer_to(wire_.sent) + hello.ws)
    else:
        viewer.data_received(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + hello.sse)
    assert viewer.stage is Stage.FOLLOWING
    return wire_


def change(seq: int) -> Frame:
    return Frame(wire.delete_message(seq, "x"), Position("abc", seq))


def counts(audience: Audience) -> tuple[int, int, int, int]:
    tally = audience.tally
    return tally.delivered, tally.lost, tally.duplicated, tally.superseded


@pytest.fixture(params=[Transport.WS, Transport.SSE])
def audience(request: pytest.FixtureRequest) -> Audience:
    return Audience(request.param)


def feed(viewer: Viewer, audience: Audience, *seqs: int) -> None:
    for seq in seqs:
        frame = change(seq)
        viewer.data_received(frame.ws if audience.opening.transport is Transport.WS else frame.sse)


def test_each_in_its_turn(audience: Audience) -> None:
    viewer, _ = following(audience)
    feed(viewer, audience, 11, 12, 13)
    assert counts(audience) == (3, 0, 0, 0)
    assert viewer.seq == 13


def test_a_gap_is_a_loss(audience: Audience) -> None:
    viewer, _ = following(audience)
    feed(viewer, audience, 11, 14)
    assert counts(audience) == (2, 2, 0, 0)


def test_what_comes_again_is_a_duplicate(audience: Audience) -> None:
    viewer, _ = following(audience)
    feed(viewer, audience, 11, 11, 12, 10)
    assert counts(audience) == (2, 0, 2, 0)


def test_a_fragment_and_its_rest(audience: Audience) -> None:
    """A message in two pieces counts once, when it is whole; other viewers' bytes don't get in its way."""
    viewer, _ = following(audience)
    other, _ = following(audience)
    frame = change(11)
    data = frame.ws if audience.opening.transport is Transport.WS else frame.sse
    feed(other, audience, 11)
    viewer.data_received(data[:9])
    assert counts(audience) == (1, 0, 0, 0)
    feed(other, audience, 12)
    viewer.data_received(data[9:])
    assert viewer.seq == 11
    assert counts(audience) == (3, 0, 0, 0)
    # Another one's pieces are cut at the same place; what the second piece means depends on the first.
    third, _ = following(audience)
    third.data_received(data[:9])
    third.data_received(data[9:])
    feed(third, audience, 12, 13)
    assert counts(audience) == (6, 0, 0, 0)


def test_the_same_bytes_are_read_once(audience: Audience) -> None:
    """A second viewer takes the meaning of the first one's bytes."""
    viewer, _ = following(audience)
    other, _ = following(audience)
    feed(viewer, audience, 11)
    frame = change(11)
    data = frame.ws if audience.opening.transport is Transport.WS else frame.sse
    found = audience.meanings.get(data)
    assert found is not None
    audience.meanings.keep(data, [*found, *found])
    feed(other, audience, 11)
    assert counts(audience) == (2, 0, 1, 0)


def test_coming_back(audience: Audience) -> None:
    """It asks for what it missed; what a later state replaced was not lost."""
    viewer, _ = following(audience)
    feed(viewer, audience, 11)
    viewer.connection_lost(None)
    assert audience.endings[0][1] is None
    assert audience.tally.following == 0
    wire_ = open_(viewer, audience, 15, resumed=True)
    assert b"GET /stream?after=abc-11 " in wire_.sent
    feed(viewer, audience, 13, 15, 16)
    assert counts(audience) == (4, 0, 0, 2)
    feed(viewer, audience, 18)
    assert counts(audience) == (5, 1, 0, 2)
    assert (audience.began_count, audience.tally.following) == (2, 1)


def test_a_replay_that_ends_before_its_hello(audience: Audience) -> None:
    """The store may stand beyond the last thing that is left of what changed."""
    viewer, _ = following(audience)
    viewer.connection_lost(None)
    open_(viewer, audience, 15, resumed=True)
    feed(viewer, audience, 12, 16)
    assert counts(audience) == (2, 0, 0, 4)


def test_a_void_position(audience: Audience) -> None:
    """A viewer that must start afresh has lost what lies between."""
    viewer, _ = following(audience)
    viewer.connection_lost(None)
    open_(viewer, audience, 14, resumed=False)
    assert (audience.tally.resets, audience.tally.lost, viewer.seq) == (1, 4, 14)
    viewer.connection_lost(None)
    open_(viewer, audience, 3, resumed=False, epoch="def")
    assert (audience.tally.resets, audience.tally.lost, viewer.seq) == (2, 4, 3)


def test_a_reset_in_the_midst(audience: Audience) -> None:
    """Told to start afresh, it stands where the stream goes on; what lies between is lost to the stream."""
    viewer, _ = following(audience)
    feed(viewer, audience, 11)
    for position in (Position("abc", 15), Position("abc", 15), Position("def", 4)):
        frame = Frame(wire.reset(position))
        viewer.data_received(frame.ws if audience.opening.transport is Transport.WS else frame.sse)
    assert (audience.tally.resets, audience.tally.lost, viewer.seq) == (2, 4, 4)
    feed(viewer, audience, 5)
    assert counts(audience) == (2, 4, 0, 0)


def test_a_refusal(audience: Audience) -> None:
    viewer = Viewer(0, audience)
    wire_ = Wire(viewer)
    viewer.data_received(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
    assert wire_.closed
    viewer.connection_lost(None)
    assert audience.endings == [("answered 503 Service Unavailable", None)]
    assert viewer.start == -1


def test_pings_are_answered() -> None:
    viewer, wire_ = following(Audience(Transport.WS))
    wire_.taken()
    viewer.data_received(WebSocketFrame(Opcode.PING, b"42").serialize(mask=False))
    pong = wire_.taken()
    assert pong[:2] == b"\x8a\x82"
    assert len(pong) == 8


@pytest.mark.parametrize(("code", "pause"), [(4000, None), (4504, float("inf"))])
def test_close_codes_tell_whether_to_come_back(code: int, pause: float | None) -> None:
    audience = Audience(Transport.WS)
    viewer, wire_ = following(audience)
    viewer.data_received(WebSocketFrame(Opcode.CLOSE, Close(code, "").serialize()).serialize(mask=False))
    assert wire_.closed
    feed(viewer, audience, 11)
    viewer.connection_lost(None)
    assert audience.endings == [(f"closed with {code}", pause)]
    assert counts(audience) == (0, 0, 0, 0)


def test_the_server_says_when_to_come_back() -> None:
    audience = Audience(Transport.WS)
    viewer, wire_ = following(audience)
    viewer.data_received(Frame(wire.reconnect(1500)).ws)
    assert wire_.closed
    viewer.connection_lost(None)
    assert audience.endings == [("asked to come back", 1.5)]


def test_nonsense_ends_the_connection() -> None:
    audience = Audience(Transport.WS)
    viewer, wire_ = following(audience)
    viewer.data_received(b"\x83\x00")
    assert wire_.closed
    assert audience.tally.following == 0


def test_an_event_stream_in_chunks() -> None:
    """A proxy may send it so; events and chunks needn't coincide."""
    audience = Audience(Transport.SSE)
    viewer = Viewer(0, audience)
    Wire(viewer)
    hello = Frame(wire.hello(Position("abc", 10), resumed=False, heartbeat=25)).sse
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    stream = hello + change(11).sse
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (stream[:20], stream[20:90], stream[90:]))
    for number in range(len(head + body)):
        viewer.data_received((head + body)[number : number + 1])
    assert counts(audience) == (1, 0, 0, 0)
    viewer.data_received(b"0\r\n\r\n")
    assert viewer.stage is Stage.ENDING


def test_a_server_that_does_not_greet() -> None:
    """In comparisons, a viewer follows from the answer on, and counts from 1."""
    audience = Audience(Transport.WS, greeted=False)
    viewer = Viewer(0, audience)
    wire_ = Wire(viewer)
    viewer.data_received(answer_to(wire_.sent))
    assert viewer.stage is Stage.FOLLOWING
    feed(viewer, audience, 1, 3)
    assert counts(audience) == (2, 1, 0, 0)
