"""HttpConnection: which connection gives way to a newcomer, and the rest after refusals. No sockets, no clock."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, cast

import pytest
import uvicorn

from liveserver.domain.errors import Conflict
from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.server.protocols.connection_room import LEAVING_MAX, ConnectionLimits, HandshakeRoom
from liveserver.server.protocols.encrypted_http_protocol import limited
from liveserver.server.protocols.http_connection import HELD_MAX, REFUSALS_FREE
from liveserver.server.protocols.http_protocol import WAITING_MAX, HttpProtocol
from liveserver.server.protocols.tls_listener import Handshake
from liveserver.server.protocols.websocket_protocol import ViewerProtocol
from liveserver.utils.limits.connection_groups import SLOW_MIN
from liveserver.utils.limits.refusals import Reason
from tests.support.http_stage import GET, OK, PEER, UPGRADE, Connected, Handed, Stage, head

if TYPE_CHECKING:
    from liveserver.server.protocols.encrypted_http_protocol import EncryptedHttpProtocol
    from tests.support.http_stage import Receive, Send

ELSEWHERE = ("203.0.113.7", 50_000)


async def refused_often(stage: Stage, *, last: bytes = GET) -> Connected:
    """A connection whose client has been refused once more than it may without a rest."""
    peer = stage.connect()
    stage.rest = (PEER, 3_600)
    for _ in range(REFUSALS_FREE):
        peer.send(GET)
        await peer.settled()
        assert peer.protocol not in peer.protocol.room.resting
    peer.send(last)
    await peer.settled()
    return peer


async def test_a_client_that_is_refused_often_is_answered_later(stage: Stage) -> None:
    """The refusal is sent at once. Later bytes wait until the rest is over, in which the connection may end."""
    peer = await refused_often(stage)
    assert b"".join(peer.transport.written) == OK * (REFUSALS_FREE + 1)
    room = peer.protocol.room
    assert (peer.protocol in room.resting, peer.protocol in room.idle) == (True, False)
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
    assert (peer.protocol in room.resting, peer.protocol in room.idle) == (False, True)
    assert peer.protocol.timeout_keep_alive_task is not None


async def test_other_answers_make_up_for_refusals(stage: Stage) -> None:
    """A client that is refused now and then doesn't rest."""
    peer = stage.connect()
    for number in range(4 * REFUSALS_FREE):
        stage.rest = (PEER, 3_600) if number % 2 else None
        peer.send(GET)
        await peer.settled()
    assert len(stage.scopes) == 4 * REFUSALS_FREE
    assert not peer.protocol.room.resting


async def test_a_resting_connection_ends_first(stage: Stage) -> None:
    """Before one that is idle for longer. And nobody holds much in it."""
    peer = await refused_often(stage)
    peer.send(b"x" * HELD_MAX)
    assert not peer.over
    peer.send(b"x")
    assert peer.transport.over == "aborted"
    room = peer.protocol.room
    room.resting.pop(peer.protocol)
    room.idle[cast("Any", "idle")] = None
    peer = await refused_often(stage)
    assert room._make_room(stage.state.connections)
    assert peer.transport.over == "aborted"
    assert len(room.idle) == 1
    del room.idle[cast("Any", "idle")]


async def test_a_refusal_ends_a_connection_on_which_more_waits(stage: Stage) -> None:
    """Else requests that were sent together would be refused without any rest."""
    peer = await refused_often(stage, last=GET * (1 + WAITING_MAX))
    assert len(stage.scopes) == REFUSALS_FREE + 1
    assert peer.over


async def test_a_refusal_that_waits_for_its_reader_rests_no_other_request(stage: Stage) -> None:
    """The request that came in the meantime is answered, and is the last one."""
    peer = stage.connect()
    stage.rest = (PEER, 3_600)
    for _ in range(REFUSALS_FREE):
        peer.send(GET)
        await peer.settled()
    peer.protocol.pause_writing()
    peer.send(GET)
    stage.rested.clear()
    await stage.rested.wait()
    stage.rest = None
    peer.send(GET)
    peer.protocol.resume_writing()
    answers = await peer.settled()
    assert answers.count(b"HTTP/1.1 200 OK") == REFUSALS_FREE + 2
    room = peer.protocol.room
    assert (peer.over, peer.protocol in room.resting, peer.protocol._rest_timer) == (True, False, None)


async def test_a_proxys_connection_does_not_rest(stage: Stage) -> None:
    """Its next request may be somebody else's."""
    peer = stage.connect()
    stage.rest = (ELSEWHERE, 3_600)
    for _ in range(REFUSALS_FREE + 1):
        peer.send(GET)
        await peer.settled()
    assert not peer.protocol.room.resting


