"""HttpProtocol: the limits of heads, targets and framing, and requests that wait. No sockets, no clock."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import Any, cast

import pytest

from liveserver.domain.errors import Conflict
from liveserver.server.protocols.framing import FRAMING_MAX, HEAD_MAX, HEADERS_MAX, TARGET_MAX
from liveserver.server.protocols.http_protocol import (
    LATE_BYTES,
    WAITING_MAX,
)
from liveserver.utils.limits.refusals import Reason
from tests.support.http_stage import GET, OK, UPGRADE, Stage, head


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
    """Requests before it are answered, and nothing else is written."""
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
    """Both of a client that was told, and of one that waits for the answer to an earlier request."""
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


async def test_a_client_that_leaves_amid_pipelined_requests_is_answered_no_more(stage: Stage) -> None:
    """Neither the request that is being answered, which uvicorn isn't reminded of, nor those behind it."""
    stage.gate.clear()
    peer = stage.connect()
    peer.send(GET * 3)
    peer.protocol.connection_lost(ConnectionResetError())
    stage.gate.set()
    assert await peer.settled() == b""
    assert len(stage.scopes) == 1


async def test_a_request_knows_whether_its_client_has_gone(stage: Stage) -> None:
    """Its application asks: it isn't told otherwise. The function that asks doesn't keep the request."""
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


async def test_no_stream_begins_behind_answers_that_are_not_read(stage: Stage) -> None:
    """The transport has told that it can't send on. It wouldn't tell the viewer, whose backlog nothing would bound."""
    peers = [stage.connect(), stage.connect()]
    for peer in peers:
        peer.send(GET)
        await peer.settled()
        peer.protocol.pause_writing()
    asking, upgrading = peers
    upgrading.send(UPGRADE % (b"/", b""))
    assert upgrading.transport.over == "closed"
    assert stage.refused() == {Reason.TOO_MANY_WAITING: 1}
    stage.gate.clear()
    asking.send(GET)
    with pytest.raises(Conflict, match="haven't been read"):
        asking.protocol.hand_over(cast("Any", None), 200, (), b"")
    assert asking.protocol in asking.protocol.connections
    stage.gate.set()
    asking.protocol.resume_writing()
    assert await asking.settled() == OK * 2


async def test_a_request_that_others_wait_for_is_not_handed_over(stage: Stage) -> None:
    """They would never be answered."""
    stage.gate.clear()
    peer = stage.connect()
    peer.send(GET * 2)
    with pytest.raises(Conflict):
        peer.protocol.hand_over(cast("Any", None), 200, (), b"")
    stage.gate.set()
    assert await peer.settled() == OK * 2
