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
from liveserver.domain.change import Position
from liveserver.protocol import messages
from liveserver.protocol.frames import Frame
from tests.support.liar import answer_to

if TYPE_CHECKING:
    from liveserver.cli.bench.viewers.messages import Mark


class Audience:
    def __init__(self, transport: Transport, *, greeted: bool = True) -> None:
        self.opening = Opening(transport, "localhost", "/stream")
        self.greeted = greeted
        self.measurements = Measurements()
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


def following(events: Audience, start: int = 10) -> tuple[Viewer, Wire]:
    """A viewer whose stream has begun at a seq."""
    viewer = Viewer(0, events)
    return viewer, open_(viewer, events, start)


def open_(viewer: Viewer, events: Audience, seq: int, *, resumed: bool = False, epoch: str = "abc") -> Wire:
    wire_ = Wire(viewer)
    hello = Frame(messages.hello(Position(epoch, seq), resumed=resumed, heartbeat=25))
    if events.opening.transport is Transport.WS:
        viewer.data_received(answer_to(wire_.sent) + hello.ws)
    else:
        viewer.data_received(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + hello.sse)
    assert viewer.stage is Stage.FOLLOWING
    return wire_


def change(seq: int) -> Frame:
    return Frame(messages.delete_message(seq, "x"), Position("abc", seq))


def counts(events: Audience) -> tuple[int, int, int, int]:
    measurements = events.measurements
    return measurements.delivered, measurements.lost, measurements.duplicated, measurements.superseded


@pytest.fixture(params=[Transport.WS, Transport.SSE])
def events(request: pytest.FixtureRequest) -> Audience:
    return Audience(request.param)


def feed(viewer: Viewer, events: Audience, *seqs: int) -> None:
    for seq in seqs:
        frame = change(seq)
        viewer.data_received(frame.ws if events.opening.transport is Transport.WS else frame.sse)


def test_each_in_its_turn(events: Audience) -> None:
    viewer, _ = following(events)
    feed(viewer, events, 11, 12, 13)
    assert counts(events) == (3, 0, 0, 0)
    assert viewer.seq == 13


def test_a_gap_is_a_loss(events: Audience) -> None:
    viewer, _ = following(events)
    feed(viewer, events, 11, 14)
    assert counts(events) == (2, 2, 0, 0)


def test_what_comes_again_is_a_duplicate(events: Audience) -> None:
    viewer, _ = following(events)
    feed(viewer, events, 11, 11, 12, 10)
    assert counts(events) == (2, 0, 2, 0)


def test_a_fragment_and_its_rest(events: Audience) -> None:
    """A message in two pieces counts once, when it is whole; other viewers' bytes don't get in its way."""
    viewer, _ = following(events)
    other, _ = following(events)
    frame = change(11)
    data = frame.ws if events.opening.transport is Transport.WS else frame.sse
    feed(other, events, 11)
    viewer.data_received(data[:9])
    assert counts(events) == (1, 0, 0, 0)
    feed(other, events, 12)
    viewer.data_received(data[9:])
    assert viewer.seq == 11
    assert counts(events) == (3, 0, 0, 0)
    # Another one's pieces are cut at the same place; what the second piece means depends on the first.
    third, _ = following(events)
    third.data_received(data[:9])
    third.data_received(data[9:])
    feed(third, events, 12, 13)
    assert counts(events) == (6, 0, 0, 0)


def test_the_same_bytes_are_read_once(events: Audience) -> None:
    """A second viewer takes the meaning of the first one's bytes."""
    viewer, _ = following(events)
    other, _ = following(events)
    feed(viewer, events, 11)
    frame = change(11)
    data = frame.ws if events.opening.transport is Transport.WS else frame.sse
    found = events.meanings.get(data)
    assert found is not None
    events.meanings.keep(data, [*found, *found])
    feed(other, events, 11)
    assert counts(events) == (2, 0, 1, 0)


def test_coming_back(events: Audience) -> None:
    """It asks for what it missed; what a later state replaced was not lost."""
    viewer, _ = following(events)
    feed(viewer, events, 11)
    viewer.connection_lost(None)
    assert events.endings[0][1] is None
    assert events.measurements.following == 0
    wire_ = open_(viewer, events, 15, resumed=True)
    assert b"GET /stream?after=abc-11 " in wire_.sent
    feed(viewer, events, 13, 15, 16)
    assert counts(events) == (4, 0, 0, 2)
    feed(viewer, events, 18)
    assert counts(events) == (5, 1, 0, 2)
    assert (events.began_count, events.measurements.following) == (2, 1)