async def test_a_rest_ends_with_the_connection(stage: Stage) -> None:
    """If it is lost, or at the server's end; and there is none where the answer said that the connection ends."""
    peers = [await refused_often(stage, last=last) for last in (GET, GET, head(b"Connection: close"))]
    room = peers[0].protocol.room
    assert [peer.protocol in room.resting for peer in peers] == [True, True, False]
    timer = peers[0].protocol._rest_timer
    assert timer is not None
    peers[0].protocol.connection_lost(None)
    assert timer.cancelled()
    assert peers[0].protocol not in room.resting
    peers[1].protocol.shutdown()
    peers[1].protocol._end_rest()
    assert [peer.over for peer in peers[1:]] == [True, True]
    assert not room.resting


async def test_with_tls_no_more_waits_in_a_transport_than_without(stage: Stage) -> None:
    """The event loops' own bound is eight times as high. A connection takes over the place of its handshake."""
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
        assert (stage.state.connections, list(kind.room.idle)) == ({protocol}, [protocol])
        protocol.connection_lost(None)
        assert (stage.state.connections, list(kind.room.idle)) == (set(), [])


async def test_an_address_that_reads_many_answers_slowly_gives_way(stage: Stage) -> None:
    """Where nobody rests; a client that waits for an answer, or reads one alone, is left in peace."""
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


async def test_a_slow_body_counts_for_its_key_once_the_key_is_known(stage: Stage) -> None:
    """An editor whose neighbour, behind the same address, sends many bodies slowly keeps their upload."""
    kind = limited(ConnectionLimits(connections=SLOW_MIN + 1))
    editor, *others = peers = [stage.connect(kind=kind) for _ in range(SLOW_MIN + 1)]
    for peer in peers:
        peer.protocol.client = ("192.0.2.1", 0)
        peer.send(head(b"Content-Length: 9", method=b"POST") + b"half")
    await asyncio.sleep(0)
    stage.scopes[0]["extensions"][EXTENSION]["claim"](("key", "2zgpnh3zf4od"))
    receiving = kind.room.receiving
    assert list(receiving.of(("key", "2zgpnh3zf4od"))) == [editor.protocol]
    stage.gate.clear()
    newcomer = stage.connect(kind=kind)
    newcomer.send(GET)
    assert [peer.over for peer in peers] == [False, True, *[False] * (SLOW_MIN - 1)]
    editor.send(b"whole")
    assert len(receiving) == SLOW_MIN - 1
    stage.scopes[0]["extensions"][EXTENSION]["claim"](("key", "2zgpnh3zf4od"))
    assert len(receiving) == SLOW_MIN - 1, "a complete body is awaited by nobody"
    stage.gate.set()
    for peer in others:
        peer.protocol.connection_lost(None)
    assert (await editor.settled()).endswith(b"ok")
    stage.scopes[0]["extensions"][EXTENSION]["claim"](("key", "2zgpnh3zf4od"))
    assert not receiving


async def test_an_upgrade_by_another_websocket_protocol_leaves_the_room(stage: Stage) -> None:
    """It would be idle there for ever, and be ended in place of a connection that is."""
    peer = stage.connect(ws="websockets-sansio")
    room = peer.protocol.room
    peer.send(UPGRADE % (b"/", b""))
    kept = (room.idle, room.resting, room.leaving, room.receiving, room.unread, stage.wheel)
    assert [len(collection) for collection in kept] == [0] * len(kept)


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
async def test_what_is_unread_counts_for_the_client_that_asked(
    stage: Stage, body: bytes | None, waiting: int, size: int
) -> None:
    """Until it is read, or the connection has ended. It can't become a viewer's before."""
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
            with pytest.raises(Conflict, match="haven't been read"):
                peer.protocol.hand_over(cast("Any", None), 200, (), b"")
            assert size_of(prefix) == size
            peer.protocol.connection_lost(None)
        assert (size_of(prefix), len(kind.room.unread)) == (0, 0)


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
async def test_a_connection_that_asks_for_nothing_gives_way(stage: Stage, sent: bytes) -> None:
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
    assert not kind.room.idle
    assert not waiting.over
    for peer in resting:
        peer.send(GET)
        peer.protocol.connection_lost(None)
    stage.gate.set()
    await newcomer.settled()
    assert len(stage.scopes) == 4 + 2 * (sent not in {b"", b"GET / HTTP/1.1\r\nHost: here\r\n"})


async def test_a_connection_that_has_ended_gives_way_no_more(stage: Stage) -> None:
    """Nor one that has become a viewer."""
    kind = limited(ConnectionLimits(connections=10))
    peers = [stage.connect(kind=kind) for _ in range(3)]
    assert len(kind.room.idle) == 3
    peers[0].protocol.connection_lost(None)
    peers[1].send(UPGRADE % (b"/", b""))
    stage.gate.clear()
    peers[2].send(GET)
    peers[2].protocol.hand_over(cast("Any", None), 200, (), b"")
    stage.gate.set()
    await peers[1].settled()
    assert not kind.room.idle


async def test_few_of_the_clients_that_are_turned_away_are_waited_for(stage: Stage) -> None:
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
