"""ViewerProtocol as a WebSocket server for any ASGI application, over real sockets."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from websockets.sync.client import connect

from liveserver.realtime.transport.websocket.receive_queue import READ_AHEAD
from liveserver.server.protocols.http_protocol import HttpProtocol
from liveserver.server.protocols.websocket_protocol import ViewerProtocol, terms_of
from tests.support.websocket_client import Peer, echoing
from tests.support.websocket_peer import BINARY, CLOSE, CONT, PING, PONG, TEXT, WAIT, close, deflated, frame, inflated
from tests.support.websocket_server import MAX_SIZE, Served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

DEFLATE = ("Sec-WebSocket-Extensions: permessage-deflate",)

HTTPS = [pytest.param("httptools", id="httptools"), pytest.param(HttpProtocol, id="ours")]
if find_spec("h11"):
    HTTPS.append(pytest.param("h11", id="h11"))
LOOPS = ["asyncio", *(["uvloop"] if find_spec("uvloop") else [])]


@pytest.fixture(scope="module", params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=HTTPS)
def http(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def served(http: Any, loop: str) -> Iterator[Served]:
    served = Served(http, loop)
    yield served
    served.stop()


# Messages


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 200_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_echo(served: Served, opcode: int, size: int) -> None:
    with echoing(served) as peer:
        data = b"x" * size
        peer.send(frame(opcode, data))
        assert peer.read() == (0x80 | opcode, data)


def test_masked_data_is_unmasked(served: Served) -> None:
    with echoing(served) as peer:
        # RFC 6455, 5.7
        peer.send(bytes.fromhex("818537fa213d7f9f4d5158"))
        assert peer.read() == (0x80 | TEXT, b"Hello")


def test_two_bytes_at_a_time(served: Served) -> None:
    with echoing(served) as peer:
        data = "à petits pas".encode()
        for sent, answer in (
            (frame(TEXT, data), (0x80 | TEXT, data)),
            (frame(BINARY, bytes(200)), (0x80 | BINARY, bytes(200))),
            (frame(PING, b"?"), (0x80 | PONG, b"?")),
            (close(1000), (0x80 | CLOSE, b"\x03\xe8")),
        ):
            for at in range(0, len(sent), 2):
                peer.send(sent[at : at + 2])
            assert peer.read() == answer
        peer.ended()


def test_many_messages_in_one_packet_keep_their_order(served: Served) -> None:
    with echoing(served) as peer:
        peer.send(*(frame(TEXT, b"%d" % number) for number in range(4 * READ_AHEAD)))
        assert [peer.read()[1] for _ in range(4 * READ_AHEAD)] == [b"%d" % number for number in range(4 * READ_AHEAD)]


def test_a_close_waits_behind_the_messages_before_it(served: Served) -> None:
    with Peer(served, "hold") as peer:
        peer.noted()()
        peer.answered(101)
        peer.send(*(frame(TEXT, b"x") for _ in range(4 * READ_AHEAD)), frame(TEXT, b"end"), close(1000))
        peer.noted()()
        peer.closed(1000)
        assert peer.noted() == (4 * READ_AHEAD, "websocket.receive")


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments_with_pings_between_them(served: Served, opcode: int) -> None:
    with echoing(served) as peer:
        parts = ["é".encode()[:1], "é".encode()[1:], b"", b"end"]
        for number, part in enumerate(parts):
            peer.send(frame(opcode if number == 0 else CONT, part, fin=number == 3))
            peer.send(frame(PING, b"%d" % number))
            if number < 3:
                assert peer.read() == (0x80 | PONG, b"%d" % number)
        assert sorted([peer.read(), peer.read()]) == [(0x80 | opcode, "éend".encode()), (0x80 | PONG, b"3")]


def test_pings_and_pongs(served: Served) -> None:
    with echoing(served) as peer:
        peer.send(frame(PONG, b"unasked"), frame(PING), frame(PING, b"x" * 125))
        assert peer.read() == (0x80 | PONG, b"")
        assert peer.read() == (0x80 | PONG, b"x" * 125)


@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_client_of_the_websockets_library(served: Served, compression: Any) -> None:
    address = f"ws://127.0.0.1:{served.port}/echo?library"
    with connect(address, compression=compression, proxy=None) as client:
        assert len(client.protocol.extensions) == (1 if compression else 0)
        for message in ("", "é" * 70_000, b"", bytes(70_000), "again"):
            client.send(message)
            assert client.recv(WAIT) == message
        client.send(iter(["in ", "pieces"]))
        assert client.recv(WAIT) == "in pieces"
        assert client.ping().wait(WAIT)


def test_deflated_messages_are_read_and_answered(served: Served) -> None:
    with echoing(served, *DEFLATE) as peer:
        agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        assert peer.headers["sec-websocket-extensions"] == agreed
        data = b"again and " * 1000
        packed = deflated(data)
        whole = frame(TEXT, packed, rsv=4)
        parts = frame(TEXT, packed[:9], rsv=4, fin=False) + frame(PING) + frame(CONT, packed[9:])
        for sent in (whole, whole, parts, frame(TEXT, data)):
            peer.send(sent)
            first, answer = peer.read()
            if first == 0x80 | PONG:
                first, answer = peer.read()
            assert first == 0xC0 | TEXT
            assert inflated(answer) == data


# Failures of the peer


BAD = {
    "reserved bit": (1002, frame(TEXT, b"x", rsv=2)),
    "opcode": (1002, frame(3, b"x")),
    "not masked": (1002, frame(TEXT, b"x", masked=False)),
    "close of one byte": (1002, frame(CLOSE, b"\x03")),
    "no UTF-8": (1007, frame(TEXT, b"\xff")),
    "too large": (1009, frame(TEXT, bytes(MAX_SIZE + 1))[:14]),
    "bomb": (1009, frame(TEXT, deflated(bytes(MAX_SIZE + 1)), rsv=4)),
}


@pytest.mark.parametrize("case", BAD)
def test_what_the_peer_must_not_do(served: Served, case: str) -> None:
    """Messages before it are answered. (All that is wrong is in `test_connection.py`.)"""
    code, sent = BAD[case]
    with echoing(served, *DEFLATE) as peer:
        peer.send(frame(TEXT, b"before") + sent)
        assert peer.read()[0] == 0xC0 | TEXT
        peer.closed(code)
        peer.ended()
        assert peer.disconnected() == code


@pytest.mark.parametrize("sent", [frame(TEXT, bytes(MAX_SIZE + 1)), close(1000)])
def test_a_peer_that_goes_on_sending_still_sees_why_it_ended(served: Served, sent: bytes) -> None:
    """Unread bytes would reset the connection, and with it what it wasn't told yet."""
    with echoing(served) as peer:
        peer.send(sent)
        for _ in range(20):
            peer.send(bytes(65536))
        peer.closed(1009 if len(sent) > MAX_SIZE else 1000)
        peer.ended()