def test_a_replay_that_ends_before_its_hello(events: Audience) -> None:
    """The store may stand beyond the last thing that is left of what changed."""
    viewer, _ = following(events)
    viewer.connection_lost(None)
    open_(viewer, events, 15, resumed=True)
    feed(viewer, events, 12, 16)
    assert counts(events) == (2, 0, 0, 4)


def test_a_void_position(events: Audience) -> None:
    """A viewer that must start afresh has lost what lies between."""
    viewer, _ = following(events)
    viewer.connection_lost(None)
    open_(viewer, events, 14, resumed=False)
    assert (events.measurements.resets, events.measurements.lost, viewer.seq) == (1, 4, 14)
    viewer.connection_lost(None)
    open_(viewer, events, 3, resumed=False, epoch="def")
    assert (events.measurements.resets, events.measurements.lost, viewer.seq) == (2, 4, 3)


def test_a_reset_in_the_midst(events: Audience) -> None:
    """Told to start afresh, it stands where the stream goes on; what lies between is lost to the stream."""
    viewer, _ = following(events)
    feed(viewer, events, 11)
    for position in (Position("abc", 15), Position("abc", 15), Position("def", 4)):
        frame = Frame(messages.reset(position))
        viewer.data_received(frame.ws if events.opening.transport is Transport.WS else frame.sse)
    assert (events.measurements.resets, events.measurements.lost, viewer.seq) == (2, 4, 4)
    feed(viewer, events, 5)
    assert counts(events) == (2, 4, 0, 0)


def test_a_refusal(events: Audience) -> None:
    viewer = Viewer(0, events)
    wire_ = Wire(viewer)
    viewer.data_received(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
    assert wire_.closed
    viewer.connection_lost(None)
    assert events.endings == [("answered 503 Service Unavailable", None)]
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
    events = Audience(Transport.WS)
    viewer, wire_ = following(events)
    viewer.data_received(WebSocketFrame(Opcode.CLOSE, Close(code, "").serialize()).serialize(mask=False))
    assert wire_.closed
    feed(viewer, events, 11)
    viewer.connection_lost(None)
    assert events.endings == [(f"closed with {code}", pause)]
    assert counts(events) == (0, 0, 0, 0)


def test_the_server_says_when_to_come_back() -> None:
    events = Audience(Transport.WS)
    viewer, wire_ = following(events)
    viewer.data_received(Frame(messages.reconnect(1500)).ws)
    assert wire_.closed
    viewer.connection_lost(None)
    assert events.endings == [("asked to come back", 1.5)]


def test_nonsense_ends_the_connection() -> None:
    events = Audience(Transport.WS)
    viewer, wire_ = following(events)
    viewer.data_received(b"\x83\x00")
    assert wire_.closed
    assert events.measurements.following == 0


def test_an_event_stream_in_chunks() -> None:
    """A proxy may send it so; events and chunks needn't coincide."""
    events = Audience(Transport.SSE)
    viewer = Viewer(0, events)
    Wire(viewer)
    hello = Frame(messages.hello(Position("abc", 10), resumed=False, heartbeat=25)).sse
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    stream = hello + change(11).sse
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (stream[:20], stream[20:90], stream[90:]))
    for number in range(len(head + body)):
        viewer.data_received((head + body)[number : number + 1])
    assert counts(events) == (1, 0, 0, 0)
    viewer.data_received(b"0\r\n\r\n")
    assert viewer.stage is Stage.ENDING


def test_a_server_that_does_not_greet() -> None:
    """In comparisons, a viewer follows from the answer on, and counts from 1."""
    events = Audience(Transport.WS, greeted=False)
    viewer = Viewer(0, events)
    wire_ = Wire(viewer)
    viewer.data_received(answer_to(wire_.sent))
    assert viewer.stage is Stage.FOLLOWING
    feed(viewer, events, 1, 3)
    assert counts(events) == (2, 1, 0, 0)
