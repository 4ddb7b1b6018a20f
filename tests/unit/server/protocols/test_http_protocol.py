"""HttpProtocol's bounds: on heads, targets, framing, requests that wait, time and connections. No sockets, no clock."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import tracemalloc
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from liveserver.domain.errors import Conflict
from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.server.protocols import http_protocol
from liveserver.server.protocols.connection_room import LEAVING_MAX, ConnectionLimits, HandshakeRoom
from liveserver.server.protocols.encrypted_http_protocol import limited
from liveserver.server.protocols.framing import FRAMING_MAX, HEAD_MAX, HEADERS_MAX, TARGET_MAX
from liveserver.server.protocols.http_protocol import (
    BODILESS,
    BODY_RATE,
    BODY_WAITING,
    HELD_MAX,
    LATE_BYTES,
    REFUSALS_FREE,
    WAITING_MAX,
    HttpProtocol,
)
from liveserver.server.protocols.tls_listener import Handshake
from liveserver.server.protocols.websocket_protocol import ViewerProtocol
from liveserver.utils.limits.connection_groups import SLOW_MIN
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.viewers import PATIENCE
from tests.support.websocket_peer import Transport
from tests.unit.realtime.transport.test_timer_wheel import Loop, wheel_on

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from liveserver.realtime.transport.timer_wheel import TimerWheel
    from liveserver.server.protocols.encrypted_http_protocol import EncryptedHttpProtocol

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
HEAD_SECONDS, BODY_SECONDS = ConnectionLimits().head_seconds, ConnectionLimits().body_seconds
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
UPGRADE = (
    b"GET %b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%b\r\n"
)


class Stage:
    """A server's end of some connections."""

    def __init__(self, wheel: TimerWheel, loop: Loop) -> None:
        self.wheel = wheel
        self.loop = loop
        self.state = ServerState()
        self.scopes: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.gate = asyncio.Event()
        """Set, the application answers."""
        self.gate.set()
        self.reads = True
        """Whether the application reads bodies."""
        self.rest: tuple[tuple[str, int] | None, float] | None = None
        """The client and the seconds for which the application lets a connection rest."""
        self.counts = dict(refusals.counts)
        self._open: list[HttpProtocol] = []

    async def app(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.scopes.append({**scope, "headers": list(scope["headers"])})
        body, more = b"", self.reads and scope["type"] == "http"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.bodies.append(b"disconnected")
                return
            body += message["body"]
            more = message["more_body"]
        self.bodies.append(body)
        await self.gate.wait()
        if self.rest is not None:
            scope["extensions"][EXTENSION]["rest"](*self.rest)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    def connect(self, limits: ConnectionLimits | None = None, kind: type[HttpProtocol] = HttpProtocol) -> Connected:
        config = uvicorn.Config(self.app, log_config=None, ws=ViewerProtocol, http=kind, interface="asgi3")
        config.load()
        protocol = (limited(limits) if limits else kind)(config, self.state, {})
        connected = Connected(protocol, self.state)
        self._open.append(protocol)
        protocol.connection_made(connected.transport)
        return connected

    def refused(self) -> dict[Reason, int]:
        """What was turned away since the test began."""
        return {reason: n - self.counts[reason] for reason, n in refusals.counts.items() if n != self.counts[reason]}

    def close(self) -> None:
        for protocol in self._open:
            if hasattr(protocol, "parser"):
                protocol.connection_lost(None)


class Handed(Transport):
    """A transport that may get another protocol."""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Nothing comes of itself."""


class Connected:
    """A connection, and what comes of it."""

    def __init__(self, protocol: HttpProtocol, state: ServerState) -> None:
        self.protocol = protocol
        self.transport = Handed()
        self._state = state

    def send(self, data: bytes, *, pieces: int = 0) -> None:
        """In pieces of so many bytes, until the server reads no more of it."""
        for at in range(0, len(data), pieces or len(data)):
            self.protocol.data_received(data[at : at + (pieces or len(data))])

    async def settled(self) -> bytes:
        """What was written, once no application runs."""
        async with asyncio.timeout(PATIENCE):
            while tasks := [task for task in self._state.tasks if not task.done()]:
                await asyncio.wait(tasks)
                await asyncio.sleep(0)
        return b"".join(self.transport.written)

    def status(self) -> int:
        """Of the last answer."""
        return int(b"".join(self.transport.written).rpartition(b"HTTP/1.1 ")[2][:3])

    def problem(self) -> dict[str, Any]:
        """The last answer's document."""
        problem: dict[str, Any] = json.loads(b"".join(self.transport.written).rpartition(b"\r\n\r\n")[2])
        return problem

    @property
    def over(self) -> bool:
        """Whether the server has ended it, as far as it is concerned."""
        return bool(self.transport.over) or self.transport.eof


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> Any:
    loop = Loop()
    wheel = wheel_on(loop)
    monkeypatch.setattr(http_protocol, "wheel_of", lambda _: wheel)
    stage = Stage(wheel, loop)
    yield stage
    stage.close()
    stage.gate.set()
    for task in list(stage.state.tasks):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def head(*lines: bytes, target: bytes = b"/", method: bytes = b"GET") -> bytes:
    return b"\r\n".join([b"%b %b HTTP/1.1" % (method, target), b"Host: here", *lines, b"", b""])


def of_size(size: int) -> bytes:
    """A request whose head has so many bytes."""
    return head(b"X: " + b"x" * (size - len(head(b"X: "))))


# Heads


@pytest.mark.parametrize("pieces", [0, 1, 1000])
async def test_a_head_as_large_as_allowed_is_served(stage: Stage, pieces: int) -> None:
    peer = stage.connect()
    peer.send(of_size(HEAD_MAX), pieces=pieces)
    assert await peer.settled() == OK
    assert not peer.over


@pytest.mark.parametrize("pieces", [0, 1, 1000, 256 * 1024])
async def test_a_larger_one_is_431_and_the_end(stage: Stage, pieces: int) -> None:
    peer = stage.connect()
    peer.send(of_size(HEAD_MAX + 1), pieces=pieces)
    assert await peer.settled()
    assert peer.status() == 431
    assert peer.transport.eof, "what it still sends is read, so that it sees the answer"
    assert stage.refused() == {Reason.HEAD_TOO_LARGE: 1}
    assert stage.scopes == []
    assert len(stage.wheel) == 0


@pytest.mark.parametrize("what", ["header", "name", "target", "headers", "method"])
async def test_a_head_without_end_is_parsed_up_to_the_limit(stage: Stage, what: str) -> None:
    """Of a piece of 256 KB, 32 KB; of the next, nothing."""
    begun = {
        "header": b"GET / HTTP/1.1\r\nX: ",
        "name": b"GET / HTTP/1.1\r\n",
        "target": b"GET /",
        "headers": b"GET / HTTP/1.1\r\n",
        "method": b"\r\n",
    }[what]
    more = {"headers": b"a:b\r\n", "method": b"\r\n"}.get(what, b"x")
    peer = stage.connect()
    fed: list[int] = []

    class Parser:
        """Counts what the true one gets."""

        def __init__(self, parser: Any) -> None:
            self.parser = parser

        def feed_data(self, data: bytes) -> None:
            fed.append(len(data))
            self.parser.feed_data(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.parser, name)

    peer.protocol.parser = cast("Any", Parser(peer.protocol.parser))
    for _ in range(4):
        peer.send(begun + more * (256 * 1024 // len(more)))
        begun = b""
    assert sum(fed) == HEAD_MAX
    assert peer.status() == 431


async def test_headers_are_counted(stage: Stage) -> None:
    peer = stage.connect()
    peer.send(head(*[b"a: b"] * (HEADERS_MAX - 1)))
    assert await peer.settled() == OK
    peer.send(head(*[b"a: b"] * HEADERS_MAX))
    assert peer.status() == 431


async def test_pipelined_heads_count_each_for_itself(stage: Stage) -> None:
    peer = stage.connect()
    for _ in range(3):
        peer.send(of_size(20_000) * (1 + WAITING_MAX), pieces=50_000)
        await peer.settled()
    assert b"".join(peer.transport.written) == OK * 3 * (1 + WAITING_MAX)
    assert stage.refused() == {}


async def test_a_large_head_comes_after_the_answers_that_are_due(stage: Stage) -> None:
    """What was asked for before it is answered, and nothing else is written."""
    stage.gate.clear()
    peer = stage.connect()
    peer.send(GET * 2 + b"GET / HTTP/1.1\r\nX: " + b"x" * 3 * HEAD_MAX)
    assert stage.refused() == {Reason.HEAD_TOO_LARGE: 1}
    assert not peer.over
    stage.gate.set()
    written = await peer.settled()
    assert written.count(b"HTTP/1.1 200") == 2
    assert b"431" not in written
    assert peer.over


async def test_the_limits_hold_for_websockets(stage: Stage) -> None:
    for target, more, status in (
        (b"/", b"X: " + b"x" * HEAD_MAX + b"\r\n", 431),
        (b"/", b"a: b\r\n" * HEADERS_MAX, 431),
        (b"/" + b"x" * TARGET_MAX, b"", 414),
    ):
        peer = stage.connect()
        peer.send(UPGRADE % (target, more))
        assert peer.status() == status
        assert peer.over
    assert stage.scopes == []


async def test_what_is_no_http_is_told_so(stage: Stage) -> None:
    for data in (b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", head(target=b"http://[")):
        peer = stage.connect()
        peer.send(data)
        assert (peer.status(), peer.over) == (400, True)
    assert stage.refused() == {Reason.MALFORMED: 3}


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [("1.1", 0, 400), ("1.1", 2, 400), ("1.0", 2, 400), ("1.1", 1, 200), ("1.0", 1, 200), ("1.0", 0, 200)],
)
async def test_a_request_names_one_host(stage: Stage, version: str, hosts: int, status: int) -> None:
    """Two would let a proxy and this server go by different ones (RFC 9112, 3.2)."""
    peer = stage.connect()
    peer.send(b"GET / HTTP/%b\r\n%b\r\n" % (version.encode(), b"Host: here\r\n" * hosts))
    if status == 200:
        await peer.settled()
    assert peer.status() == status
    assert len(stage.scopes) == (status == 200)


async def test_a_flood_after_the_end_waits_in_the_kernel(stage: Stage) -> None:
    """Both of who was told, and of who waits for the answer to an earlier request."""
    stage.gate.clear()
    for said in (b"hello\r\n\r\n", GET + b"hello\r\n\r\n"):
        peer = stage.connect()
        peer.send(said)
        for _ in range(16):
            peer.send(bytes(LATE_BYTES // 16))
        assert peer.transport.reading
        peer.send(b"x")
        assert not peer.transport.reading
    stage.gate.set()
    await peer.settled()
    assert peer.status() == 200


@pytest.mark.parametrize("begin", [GET * 50, head(of_size(HEAD_MAX)), b"\x00"], ids=["many", "large", "malformed"])
async def test_what_came_is_not_kept_by_the_error_it_led_to(stage: Stage, begin: bytes) -> None:
    """The garbage collector comes seldom, and a quarter of a megabyte may come at once."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(20):
            stage.connect().protocol.data_received(begin + bytes(250_000))
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()
        gc.enable()


async def test_a_connection_that_is_lost_has_no_timer(stage: Stage) -> None:
    """It would keep the head of what was asked for last: of 30 KB, and a thousand connections a second, 150 MB."""
    peer = stage.connect()
    peer.send(GET)
    await peer.settled()
    timer = peer.protocol.timeout_keep_alive_task
    assert timer is not None
    peer.protocol.connection_lost(ConnectionResetError())
    assert timer.cancelled()
    assert peer.protocol.timeout_keep_alive_task is None


ELSEWHERE = ("203.0.113.7", 50_000)


async def refused_often(stage: Stage, *, last: bytes = GET) -> Connected:
    """A connection whose client has been refused once more than it may without a rest."""
    peer = stage.connect()
    stage.rest = (None, 3_600)
    for _ in range(REFUSALS_FREE):
        peer.send(GET)
        await peer.settled()
        assert peer.protocol not in peer.protocol.room.refused
    peer.send(last)
    await peer.settled()
    return peer


async def test_a_client_that_is_refused_often_is_answered_later(stage: Stage) -> None:
    """The refusal is sent at once. What comes then waits until the rest is over, in which the connection may end."""
    peer = await refused_often(stage)
    assert b"".join(peer.transport.written) == OK * (REFUSALS_FREE + 1)
    room = peer.protocol.room
    assert (peer.protocol in room.refused, peer.protocol in room.resting) == (True, False)
    assert peer.protocol.timeout_keep_alive_task is None
    timer = peer.protocol._rest_timer
    assert timer is not None
    assert 3_590 < timer.when() - asyncio.get_running_loop().time() <= 3_600
    stage.rest = None
    peer.send(GET)
    await peer.settled()
    assert (peer.transport.reading, len(stage.scopes)) == (True, REFUSALS_FREE + 1)
    peer.protocol._end_rest()
    await peer.settled()
    assert len(stage.scopes) == REFUSALS_FREE + 2
    assert (peer.protocol in room.refused, peer.protocol in room.resting) == (False, True)
    assert peer.protocol.timeout_keep_alive_task is not None


async def test_other_answers_make_up_for_refusals(stage: Stage) -> None:
    """A client that is refused now and then doesn't rest."""
    peer = stage.connect()
    for number in range(4 * REFUSALS_FREE):
        stage.rest = (None, 3_600) if number % 2 else None
        peer.send(GET)
        await peer.settled()
    assert len(stage.scopes) == 4 * REFUSALS_FREE
    assert not peer.protocol.room.refused


async def test_a_resting_connection_ends_first(stage: Stage) -> None:
    """Before one that is idle for longer. And nobody holds much in it."""
    peer = await refused_often(stage)
    peer.send(b"x" * HELD_MAX)
    assert not peer.over
    peer.send(b"x")
    assert peer.transport.over == "aborted"
    room = peer.protocol.room
    room.refused.pop(peer.protocol)
    room.resting[cast("Any", "idle")] = None
    peer = await refused_often(stage)
    assert room._make_room(stage.state.connections)
    assert peer.transport.over == "aborted"
    assert len(room.resting) == 1
    del room.resting[cast("Any", "idle")]


async def test_a_refusal_ends_a_connection_on_which_more_waits(stage: Stage) -> None:
    """Else requests that were sent together would be refused without any rest."""
    peer = await refused_often(stage, last=GET * (1 + WAITING_MAX))
    assert len(stage.scopes) == REFUSALS_FREE + 1
    assert peer.over


async def test_a_proxys_connection_does_not_rest(stage: Stage) -> None:
    """Its next request may be somebody else's."""
    peer = stage.connect()
    stage.rest = (ELSEWHERE, 3_600)
    for _ in range(REFUSALS_FREE + 1):
        peer.send(GET)
        await peer.settled()
    assert not peer.protocol.room.refused


async def test_a_rest_ends_with_the_connection(stage: Stage) -> None:
    """If it is lost, or at the server's end; and there is none where the answer said that the connection ends."""
    peers = [await refused_often(stage, last=last) for last in (GET, GET, head(b"Connection: close"))]
    room = peers[0].protocol.room
    assert [peer.protocol in room.refused for peer in peers] == [True, True, False]
    timer = peers[0].protocol._rest_timer
    assert timer is not None
    peers[0].protocol.connection_lost(None)
    assert timer.cancelled()
    assert peers[0].protocol not in room.refused
    peers[1].protocol.shutdown()
    peers[1].protocol._end_rest()
    assert [peer.over for peer in peers[1:]] == [True, True]
    assert not room.refused


async def test_an_upgrade_that_is_not_known_is_ignored(stage: Stage) -> None:
    """And what was pipelined behind it isn't lost."""
    peer = stage.connect()
    peer.send(head(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AA") + GET)
    assert await peer.settled() == OK * 2


# Targets


async def test_a_target_above_the_limit_is_414_before_any_route(stage: Stage) -> None:
    peer = stage.connect()
    peer.send(head(target=b"/" + b"x" * (TARGET_MAX - 1)))
    assert await peer.settled() == OK
    peer.send(head(target=b"/?" + b"x" * (TARGET_MAX - 1)), pieces=100)
    assert await peer.settled()
    assert peer.status() == 414
    assert peer.problem()["type"] == "urn:liveserver:problem:request-uri-too-long"
    assert len(stage.scopes) == 1
    assert stage.refused() == {Reason.TARGET_TOO_LONG: 1}


# Framing


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    return (
        head(b"Transfer-Encoding: chunked", method=b"POST")
        + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        + b"0\r\n"
        + trailers
        + b"\r\n"
    )


async def test_small_chunks_pass(stage: Stage) -> None:
    peer = stage.connect()
    peer.send(chunked(*[b"x"] * 50_000), pieces=4096)
    assert await peer.settled() == OK
    assert stage.bodies == [b"x" * 50_000]


async def test_trailers_are_no_headers(stage: Stage) -> None:
    """Else a proxy that passes them on would pass on whatever its client says of itself."""
    peer = stage.connect()
    peer.send(chunked(b"body", trailers=b"X-Forwarded-For: 192.0.2.1\r\n") + GET)
    assert await peer.settled() == OK * 2
    assert stage.bodies == [b"body", b""]
    assert [[name for name, _ in scope["headers"]] for scope in stage.scopes] == [
        [b"host", b"transfer-encoding"],
        [b"host"],
    ]


@pytest.mark.parametrize("what", ["trailers", "trailer", "extension", "extensions"])
async def test_framing_without_end_is_the_end(stage: Stage, what: str) -> None:
    begun, more = {
        "trailers": (chunked(b"x")[:-2], b"a: b\r\n"),
        "trailer": (chunked(b"x")[:-2] + b"a: ", b"b"),
        "extension": (head(b"Transfer-Encoding: chunked", method=b"POST") + b"1;x=", b"x"),
        "extensions": (head(b"Transfer-Encoding: chunked", method=b"POST"), b"1;x=yyyyyyyyy\r\nx\r\n"),
    }[what]
    peer = stage.connect()
    for _ in range(20):
        peer.send(begun + more * (FRAMING_MAX // len(more)))
        begun = b""
    await peer.settled()
    assert peer.over
    assert peer.status() == 431
    assert stage.refused() == {Reason.HEAD_TOO_LARGE: 1}
    assert stage.bodies == [b"disconnected"]


async def test_a_body_that_goes_on_after_its_answer_has_no_second_one(stage: Stage) -> None:
    stage.reads = False
    peer = stage.connect()
    peer.send(head(b"Transfer-Encoding: chunked", method=b"POST"))
    assert await peer.settled() == OK
    peer.send(b"1;" + b"x" * 3 * FRAMING_MAX)
    assert b"".join(peer.transport.written) == OK
    assert peer.over


async def test_chunks_of_a_body_that_nobody_wants_pay_for_nothing(stage: Stage) -> None:
    """A client that goes on sending may, in chunks as large as clients make them."""
    stage.reads = False
    for size, over in ((1, True), (4_096, False)):
        peer = stage.connect()
        peer.send(head(b"Transfer-Encoding: chunked", method=b"POST"))
        assert await peer.settled() == OK
        chunk = b"%x\r\n%s\r\n" % (size, bytes(size))
        for _ in range(1_000):
            peer.send(chunk * 4)
            if peer.over:
                break
        assert peer.over is over


# Requests that wait


async def test_so_many_requests_wait_and_no_more(stage: Stage) -> None:
    stage.gate.clear()
    peer = stage.connect()
    peer.send(GET * 10_000)
    assert stage.refused() == {Reason.TOO_MANY_WAITING: 1}
    assert len(peer.protocol.pipeline) == WAITING_MAX
    peer.send(GET * 10_000)
    stage.gate.set()
    written = await peer.settled()
    assert written.count(b"HTTP/1.1 200") == 1 + WAITING_MAX
    assert len(stage.scopes) == 1 + WAITING_MAX
    assert peer.over


async def test_who_leaves_amid_pipelined_requests_is_answered_no_more(stage: Stage) -> None:
    """Neither the request that is being answered, which uvicorn isn't reminded of, nor those behind it."""
    stage.gate.clear()
    peer = stage.connect()
    peer.send(GET * 3)
    peer.protocol.connection_lost(ConnectionResetError())
    stage.gate.set()
    assert await peer.settled() == b""
    assert len(stage.scopes) == 1


async def test_a_request_knows_whether_its_client_has_gone(stage: Stage) -> None:
    """Its application asks: it isn't told otherwise. What asks doesn't keep the request."""
    stage.gate.clear()
    peer = stage.connect()
    peer.send(GET)
    other = stage.connect()
    other.send(GET * 2)
    await asyncio.sleep(0)
    gone, others = (scope["extensions"]["liveserver.viewer"]["gone"] for scope in stage.scopes)
    assert (gone(), others()) == (False, False)
    peer.protocol.connection_lost(None)
    assert (gone(), others()) == (True, False)
    # Of the two on one connection it is the first that is asked for.
    other.protocol.connection_lost(ConnectionResetError())
    assert others()
    stage.gate.set()
    await peer.settled()
    assert gone()


async def test_with_tls_no_more_waits_in_a_transport_than_without(stage: Stage) -> None:
    """The event loops' own bound is eight times as high. What a handshake had, the connection has."""
    kind = limited(ConnectionLimits(connections=1), encrypted=True)
    room = HandshakeRoom(kind.room, stage.state.connections)
    with socket.socket() as sock:
        first, second = Handshake(sock, "192.0.2.1"), Handshake(sock, "192.0.2.2")
        assert room.take(first)
        assert room.take(second), "the first one gives way"
        assert stage.refused() == {Reason.GAVE_WAY: 1}
        room.leave(first)
        config = uvicorn.Config(stage.app, log_config=None, ws=ViewerProtocol, http=kind, interface="asgi3")
        config.load()
        protocol = cast("EncryptedHttpProtocol", kind(config, stage.state, {}))
        protocol.handshake = second
        limits: list[int] = []
        transport = Handed()
        transport.set_write_buffer_limits = limits.append  # type: ignore[method-assign,assignment]
        protocol.connection_made(transport)
        assert limits == [65_536]
        assert (stage.state.connections, list(kind.room.resting)) == ({protocol}, [protocol])
        protocol.connection_lost(None)
        assert (stage.state.connections, list(kind.room.resting)) == (set(), [])


async def test_who_takes_many_and_reads_slowly_gives_way(stage: Stage) -> None:
    """Where nobody rests; who waits for an answer, or reads one alone, is left in peace."""
    kind = limited(ConnectionLimits(connections=SLOW_MIN + 2))
    stage.gate.clear()
    peers = [stage.connect(kind=kind) for _ in range(SLOW_MIN + 2)]
    for number, peer in enumerate(peers):
        peer.protocol.client = (f"192.0.2.{min(number, 2)}", 0)
        peer.send(GET)
    for peer in peers[1:-1]:
        peer.protocol.pause_writing()
    full = stage.connect(kind=kind)
    assert full.status() == 503
    peers[-1].protocol.pause_writing()
    newcomer = stage.connect(kind=kind)
    newcomer.send(GET)
    assert [peer.over for peer in peers] == [False, False, True, *[False] * (SLOW_MIN - 1)]
    assert not newcomer.over
    assert stage.refused() == {Reason.TOO_MANY_CONNECTIONS: 1, Reason.GAVE_WAY: 1}
    stage.gate.set()
    for peer in peers:
        peer.protocol.resume_writing()
    assert await newcomer.settled() == OK


async def test_an_address_that_sends_many_bodies_slowly_gives_way(stage: Stage) -> None:
    """The one that began first, where nobody rests. A body alone, and those of other addresses, are left in peace."""
    kind = limited(ConnectionLimits(connections=SLOW_MIN + 2))
    peers = [stage.connect(kind=kind) for _ in range(SLOW_MIN + 2)]
    for number, peer in enumerate(peers):
        peer.protocol.client = (f"192.0.2.{min(number, 2)}", 0)
        peer.send(head(b"Content-Length: 9", method=b"POST") + b"half")
    stage.gate.clear()
    newcomer = stage.connect(kind=kind)
    newcomer.send(GET)
    assert [peer.over for peer in peers] == [False, False, True, *[False] * (SLOW_MIN - 1)]
    assert stage.connect(kind=kind).status() == 503
    assert stage.refused() == {Reason.TOO_MANY_CONNECTIONS: 1, Reason.GAVE_WAY: 1}
    receiving = kind.room.receiving
    for peer in (peers[0], peers[3]):
        peer.send(b"whole")
    assert len(receiving) == SLOW_MIN - 1
    for peer in peers[4:]:
        peer.protocol.connection_lost(None)
    assert (len(receiving), list(receiving.of(bytes([192, 0, 2, 1])))) == (1, [peers[1].protocol])
    for peer in peers[1:3]:
        peer.protocol.connection_lost(None)
    stage.gate.set()
    assert await newcomer.settled() == OK


async def test_a_handshake_has_no_place_where_all_are_taken(stage: Stage) -> None:
    kind = limited(ConnectionLimits(connections=1), encrypted=True)
    stage.state.connections.add(cast("Any", "somebody who waits for an answer"))
    with socket.socket() as sock:
        assert not HandshakeRoom(kind.room, stage.state.connections).take(Handshake(sock, "192.0.2.1"))
    assert stage.refused() == {Reason.TOO_MANY_CONNECTIONS: 1}
    stage.state.connections.clear()


@pytest.mark.parametrize(
    ("body", "waiting", "size"), [(None, 7, 7), (bytes(100), 7, 100), (b"", 7, 0)], ids=["own", "shared", "lasting"]
)
async def test_what_is_unread_counts_for_who_asked(stage: Stage, body: bytes | None, waiting: int, size: int) -> None:
    """Until it is read, or the connection has ended, or is a viewer's."""
    kind = limited(ConnectionLimits())
    prefix = bytes([192, 0, 2, 9])

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        # As a trusted proxy's header says.
        scope["client"] = ("192.0.2.9", 0)
        if body is not None:
            scope["extensions"]["liveserver.viewer"]["body"] = body
        stage.scopes.append(scope)
        await stage.gate.wait()

    stage.app = app  # type: ignore[method-assign]
    stage.gate.clear()
    for end in ("read", "lost", "handed over"):
        stage.scopes.clear()
        peer = stage.connect(kind=kind)
        peer.send(GET)
        await asyncio.sleep(0)
        size_of = stage.scopes[0]["extensions"]["liveserver.viewer"]["unread"]
        peer.transport.waiting = waiting
        assert size_of(prefix) == 0
        peer.protocol.pause_writing()
        assert (size_of(prefix), size_of(bytes([192, 0, 2, 8]))) == (size, 0)
        if end == "read":
            peer.protocol.resume_writing()
        elif end == "lost":
            peer.protocol.connection_lost(None)
        else:
            peer.protocol.hand_over(cast("Any", None), 200, (), b"")
        assert (size_of(prefix), len(kind.room.unread)) == (0, 0)


async def test_no_upgrade_behind_a_request_that_waits(stage: Stage) -> None:
    """Each of the two could hand the connection over, and it would have two owners."""
    stage.gate.clear()
    peer = stage.connect()
    owner = peer.transport
    peer.send(GET + UPGRADE)
    assert stage.refused() == {Reason.MALFORMED: 1}
    assert [scope["type"] for scope in stage.scopes] in ([], ["http"])
    stage.gate.set()
    await peer.settled()
    assert peer.status() == 200
    assert [scope["type"] for scope in stage.scopes] == ["http"]
    assert peer.over
    assert peer.transport is owner


async def test_a_request_that_others_wait_for_is_not_handed_over(stage: Stage) -> None:
    """They would never be answered."""
    stage.gate.clear()
    peer = stage.connect()
    peer.send(GET * 2)
    with pytest.raises(Conflict):
        peer.protocol.hand_over(cast("Any", None), 200, (), b"")
    stage.gate.set()
    assert await peer.settled() == OK * 2


# Time


async def test_a_silent_connection_is_ended_without_a_word(stage: Stage) -> None:
    peer = stage.connect()
    stage.loop.pass_time(HEAD_SECONDS - 1)
    assert not peer.over
    stage.loop.pass_time(1)
    assert peer.transport.over == "closed"
    assert peer.transport.written == []
    assert len(stage.wheel) == 0


async def test_a_head_that_comes_drop_by_drop_is_408(stage: Stage) -> None:
    peer = stage.connect()
    for _ in range(HEAD_SECONDS):
        assert not peer.over
        peer.send(b"GET / HTTP/1.1\r\n" if not stage.loop.now else b"a: b\r\n")
        stage.loop.pass_time(1)
    assert (peer.status(), peer.transport.eof) == (408, True)
    assert stage.refused() == {Reason.HEAD_TOO_SLOW: 1}


async def test_a_head_of_a_further_request_has_its_own_time(stage: Stage) -> None:
    peer = stage.connect()
    stage.loop.pass_time(HEAD_SECONDS - 1)
    peer.send(GET)
    assert await peer.settled() == OK
    assert len(stage.wheel) == 0, "until its first byte comes, uvicorn's own timer runs"
    peer.send(b"GET / HT")
    stage.loop.pass_time(HEAD_SECONDS - 1)
    assert not peer.over
    peer.send(b"TP/1.1\r\nHost: here\r\n\r\n")
    assert await peer.settled() == OK * 2
    peer.send(b"GET")
    stage.loop.pass_time(HEAD_SECONDS)
    assert peer.status() == 408


@pytest.mark.parametrize("answered", [True, False])
async def test_a_body_that_does_not_come_is_408(stage: Stage, *, answered: bool) -> None:
    """If the request had no answer yet."""
    stage.reads = not answered
    peer = stage.connect()
    peer.send(head(b"Content-Length: 10", method=b"POST") + b"half")
    if answered:
        assert await peer.settled() == OK
    else:
        # The application has what came, and waits for the rest.
        for _ in range(3):
            await asyncio.sleep(0)
    stage.loop.pass_time(BODY_SECONDS - 1)
    assert not peer.over
    stage.loop.pass_time(1)
    assert peer.over
    await peer.settled()
    assert peer.status() == (200 if answered else 408)
    assert stage.bodies == [b"" if answered else b"disconnected"]
    assert stage.refused() == {Reason.BODY_TOO_SLOW: 1}


async def test_a_picture_on_a_slow_line_has_its_time(stage: Stage) -> None:
    """While it comes at the least rate; then it stops."""
    peer = stage.connect()
    size = 20 * 1024 * 1024
    peer.send(head(b"Content-Length: %d" % size, method=b"POST"))
    for _ in range(20 * BODY_SECONDS):
        peer.send(bytes(BODY_RATE))
        await asyncio.sleep(0)
        stage.loop.pass_time(1)
    assert not peer.over
    stage.loop.pass_time(BODY_SECONDS)
    assert peer.status() == 408


async def test_what_came_of_one_body_is_not_asked_of_the_next(stage: Stage) -> None:
    peer = stage.connect()
    for rounds in (3, 1):
        size = rounds * BODY_SECONDS * BODY_RATE
        peer.send(head(b"Content-Length: %d" % (size + 1), method=b"POST"))
        for _ in range(rounds):
            peer.send(bytes(BODY_SECONDS * BODY_RATE))
            await asyncio.sleep(0)
            stage.loop.pass_time(BODY_SECONDS)
        assert not peer.over
        peer.send(b"x")
        await peer.settled()
    assert b"".join(peer.transport.written) == OK * 2


async def test_a_body_that_nobody_wants_does_not_have_it(stage: Stage) -> None:
    """However fast it comes: its answer has been sent."""
    stage.reads = False
    peer = stage.connect()
    peer.send(head(b"Transfer-Encoding: chunked", method=b"POST"))
    assert await peer.settled() == OK
    for _ in range(BODY_SECONDS):
        assert not peer.over
        peer.send(b"%x\r\n%b\r\n" % (10 * BODY_RATE, bytes(10 * BODY_RATE)))
        stage.loop.pass_time(1)
    assert peer.over


async def test_a_request_that_waits_for_its_answer_is_not_late(stage: Stage) -> None:
    stage.gate.clear()
    peer = stage.connect()
    # The start of the next one is there already.
    peer.send(GET)
    peer.send(b"GET / HT")
    stage.loop.pass_time(10 * HEAD_SECONDS)
    assert not peer.over
    stage.gate.set()
    assert await peer.settled() == OK
    peer.send(b"TP/1.1\r\nHost: here\r\n\r\n")
    assert await peer.settled() == OK * 2
    assert len(stage.wheel) == 0


async def test_who_is_kept_waiting_with_a_body_is_not_late(stage: Stage) -> None:
    """The application doesn't read on: what the client sends stays in the kernel."""
    stage.reads = False
    stage.gate.clear()
    peer = stage.connect()
    peer.send(head(b"Content-Length: 1000000", method=b"POST") + bytes(100_000))
    assert not peer.transport.reading
    stage.loop.pass_time(10 * BODY_SECONDS)
    assert not peer.over


async def test_a_body_waits_in_the_kernel_until_it_is_wanted(stage: Stage) -> None:
    stage.reads = False
    stage.gate.clear()
    peer = stage.connect()
    peer.send(head(b"Content-Length: 1000000", method=b"POST") + bytes(BODY_WAITING))
    assert peer.transport.reading
    peer.send(b"x")
    assert not peer.transport.reading


async def test_what_comes_of_a_body_after_the_answer_is_read(stage: Stage) -> None:
    """And not kept: else nobody would see that the client has gone."""
    stage.reads = False
    stage.gate.clear()
    peer = stage.connect()
    peer.send(head(b"Content-Length: 1000000", method=b"POST") + bytes(2 * BODY_WAITING))
    assert not peer.transport.reading
    stage.gate.set()
    assert await peer.settled() == OK
    assert peer.transport.reading
    assert peer.protocol.cycle.body == b""
    peer.send(bytes(2 * BODY_WAITING))
    assert peer.transport.reading
    assert peer.protocol.cycle.body == b""


@pytest.mark.parametrize("method", sorted(BODILESS))
async def test_a_body_that_means_nothing_is_not_kept(stage: Stage, method: str) -> None:
    """Nor read, until the answer is there."""
    stage.reads = False
    stage.gate.clear()
    peer = stage.connect()
    peer.send(head(b"Content-Length: 100000", method=method.encode()) + bytes(10))
    assert not peer.transport.reading
    peer.send(bytes(9_990), pieces=5_000)
    assert peer.protocol.cycle.body == b""
    stage.gate.set()
    assert (await peer.settled()).startswith(b"HTTP/1.1 200 OK\r\n")
    assert peer.transport.reading
    peer.send(bytes(90_000) + head(method=method.encode()))
    assert (await peer.settled()).count(b"200 OK") == 2


async def test_a_viewer_that_sent_a_body_is_read_from(stage: Stage) -> None:
    """Else nobody would see that it has gone."""
    stage.gate.clear()
    stage.reads = False
    peer = stage.connect()
    peer.send(head(b"Content-Length: 1000") + b"x")
    assert not peer.transport.reading
    await asyncio.sleep(0)
    peer.protocol.hand_over(cast("Any", None), 200, (), b"")
    assert peer.transport.reading


async def test_a_connection_that_is_lost_is_awaited_no_more(stage: Stage) -> None:
    for data in (b"", b"GET", head(b"Content-Length: 10", method=b"POST")):
        peer = stage.connect()
        peer.send(data) if data else None
        assert len(stage.wheel) == 1
        peer.protocol.connection_lost(None)
        assert len(stage.wheel) == 0
        await peer.settled()


async def test_an_upgrade_is_awaited_no_more(stage: Stage) -> None:
    peer = stage.connect()
    peer.send(UPGRADE % (b"/", b""))
    assert len(stage.wheel) == 0
    assert b"403" in await peer.settled()


async def test_a_viewer_is_awaited_no_more(stage: Stage) -> None:
    """Whatever of its request is still missing."""
    stage.reads = False
    stage.gate.clear()
    peer = stage.connect()
    peer.send(head(b"Content-Length: 10"))
    assert len(stage.wheel) == 1
    peer.protocol.hand_over(cast("Any", None), 200, (), b"")
    assert len(stage.wheel) == 0


# Connections


async def test_beyond_the_last_one_the_answer_is_503(stage: Stage) -> None:
    """While all of them wait for an answer."""
    limits = ConnectionLimits(connections=2)
    kind = limited(limits)
    stage.gate.clear()
    peers = []
    for _ in range(3):
        peers.append(stage.connect(kind=kind))
        peers[-1].send(GET)
    assert [peer.over for peer in peers] == [False, False, True]
    assert peers[2].status() == 503
    assert b"retry-after: " in b"".join(peers[2].transport.written)
    assert stage.refused() == {Reason.TOO_MANY_CONNECTIONS: 1}
    # Its request came when it had been told, and was read.
    peers[2].protocol.connection_lost(None)
    assert not kind.room.leaving
    peers[0].protocol.connection_lost(None)
    stage.gate.set()
    again = stage.connect(kind=kind)
    again.send(GET)
    assert await again.settled() == OK


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: here\r\n", GET, head(b"Content-Length: 9") + b"half"])
async def test_who_asks_for_nothing_gives_way(stage: Stage, sent: bytes) -> None:
    """Silent, amid a head, between two requests, or answered before its body's end: the one that rests for longest."""
    kind = limited(ConnectionLimits(connections=3))
    stage.reads = False
    stage.gate.clear()
    waiting = stage.connect(kind=kind)
    waiting.send(GET)
    stage.gate.set()
    resting = [stage.connect(kind=kind) for _ in range(2)]
    for peer in resting:
        if sent:
            peer.send(sent)
            await asyncio.sleep(0)
    await resting[1].settled()
    stage.gate.clear()
    waiting.send(GET)
    for asked in range(1, 4):
        newcomer = stage.connect(kind=kind)
        newcomer.send(GET)
        if asked == 3:
            assert newcomer.status() == 503
        else:
            assert resting[asked - 1].transport.over == "aborted"
            assert stage.refused() == {Reason.GAVE_WAY: asked}
            assert len(stage.state.connections) == 3
    assert not kind.room.resting
    assert not waiting.over
    for peer in resting:
        peer.send(GET)
        peer.protocol.connection_lost(None)
    stage.gate.set()
    await newcomer.settled()
    assert len(stage.scopes) == 4 + 2 * (sent not in {b"", b"GET / HTTP/1.1\r\nHost: here\r\n"})


async def test_who_leaves_gives_way_no_more(stage: Stage) -> None:
    """Nor who has become a viewer."""
    kind = limited(ConnectionLimits(connections=10))
    peers = [stage.connect(kind=kind) for _ in range(3)]
    assert len(kind.room.resting) == 3
    peers[0].protocol.connection_lost(None)
    peers[1].send(UPGRADE % (b"/", b""))
    stage.gate.clear()
    peers[2].send(GET)
    peers[2].protocol.hand_over(cast("Any", None), 200, (), b"")
    stage.gate.set()
    await peers[1].settled()
    assert not kind.room.resting


async def test_few_of_those_who_are_turned_away_are_waited_for(stage: Stage) -> None:
    kind = limited(ConnectionLimits(connections=0))
    peers = [stage.connect(kind=kind) for _ in range(LEAVING_MAX + 2)]
    assert [peer.transport.eof for peer in peers] == [True] * LEAVING_MAX + [False] * 2
    assert [peer.transport.over for peer in peers[LEAVING_MAX:]] == ["closed"] * 2
    assert {peer.status() for peer in peers} == {503}


@pytest.mark.parametrize("request_", [GET, UPGRADE % (b"/", b"")])
async def test_the_application_is_told_when_there_is_no_room_for_a_stream(stage: Stage, request_: bytes) -> None:
    for viewers in (0, 1):
        kind = limited(ConnectionLimits(connections=10, streams=1))
        stage.state.connections.clear()
        stage.state.connections.update(cast("Any", [f"viewer {number}" for number in range(viewers)]))
        # Idle connections would give way, so they don't count.
        stage.connect(kind=kind)
        peer = stage.connect(kind=kind)
        peer.send(request_)
        await peer.settled()
        assert stage.scopes.pop()["extensions"]["liveserver.viewer"]["full"] is (viewers == 1)


def test_each_server_has_limits_of_its_own() -> None:
    one, other = limited(ConnectionLimits(1)), limited(ConnectionLimits(2))
    assert (one.room.limits.head_seconds, other.room.limits.head_seconds) == (1, 2)
    assert HttpProtocol.room.limits == ConnectionLimits()
    assert one.room.leaving is not other.room.leaving
    assert one.room.unread is not other.room.unread