# The end


@pytest.mark.parametrize("code", [1000, 4999])
def test_a_close_is_answered_with_its_code(served: Served, code: int) -> None:
    with echoing(served) as peer:
        peer.send(frame(TEXT, b"before"), close(code, "à bientôt".encode()), frame(TEXT, b"too late"))
        assert peer.read() == (0x80 | TEXT, b"before")
        assert peer.closed(code) == "à bientôt"
        peer.ended()
        message = peer.noted()
        assert message == {"type": "websocket.disconnect", "code": code, "reason": "à bientôt"}


def test_a_close_without_a_code(served: Served) -> None:
    with echoing(served) as peer:
        peer.send(frame(CLOSE))
        peer.closed(None)
        peer.ended()
        assert peer.disconnected() == 1005


def test_a_connection_that_just_ends(served: Served) -> None:
    with echoing(served) as peer:
        peer.socket.shutdown(socket.SHUT_WR)
        peer.ended()
        assert peer.disconnected() == 1005


def test_an_application_closes(served: Served) -> None:
    with Peer(served, "bye").answered(101) as peer:
        assert peer.closed(4321) == "enough"
        assert peer.disconnected() == 4321
        assert (peer.noted(), peer.noted()) == ("OSError", "OSError")
        peer.send(close(4321))
        peer.ended()


def test_after_a_disconnect_receive_says_it_again_and_send_fails(served: Served) -> None:
    with Peer(served, "again").answered(101) as peer:
        peer.send(close(1001))
        assert (peer.disconnected(), peer.disconnected()) == (1001, 1001)
        assert (peer.noted(), peer.noted()) == ("OSError", "OSError")


@pytest.mark.parametrize(("case", "code"), [("return_open", 1000), ("raise_open", 1011)])
def test_an_application_ends_without_closing(served: Served, case: str, code: int) -> None:
    with Peer(served, case).answered(101) as peer:
        peer.closed(code)
        peer.send(close(code))
        peer.ended()


def test_a_peer_that_leaves_before_it_is_accepted(served: Served) -> None:
    with Peer(served, "never") as peer:
        assert peer.noted() == "connected"
    assert peer.disconnected() == 1006
    assert peer.noted() == "OSError"


# The handshake


def test_subprotocol_and_headers_of_the_answer(served: Served) -> None:
    with Peer(served, "accept", "Sec-WebSocket-Protocol: a, b").answered(101) as peer:
        assert peer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert peer.headers["upgrade"] == "websocket"
        assert peer.headers["sec-websocket-protocol"] == "b"
        assert peer.headers["x-a"] == "b"


def test_the_scope(served: Served) -> None:
    with Peer(served, "scope/%C3%A9", "X-Long: " + "x" * 20_000, "X-Twice: 1", "X-Twice: 2").answered(101) as peer:
        scope = json.loads(peer.read()[1])
        assert scope["type"] == "websocket"
        assert scope["path"] == "/scope/é"
        assert scope["raw_path"] == "/scope/%C3%A9"
        assert scope["query_string"].startswith("n")
        assert scope["scheme"] == "ws"
        assert scope["http_version"] == "1.1"
        assert scope["subprotocols"] == []
        assert scope["client"] == list(peer.socket.getsockname())
        assert scope["server"] == list(peer.socket.getpeername())
        headers = peer.noted()
        assert (b"x-long", b"x" * 20_000) in headers
        assert [value for name, value in headers if name == b"x-twice"] == [b"1", b"2"]
        assert peer.noted() == ["liveserver.viewer", "websocket.http.response"]


@pytest.mark.parametrize(
    ("header", "status", "answer"),
    [
        ("Sec-WebSocket-Version: 8", 426, ("sec-websocket-version", "13")),
        ("Sec-WebSocket-Key: short", 400, None),
        ("Sec-WebSocket-Extensions: ;", 400, None),
    ],
)
def test_a_handshake_that_is_refused(served: Served, header: str, status: int, answer: tuple[str, str] | None) -> None:
    with Peer(served, "echo", header).answered(status) as peer:
        assert answer is None or answer in peer.headers.items()
        assert peer.headers["connection"] == "close"
        assert len(peer.file.read()) == int(peer.headers["content-length"])


def test_only_get_opens_a_connection(served: Served) -> None:
    with Peer(served, "echo", method="POST").answered(405) as peer:
        assert peer.headers["allow"] == "GET"
        assert len(peer.file.read()) == int(peer.headers["content-length"])


def test_http_1_0_has_no_upgrades(served: Served, http: Any) -> None:
    with Peer(served, "echo", version="1.0") as peer:
        if http is HttpProtocol:
            peer.answered(426)
            assert peer.headers["upgrade"] == "websocket"
        else:
            # uvicorn's own HTTP protocols don't tell which version it was.
            peer.answered(101)


def test_an_application_refuses(served: Served) -> None:
    with Peer(served, "refuse").answered(403) as peer:
        peer.ended()
        assert peer.disconnected() == 1006


def test_an_application_answers_with_a_response_of_its_own(served: Served) -> None:
    with Peer(served, "deny").answered(401) as peer:
        assert peer.headers["x-why"] == "because"
        assert peer.headers["connection"] == "close"
        assert peer.file.read() == b"not you"
        assert peer.disconnected() == 1006


def test_an_application_that_leaves_its_response_half_done(served: Served) -> None:
    with Peer(served, "deny_half").answered(499) as peer:
        peer.ended()


@pytest.mark.parametrize("case", ["return_early", "raise_early", "unready"])
def test_an_application_that_does_not_answer(served: Served, case: str) -> None:
    with Peer(served, case).answered(500) as peer:
        assert peer.file.read() == b"Internal Server Error"
        if case == "unready":
            assert isinstance(peer.noted(), RuntimeError)


def test_messages_sent_before_the_answer_are_kept(served: Served) -> None:
    with Peer(served, "hold") as peer:
        accept = peer.noted()
        # More than a read of the transport takes: what isn't read yet waits in the kernel.
        peer.send(*(frame(TEXT, bytes(1000)) for _ in range(500)), frame(TEXT, b"end"))
        accept()
        peer.answered(101)
        read = peer.noted()
        read()
        assert peer.noted() == (500, "websocket.receive")


def test_a_message_in_the_same_packet_as_the_handshake_does_no_harm(served: Served) -> None:
    with Peer(served, "echo", more=frame(TEXT, b"early")).answered(101) as peer:
        # uvicorn's HTTP protocols drop it; RFC 6455, 4.1, wants clients to wait.
        peer.send(frame(TEXT, b"later"))
        answer = peer.read()
        assert answer in {(0x80 | TEXT, b"early"), (0x80 | TEXT, b"later")}
        assert answer[1] == b"later" or peer.read() == (0x80 | TEXT, b"later")


# Flow


def test_send_waits_for_a_peer_that_does_not_read(served: Served) -> None:
    with Peer(served, "flood", buffers=65536) as peer:
        sent = peer.noted()
        peer.answered(101)
        for _ in range(sent):
            assert peer.read() == (0x80 | BINARY, bytes(65536))
        assert peer.read() == (0x80 | TEXT, b"end")


def test_send_fails_when_the_peer_leaves_while_it_waits(served: Served) -> None:
    with Peer(served, "flood", buffers=65536) as peer:
        assert peer.noted() > 0
    assert peer.noted() == "OSError"


@pytest.mark.slow
def test_reading_pauses_while_the_application_does_not_receive(served: Served) -> None:
    with Peer(served, "hold", buffers=65536) as peer:
        peer.noted()()
        peer.answered(101)
        read = peer.noted()
        data = frame(BINARY, bytes(65536)) * 1024
        peer.socket.settimeout(0.5)
        sent = 0
        with suppress(TimeoutError):
            while sent < len(data):
                sent += peer.socket.send(data[sent : sent + 65536])
        # The kernel may hold some of it, but it isn't this much.
        assert sent < len(data) // 2
        peer.socket.settimeout(WAIT)
        read()
        size = len(data) // 1024
        rest = -sent % size
        peer.send(data[sent : sent + rest], frame(TEXT, b"end"))
        assert peer.noted() == ((sent + rest) // size, "websocket.receive")


def test_the_server_ends(http: Any, loop: str) -> None:
    served = Served(http, loop)
    try:
        with echoing(served) as peer, Peer(served, "never") as unanswered, Peer(served, "again").answered(101) as again:
            assert unanswered.noted() == "connected"
            served.server.should_exit = True
            peer.closed(1012)
            assert peer.disconnected() == 1012
            unanswered.answered(500)
            assert unanswered.disconnected() == 1006
            again.closed(1012)
            assert (again.disconnected(), again.disconnected()) == (1012, 1012)
            assert (again.noted(), again.noted()) == ("OSError", "OSError")
    finally:
        served.stop()


@pytest.mark.slow
@pytest.mark.parametrize("kind", LOOPS)
def test_a_silent_peer_is_dropped(kind: str) -> None:
    served = Served(HttpProtocol, kind, ws_ping_interval=1, ws_ping_timeout=1)
    try:
        with echoing(served) as silent, echoing(served) as answering:
            for peer in (silent, answering):
                assert peer.read() == (0x80 | PING, b"")
            answering.send(frame(PONG))
            assert silent.closed(1011) == "keepalive ping timeout"
            assert silent.disconnected() == 1006
            assert answering.read() == (0x80 | PING, b"")
            answering.send(frame(TEXT, b"here"))
            assert answering.read() == (0x80 | TEXT, b"here")
    finally:
        served.stop()


@pytest.mark.parametrize(
    ("settings", "interval", "patience"),
    [
        ({}, 20, 20),
        ({"ws_ping_interval": 0.2, "ws_ping_timeout": 0.2}, 1, 1),
        ({"ws_ping_interval": None, "ws_ping_timeout": None}, 0, None),
        ({"ws_ping_interval": 0}, 0, 20),
        ({"ws_ping_interval": 19.6, "ws_ping_timeout": 4.6}, 20, 5),
    ],
)
async def test_the_terms_that_uvicorn_sets(settings: dict[str, Any], interval: int, patience: int | None) -> None:
    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        pass

    config = uvicorn.Config(app, log_config=None, ws=ViewerProtocol, ws_max_size=7, root_path="/r", **settings)
    terms = terms_of(config)
    assert (terms.ping_interval, terms.ping_timeout) == (interval, patience)
    assert (terms.app, terms.max_size, terms.root_path, terms.deflate) == (config.loaded_app, 7, "/r", True)
    assert terms_of(config) is terms
