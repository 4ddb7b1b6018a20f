"""A WebSocket connection and its application, in memory: what Autobahn's cases ask of a server, group by group.

The numbers in the comments are those of Autobahn's test suite.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from liveserver import connection as module
from liveserver.connection import READ_AHEAD, Connection, Gone, Terms
from liveserver.handshake import Request
from liveserver.keepalive import wheel_of
from tests.websocket_peer import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    WAIT,
    Transport,
    answers,
    chopped,
    close,
    deflated,
    fragments,
    frame,
    inflated,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Message, Receive, Send], Awaitable[None]]
    Answers = list[tuple[int, bytes]]

MAX_SIZE = 256 * 1024
DEFLATE = b"permessage-deflate"


class Server:
    """What connections share."""

    def __init__(self) -> None:
        self.connections: set[Any] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.default_headers: list[tuple[bytes, bytes]] = [(b"server", b"test")]


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def listen(scope: Message, receive: Receive, send: Send) -> None:
    """Take everything, and say nothing."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        pass


class Talk:
    """A connection, and its peer's side of it."""

    def __init__(self, app: App = echo, *, extensions: bytes = b"", version: str = "1.1", **terms: Any) -> None:
        self.server = Server()
        self.transport = Transport()
        given = {
            "app": app,
            "root_path": "",
            "asgi_version": "3.0",
            "deflate": True,
            "max_size": MAX_SIZE,
            "ping_interval": 20,
            "ping_timeout": 20,
            **terms,
        }
        self.connection = Connection(Terms(**given), self.server, {"a": 1})
        self.connection.connection_made(self.transport)
        headers = [
            (b"host", b"here"),
            (b"upgrade", b"websocket"),
            (b"connection", b"upgrade"),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ]
        if extensions:
            headers.append((b"sec-websocket-extensions", extensions))
        request = Request(b"GET", b"/path?query", headers, version)
        self.connection.begin(request, ("127.0.0.1", 80), ("127.0.0.1", 1), "ws")

    async def opened(self) -> Talk:
        """Wait for the answer to the handshake, and forget it."""
        await asyncio.wait_for(self.transport.wrote.wait(), WAIT)
        self.head = self.transport.written.pop(0)
        assert self.head.startswith(b"HTTP/1.1 101 ")
        return self

    def say(self, *packets: bytes) -> None:
        """What the transport reads, as long as it does."""
        for packet in packets:
            if self.transport.over:
                break
            self.connection.data_received(packet)

    def heard(self) -> Answers:
        """The frames that were written since this was last asked."""
        written = answers(self.transport.written)
        self.transport.written.clear()
        return written

    async def ended(self) -> Answers:
        """Wait for the end; returns what was written before it."""
        await asyncio.wait_for(self.transport.ended.wait(), WAIT)
        self.connection.connection_lost(None)
        await asyncio.wait_for(asyncio.gather(*self.server.tasks), WAIT)
        assert self.server.connections == set()
        assert len(wheel_of(asyncio.get_running_loop())) == 0
        return self.heard()


def packets(frames: Sequence[bytes], chop: str) -> Iterable[bytes]:
    """The frames in one packet, each in its own, or every byte in its own."""
    data = b"".join(frames)
    return {"whole": [data], "frames": frames, "bytes": chopped(data, 1)}[chop]


def ended_with(heard: Answers, code: int | None) -> Answers:
    """What was heard before a close frame with that code, which comes last."""
    *before, (first, data) = heard
    assert first == 0x80 | CLOSE
    assert data[:2] == (b"" if code is None else code.to_bytes(2))
    return before


HELLO, HEARD = frame(TEXT, b"Hello"), (0x80 | TEXT, b"Hello")
END = close(1000)

GOOD: dict[str, tuple[list[bytes], Answers]] = {
    # 1
    **{
        f"message of {size} with opcode {opcode}": ([frame(opcode, b"*" * size)], [(0x80 | opcode, b"*" * size)])
        for opcode in (TEXT, BINARY)
        for size in (0, 125, 126, 127, 128, 1000)
    },
    # 2
    "ping": ([frame(PING)], [(0x80 | PONG, b"")]),
    "ping with text": ([frame(PING, b"Hello")], [(0x80 | PONG, b"Hello")]),
    "ping with bytes": ([frame(PING, b"\0\xff\xfe\xfd\0")], [(0x80 | PONG, b"\0\xff\xfe\xfd\0")]),
    "long ping": ([frame(PING, b"\xfe" * 125)], [(0x80 | PONG, b"\xfe" * 125)]),
    "pong": ([frame(PONG), frame(PONG, b"unasked")], []),
    "pong, then ping": ([frame(PONG, b"unasked"), frame(PING, b"?")], [(0x80 | PONG, b"?")]),
    "pings": (
        [frame(PING, b"payload-%d" % number) for number in range(10)],
        [(0x80 | PONG, b"payload-%d" % number) for number in range(10)],
    ),
    # 5
    "fragments": (fragments(TEXT, b"fragment1fragment2", 9), [(0x80 | TEXT, b"fragment1fragment2")]),
    "many small fragments": (fragments(BINARY, bytes(500), 1), [(0x80 | BINARY, bytes(500))]),
    "empty fragments": (
        [frame(TEXT, fin=False), frame(CONT, b"middle", fin=False), frame(CONT)],
        [(0x80 | TEXT, b"middle")],
    ),
    "nothing but empty fragments": (
        [frame(TEXT, fin=False), frame(CONT, fin=False), frame(CONT)],
        [(0x80 | TEXT, b"")],
    ),
    "message after a fragmented one": ([*fragments(BINARY, b"\xff", 1), HELLO], [(0x80 | BINARY, b"\xff"), HEARD]),
    # 6.2
    "text cut amid characters": (
        fragments(TEXT, "Hello-µ@ßöäüàá-UTF-8!! κόσμε".encode(), 1),
        [(0x80 | TEXT, "Hello-µ@ßöäüàá-UTF-8!! κόσμε".encode())],
    ),
}  # fmt: skip


@pytest.mark.parametrize("chop", ["whole", "frames", "bytes"])
@pytest.mark.parametrize("case", GOOD)
async def test_what_is_answered(case: str, chop: str) -> None:
    said, expected = GOOD[case]
    talk = await Talk().opened()
    talk.say(*packets([*said, END], chop))
    assert ended_with(await talk.ended(), 1000) == expected


@pytest.mark.parametrize("deflate", [b"", DEFLATE])
async def test_pings_are_answered_amid_a_fragmented_message(deflate: bytes) -> None:
    """5.6, 5.7, 5.8, 5.19, 5.20: at once, not after the message."""
    talk = await Talk(extensions=deflate).opened()
    data = b"fragment" * 5
    rest = fragments(TEXT, deflated(data) if deflate else data, 8, rsv=4 if deflate else 0)
    for number, part in enumerate(rest):
        talk.say(part, frame(PING, b"%d" % number))
        assert talk.heard() == [(0x80 | PONG, b"%d" % number)]
    talk.say(END)
    [(first, answer)] = ended_with(await talk.ended(), 1000)
    assert (first, inflated(answer) if deflate else answer) == ((0xC0 if deflate else 0x80) | TEXT, data)


WRONG: dict[str, list[bytes]] = {
    # 3
    **{
        f"reserved bits {rsv} with opcode {opcode}": [frame(opcode, b"x" * 5, rsv=rsv)]
        for opcode in (TEXT, BINARY, PING, CLOSE)
        for rsv in range(1, 8)
    },
    # 4
    **{
        f"opcode {opcode}, {len(data)} bytes": [frame(opcode, data)]
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
        for data in (b"", b"reserved")
    },
    # 2.5
    "ping that is too long": [frame(PING, b"\xfe" * 126)],
    "pong that is too long": [frame(PONG, bytes(126))],
    # 5
    "fragmented ping": [frame(PING, b"1", fin=False), frame(CONT, b"2")],
    "fragmented pong": [frame(PONG, b"1", fin=False), frame(CONT, b"2")],
    "continuation of nothing": [frame(CONT, b"x")],
    "unfinished continuation of nothing": [frame(CONT, b"x", fin=False)],
    "continuation of what was whole": [*fragments(TEXT, b"12", 1)[1:], HELLO],
    "message within a message": [frame(TEXT, b"1", fin=False), frame(TEXT, b"2")],
    "unfinished message within a message": [frame(TEXT, b"1", fin=False), frame(BINARY, b"2", fin=False)],
    # 7
    "close of one byte": [frame(CLOSE, b"\x03")],
    "close that is too long": [close(1000, b"*" * 124)],
    "fragmented close": [frame(CLOSE, b"\x03\xe8", fin=False)],
    **{
        f"close {code}": [close(code)]
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    # RFC 6455, 5.1
    "a frame that isn't masked": [frame(TEXT, b"x", masked=False)],
}


@pytest.mark.parametrize("chop", ["whole", "frames", "bytes"])
@pytest.mark.parametrize("case", WRONG)
async def test_what_ends_the_connection(case: str, chop: str) -> None:
    """What came before is echoed, then the connection fails, and what comes after it isn't answered."""
    talk = await Talk().opened()
    talk.say(*packets([HELLO, *WRONG[case], frame(PING, b"after"), HELLO], chop))
    assert ended_with(await talk.ended(), 1002) == [HEARD]


async def test_what_came_before_an_error_is_answered_whatever_the_packets() -> None:
    """5.15: more than one message, and a fragmented one."""
    talk = await Talk().opened()
    said = [*fragments(TEXT, b"in pieces", 2), *[HELLO] * (2 * READ_AHEAD), frame(PING, b"?"), frame(CONT, b"x")]
    talk.say(b"".join(said))
    heard = ended_with(await talk.ended(), 1002)
    assert [answer for answer in heard if answer[0] == 0x80 | TEXT] == [(0x80 | TEXT, b"in pieces"), *[HEARD] * 32]
    assert (0x80 | PONG, b"?") in heard


# 6: Markus Kuhn's UTF-8 decoder stress test

KOSME = bytes.fromhex("cebae1bdb9cf83cebcceb5")
UTF_8 = [
    *(
        "hello$world",
        "hello¢world",
        "hello€world",
        "hello𤭢world",
        KOSME.decode(),
        "\0",
        "\x80",
        "\u0800",
        "\U00010000",
    ),
    *("\x7f", "\u07ff", "\uffff", "\U0010ffff", "\ud7ff", "\ue000", "\ufffd", "\ufdd0", "\ufff9", "\ufffe"),
    *(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF)),
]
NO_UTF_8 = [
    # Prefixes of what is valid
    *(KOSME[:length] for length in (1, 3, 4, 6, 8, 10)),
    # Lengths of 5 and 6 bytes, and what lies beyond U+10FFFF
    *(bytes.fromhex(text) for text in ("f888808080", "fc8480808080", "f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf")),
    bytes.fromhex("f4908080"),
    # Continuation bytes that continue nothing
    *(b"\x80\xbf"[:1] * length for length in range(1, 3)),
    *(b"\xbf", b"\x80\xbf\x80\xbf\x80\xbf", bytes(range(0x80, 0xBF))),
    # Starts that nothing follows
    *(b"".join(bytes([first, 0x20]) for first in range(*ends)) for ends in ((0xC0, 0xE0), (0xE0, 0xF0), (0xF0, 0xFE))),
    # Sequences that lack their last byte
    *(b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80", b"\xdf", b"\xef\xbf"),
    *(b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"),
    # Bytes that occur nowhere
    *(b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"),
    # Overlong
    *(b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xc1\xbf", b"\xe0\x9f\xbf"),
    *(b"\xf0\x8f\xbf\xbf", b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80"),
    # Surrogates, single and in pairs
    *(b"\xed" + bytes([middle, last]) for middle in (0xA0, 0xAD, 0xAE, 0xAF, 0xB0, 0xBE) for last in (0x80, 0xBF)),
    *(b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xaf\xbf\xed\xbf\xbf"),
]


async def test_valid_text() -> None:
    """In one frame, and with a frame for each byte."""
    talk = await Talk().opened()
    for text in UTF_8:
        data = text.encode()
        talk.say(frame(TEXT, data), *fragments(TEXT, data, 1))
    talk.say(END)
    assert ended_with(await talk.ended(), 1000) == [(0x80 | TEXT, text.encode()) for text in UTF_8 for _ in range(2)]


@pytest.mark.parametrize("size", [1000, 1])
async def test_text_that_is_none(size: int) -> None:
    for data in NO_UTF_8:
        for around in (b"", KOSME):
            talk = await Talk().opened()
            talk.say(HELLO, *fragments(TEXT, around + data + around, size), HELLO)
            assert ended_with(await talk.ended(), 1007) == [HEARD], (data, around)


async def test_bytes_need_not_be_text() -> None:
    talk = await Talk().opened()
    talk.say(*(part for data in NO_UTF_8 for part in fragments(BINARY, data, 1)), END)
    assert ended_with(await talk.ended(), 1000) == [(0x80 | BINARY, data) for data in NO_UTF_8]


@pytest.mark.parametrize(
    "parts",
    [
        # 6.4.1, 6.4.2
        [KOSME, b"\xf4\x90\x80\x80", b"edited"],
        [KOSME + b"\xf4", b"\x90", b"\x80\x80edited"],
        [b"\xed\xa0", b"\x80edited"],
    ],
)
async def test_text_fails_at_its_first_wrong_byte(parts: list[bytes]) -> None:
    talk = await Talk().opened()
    talk.say(frame(TEXT, parts[0], fin=False))
    assert talk.heard() == []
    assert not talk.transport.over
    talk.say(frame(CONT, parts[1], fin=False))
    assert talk.transport.ended.is_set()
    assert ended_with(await talk.ended(), 1007) == []


async def test_a_text_that_ends_amid_a_character_does_not_spoil_the_next_connection_s() -> None:
    """Nor does a binary message's fragment count as text, or an unfinished text's rest as the next message's."""
    talk = await Talk().opened()
    talk.say(*fragments(TEXT, "é".encode(), 1), *fragments(BINARY, b"\xc3\xff", 1), frame(TEXT, b"\xc3", fin=False))
    talk.say(frame(CONT, b"\xc3"))
    assert ended_with(await talk.ended(), 1007) == [(0x80 | TEXT, "é".encode()), (0x80 | BINARY, b"\xc3\xff")]


# 7


@pytest.mark.parametrize("chop", ["whole", "bytes"])
@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 3999, 4000, 4999])
async def test_a_close_is_answered_with_its_code(code: int, chop: str) -> None:
    """Whatever follows it: a message, a ping, another close (7.1.2 to 7.1.4)."""
    for reason in (b"", b"*" * 123, "à bientôt".encode()):
        for after in ([], [HELLO], [frame(PING)], [close(1001)], [frame(15)]):
            talk = await Talk().opened()
            talk.say(*packets([HELLO, close(code, reason), *after], chop))
            heard = await talk.ended()
            assert heard[-1] == (0x80 | CLOSE, code.to_bytes(2) + reason)
            assert ended_with(heard, code) == [HEARD]


async def test_a_close_without_a_code_is_answered_without_one() -> None:
    talk = await Talk().opened()
    talk.say(HELLO + frame(CLOSE))
    assert ended_with(await talk.ended(), None) == [HEARD]


@pytest.mark.parametrize("code", [1000, None])
async def test_a_close_amid_a_fragmented_message(code: int | None) -> None:
    """7.1.5: a control frame may come between fragments (RFC 6455, 5.4)."""
    talk = await Talk().opened()
    talk.say(frame(TEXT, b"1", fin=False) + (frame(CLOSE) if code is None else close(code)) + frame(CONT, b"2"))
    assert ended_with(await talk.ended(), code) == []


async def test_a_close_whose_reason_is_no_text() -> None:
    """7.5.1"""
    talk = await Talk().opened()
    talk.say(close(1000, KOSME + b"\xed\xa0\x80edited"))
    assert ended_with(await talk.ended(), 1007) == []


async def test_a_large_message_and_a_close_in_one_packet() -> None:
    """7.1.6"""
    talk = await Talk().opened()
    talk.say(frame(TEXT, b"BAsd7&jh23" * 20_000) + HELLO + END + frame(PING))
    assert ended_with(await talk.ended(), 1000) == [(0x80 | TEXT, b"BAsd7&jh23" * 20_000), HEARD]


# What the application is given, and may answer, after the peer's last word


async def test_a_close_waits_for_an_application_that_has_not_read_everything() -> None:
    go = asyncio.Event()
    seen: list[Message] = []

    async def slow(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go.wait()
        seen.append(await receive())
        await send({"type": "websocket.send", "text": "an answer"})
        await send({"type": "websocket.send", "bytes": b"another"})
        seen.append(await receive())
        with pytest.raises(Gone):
            await send({"type": "websocket.send", "text": "too late"})

    talk = await Talk(slow).opened()
    talk.say(HELLO + frame(PING) + close(4000, b"why") + HELLO, HELLO)
    assert talk.heard() == [(0x80 | PONG, b"")]
    assert not talk.transport.over
    assert talk.connection.due() is None
    go.set()
    assert ended_with(await talk.ended(), 4000) == [(0x80 | TEXT, b"an answer"), (0x80 | BINARY, b"another")]
    assert seen == [
        {"type": "websocket.receive", "text": "Hello"},
        {"type": "websocket.disconnect", "code": 4000, "reason": "why"},
    ]


async def test_the_last_word_is_followed_by_reading_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the peer has gone, or for a while: what isn't read would reset the connection, and our close be lost."""
    monkeypatch.setattr(module, "CLOSE_TIMEOUT", 0.0)
    talk = await Talk().opened()
    talk.say(HELLO + END)
    await asyncio.wait_for(talk.transport.ended.wait(), WAIT)
    assert talk.transport.eof
    talk.say(HELLO, frame(PING), b"anything")
    await asyncio.wait_for(talk.transport.aborted.wait(), WAIT)
    assert ended_with(await talk.ended(), 1000) == [HEARD]


@pytest.mark.parametrize("error", [OSError(107, "not connected"), NotImplementedError()])
async def test_a_last_word_that_nothing_can_follow(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    talk = await Talk().opened()

    def fail() -> None:
        raise error

    monkeypatch.setattr(talk.transport, "write_eof", fail)
    talk.say(END)
    assert ended_with(await talk.ended(), 1000) == []
    assert talk.transport.over == "closed"


async def test_a_close_does_not_wait_for_an_application_that_never_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLOSE_TIMEOUT", 0.0)
    over = asyncio.Event()

    async def deaf(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await over.wait()

    talk = await Talk(deaf).opened()
    talk.say(HELLO * READ_AHEAD + END)
    assert not talk.transport.reading
    await asyncio.wait_for(talk.transport.ended.wait(), WAIT)
    assert talk.transport.reading
    over.set()
    assert ended_with(await talk.ended(), 1000) == []


@pytest.mark.parametrize("last", ["close", "return", "raise", "shutdown", "lost"])
async def test_other_ends_while_a_close_waits(last: str) -> None:
    go = asyncio.Event()

    async def ends(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go.wait()
        if last == "close":
            await send({"type": "websocket.close", "code": 4321})
        elif last == "raise":
            raise LookupError

    talk = await Talk(ends).opened()
    talk.say(HELLO + close(4000))
    assert not talk.transport.over
    if last == "shutdown":
        talk.connection.shutdown()
    elif last == "lost":
        talk.connection.connection_lost(None)
        talk.transport.close()
    with capture_logs() as logs:
        go.set()
        heard = await talk.ended()
    # The peer's close is answered with its own code.
    assert heard == [] if last == "lost" else ended_with(heard, 4000) == []
    assert [entry["event"] for entry in logs] == (["websocket.failed"] if last == "raise" else [])


async def test_a_send_that_waits_for_a_peer_that_has_closed_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLOSE_TIMEOUT", 0.0)
    failed = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        try:
            await send({"type": "websocket.send", "text": "never taken"})
        except OSError:
            failed.set()

    talk = await Talk(app).opened()
    talk.transport.waiting = 1
    talk.connection.pause_writing()
    talk.say(HELLO + HELLO + END)
    await asyncio.wait_for(failed.wait(), WAIT)
    # What it doesn't take isn't waited for any longer either.
    await asyncio.wait_for(talk.transport.aborted.wait(), WAIT)
    assert ended_with(await talk.ended(), 1000) == []


async def test_a_peer_that_does_not_answer_a_close_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLOSE_TIMEOUT", 0.0)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4000})

    talk = await Talk(app).opened()
    assert ended_with(await talk.ended(), 4000) == []
    assert talk.transport.over == "aborted"


@pytest.mark.parametrize("said", [close(4000), close(1000), frame(CLOSE), frame(TEXT, b"1", fin=False) + close(4000)])
async def test_a_close_that_is_answered_is_not_answered_again(said: bytes) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4000})

    talk = await Talk(app).opened()
    await asyncio.gather(*talk.server.tasks)
    assert ended_with(talk.heard(), 4000) == []
    talk.say(HELLO, frame(PING, b"?"), said)
    assert talk.transport.over == "closed"
    assert await talk.ended() == [(0x80 | PONG, b"?")]


@pytest.mark.parametrize("message", [{"code": 1006}, {"code": 4000, "reason": "*" * 124}])
async def test_a_close_that_can_not_be_sent_is_the_application_s_failure(message: Message) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", **message})

    with capture_logs() as logs:
        talk = await Talk(app).opened()
        await asyncio.gather(*talk.server.tasks)
        assert ended_with(talk.heard(), 1011) == []
    assert [entry["event"] for entry in logs] == ["websocket.failed"]
    talk.say(close(1011))
    assert await talk.ended() == []


# 9 and 10: limits


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize(
    ("fragment", "chop"), [(MAX_SIZE, MAX_SIZE), (64, 4096), (1300, 100), (MAX_SIZE, 64), (4096, 999)]
)
async def test_a_message_of_the_largest_size(opcode: int, fragment: int, chop: int) -> None:
    data = bytes(range(128)) * (MAX_SIZE // 128)
    talk = await Talk().opened()
    talk.say(*chopped(b"".join([*fragments(opcode, data, fragment), END]), chop))
    assert ended_with(await talk.ended(), 1000) == [(0x80 | opcode, data)]


async def test_a_message_that_is_too_large_is_refused_by_its_head() -> None:
    for said in (
        frame(TEXT, bytes(MAX_SIZE + 1))[:14],
        b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + bytes(4),
        frame(BINARY, bytes(MAX_SIZE), fin=False) + frame(CONT, b"x"),
        b"".join(fragments(TEXT, b"x" * (MAX_SIZE + 1), 4096)),
    ):
        talk = await Talk().opened()
        talk.say(HELLO, said)
        assert ended_with(await talk.ended(), 1009) == [HEARD]


@pytest.mark.parametrize("size", [16, 64, 256, 1024])
async def test_many_messages_one_after_the_other(size: int) -> None:
    """9.7, 9.8"""
    talk = await Talk().opened()
    said = b"x" * size
    for _ in range(100):
        talk.transport.wrote.clear()
        talk.say(frame(BINARY, said))
        await asyncio.wait_for(talk.transport.wrote.wait(), WAIT)
        assert talk.heard() == [(0x80 | BINARY, said)]
    talk.say(END)
    await talk.ended()


# 12 and 13: permessage-deflate


def texture(size: int) -> bytes:
    """Bytes that deflate somewhat."""
    return b"".join(b'{"id": %d, "name": "x%x"}, ' % (n, n * 2654435761 % 2**32) for n in range(size // 20 + 1))[:size]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fragment", [MAX_SIZE, 256, 1])
@pytest.mark.parametrize("size", [0, 16, 256, 1024, 8192])
async def test_deflated_messages(size: int, fragment: int, opcode: int) -> None:
    data = texture(size)
    talk = await Talk(extensions=DEFLATE).opened()
    # A level of 0 stores; and what isn't deflated at all is as good.
    for level in (-1, 1, 9, 0):
        talk.say(b"".join(fragments(opcode, deflated(data, level), fragment, rsv=4)))
    talk.say(b"".join(fragments(opcode, data, fragment)), END)
    heard = ended_with(await talk.ended(), 1000)
    assert [(first, inflated(answer)) for first, answer in heard] == [(0xC0 | opcode, data)] * 5


async def test_a_large_deflated_message() -> None:
    data = texture(MAX_SIZE)
    talk = await Talk(extensions=DEFLATE).opened()
    for fragment in (MAX_SIZE, 32768, 1024, 256):
        talk.say(*chopped(b"".join(fragments(BINARY, deflated(data), fragment, rsv=4)), 65536))
    talk.say(END)
    heard = ended_with(await talk.ended(), 1000)
    assert [inflated(answer) for _, answer in heard] == [data] * 4


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        # 13.1 to 13.7
        (b"permessage-deflate", True),
        (b"permessage-deflate; client_no_context_takeover; client_max_window_bits", True),
        (b"permessage-deflate; server_no_context_takeover", True),
        (b"permessage-deflate; server_max_window_bits=9", False),
        (b"permessage-deflate; server_max_window_bits=15", True),
        (b"permessage-deflate; server_no_context_takeover; server_max_window_bits=9", False),
        (b"permessage-deflate; server_no_context_takeover; server_max_window_bits=15", True),
        (
            b"permessage-deflate; server_no_context_takeover; server_max_window_bits=9, "
            b"permessage-deflate; server_no_context_takeover, permessage-deflate",
            True,
        ),
    ],
)
async def test_what_is_offered_and_what_is_agreed_on(offered: bytes, agreed: bool) -> None:
    """A smaller window than that of the shared frames is declined, and the connection is as good without it."""
    talk = await Talk(extensions=offered).opened()
    assert (
        b"sec-websocket-extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        in talk.head
    ) is agreed
    assert (b"sec-websocket-extensions" in talk.head) is agreed
    for size in (16, 1024, 8192):
        data = texture(size)
        talk.say(frame(TEXT, deflated(data) if agreed else data, rsv=4 if agreed else 0))
    talk.say(END)
    heard = ended_with(await talk.ended(), 1000)
    assert [inflated(answer) if agreed else answer for _, answer in heard] == [
        texture(size) for size in (16, 1024, 8192)
    ]


async def test_deflate_is_not_agreed_on_when_it_is_turned_off() -> None:
    talk = await Talk(extensions=DEFLATE, deflate=False).opened()
    assert b"extensions" not in talk.head
    talk.say(frame(TEXT, deflated(b"x"), rsv=4))
    assert ended_with(await talk.ended(), 1002) == []


@pytest.mark.parametrize(
    ("said", "text"),
    [
        # RFC 7692, 7.2.3: one block, in two frames, stored, with the final bit, in two blocks.
        ([bytes.fromhex("c107f248cdc9c90700")], b"Hello"),
        ([bytes.fromhex("4103f248cd"), bytes.fromhex("8004c9c90700")], b"Hello"),
        ([bytes.fromhex("c10b000500faff48656c6c6f00")], b"Hello"),
        ([bytes.fromhex("c108f348cdc9c9070000")], b"Hello"),
        ([bytes.fromhex("c10df248050000 00ffffcac9c90700")], b"Hello"),
        # Nothing, in the two ways in which it is written.
        ([bytes.fromhex("c10100")], b""),
        ([bytes.fromhex("c1020300")], b""),
        # Deflated and not, in turn; and the bit of a fragmented message stands on its first frame alone.
        ([bytes.fromhex("8105") + b"Hello"], b"Hello"),
    ],
)
async def test_the_specification_s_examples(said: list[bytes], text: bytes) -> None:
    """As they stand there, without a mask."""
    talk = await Talk(extensions=DEFLATE).opened()
    for _ in range(2):
        talk.say(*(data[:1] + bytes([data[1] | 0x80]) + bytes(4) + data[2:] for data in said))
    talk.say(END)
    assert [inflated(data) for _, data in ended_with(await talk.ended(), 1000)] == [text, text]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(1009, [frame(TEXT, deflated(bytes(MAX_SIZE + 1)), rsv=4)], id="bomb"),
        pytest.param(1009, fragments(TEXT, deflated(bytes(16 * MAX_SIZE)), 500, rsv=4), id="bomb in pieces"),
        pytest.param(1002, [frame(TEXT, b"\xff\xff\xff", rsv=4)], id="not deflated"),
        # RFC 7692, 7.2.3.2: the second message refers to the first, which was not agreed on.
        pytest.param(
            1002,
            [frame(TEXT, bytes.fromhex("f248cdc9c90700"), rsv=4), frame(TEXT, bytes.fromhex("f200110000"), rsv=4)],
            id="takeover",
        ),
        pytest.param(1002, [frame(PING, rsv=4)], id="deflated ping"),
        pytest.param(1002, [frame(CLOSE, rsv=4)], id="deflated close"),
        pytest.param(1002, [frame(TEXT, rsv=4, fin=False), frame(CONT, rsv=4)], id="bit on a continuation"),
        pytest.param(1002, [frame(TEXT, rsv=6)], id="another bit too"),
        pytest.param(1007, [frame(TEXT, deflated(b"\xff"), rsv=4)], id="no UTF-8"),
        pytest.param(1007, fragments(TEXT, deflated(KOSME + b"\xed\xa0\x80"), 1, rsv=4), id="no UTF-8 in bits"),
    ],
)  # fmt: skip
async def test_what_the_peer_must_not_deflate(code: int, said: list[bytes]) -> None:
    talk = await Talk(extensions=DEFLATE).opened()
    talk.say(frame(TEXT, deflated(b"before"), rsv=4), *said, frame(PING, b"after"))
    heard = ended_with(await talk.ended(), code)
    assert inflated(heard[0][1]) == b"before"
    assert (0x80 | PONG, b"after") not in heard


# Keeping alive

PINGED = (0x80 | PING, b"")


@pytest.mark.parametrize(
    ("interval", "patience", "calls"),
    [
        # Pings an interval apart, whether the answer has less time, as long, or (then they wait for it) longer.
        (20, 5, [(5, True), (15, False), (5, True), (15, False)]),
        (20, 20, [(20, True), (20, True)]),
        (5, 20, [(20, True), (20, True)]),
        (20, None, [(20, True), (20, True)]),
    ],
)
@pytest.mark.parametrize("said", [frame(PONG), frame(PING), HELLO, b"\x81"])
async def test_pings_of_a_peer_that_answers(
    interval: int, patience: int | None, calls: list[tuple[int, bool]], said: bytes
) -> None:
    """Anything that comes shows that it is there."""
    talk = await Talk(listen, ping_interval=interval, ping_timeout=patience).opened()
    for again, pinged in calls:
        assert talk.connection.due() == again
        assert talk.heard() == ([PINGED] if pinged else [])
        talk.say(said[:1])
        talk.transport.written.clear()
    talk.connection.connection_lost(None)


@pytest.mark.parametrize(("interval", "patience"), [(20, 5), (20, 20), (5, 20)])
async def test_a_silent_peer_is_dropped_when_its_time_is_over(interval: int, patience: int) -> None:
    talk = await Talk(ping_interval=interval, ping_timeout=patience).opened()
    assert talk.connection.due() == patience
    assert talk.connection.due() is None
    assert talk.transport.over == "aborted"
    assert ended_with(await talk.ended(), 1011) == [PINGED]


async def test_without_a_timeout_a_silent_peer_stays() -> None:
    talk = await Talk(ping_interval=20, ping_timeout=None).opened()
    assert [talk.connection.due() for _ in range(5)] == [20] * 5
    assert talk.heard() == [PINGED] * 5
    talk.say(END)
    await talk.ended()


async def test_without_an_interval_there_are_no_pings() -> None:
    talk = await Talk(ping_interval=0).opened()
    assert len(wheel_of(asyncio.get_running_loop())) == 0
    talk.say(END)
    await talk.ended()


async def test_a_connection_stands_on_the_wheel_while_it_is_open() -> None:
    wheel = wheel_of(asyncio.get_running_loop())
    talk = Talk()
    assert len(wheel) == 0
    await talk.opened()
    assert len(wheel) == 1
    talk.connection.connection_lost(None)
    assert len(wheel) == 0


async def test_who_is_not_read_from_is_not_taken_for_silent() -> None:
    """The application is slow, not the peer: its pong may wait behind the messages."""
    go = asyncio.Event()
    taken: asyncio.Queue[Message] = asyncio.Queue()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go.wait()
        while (message := await receive())["type"] == "websocket.receive":
            await taken.put(message)

    talk = await Talk(app, ping_interval=20, ping_timeout=10).opened()
    due = talk.connection.due
    assert due() == 10
    talk.say(HELLO * READ_AHEAD)
    assert not talk.transport.reading
    # What it said, a ping, no answer to be seen, and another ping.
    assert [due() for _ in range(4)] == [10] * 4
    assert not talk.transport.over
    go.set()
    for _ in range(READ_AHEAD):
        await asyncio.wait_for(taken.get(), WAIT)
    assert talk.transport.reading
    # A while after the last ping, so that what was read late still counts; then the next one, which isn't answered.
    assert [due(), due()] == [10, 10]
    assert due() is None
    assert talk.transport.over == "aborted"
    talk.connection.connection_lost(None)


# The handshake


async def test_the_scope() -> None:
    scopes: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await listen(scope, receive, send)

    talk = await Talk(app, root_path="/root").opened()
    [scope] = scopes
    assert scope.pop("extensions").keys() == {"websocket.http.response", "liveserver.viewer"}
    assert scope.pop("headers")[0] == (b"host", b"here")
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "/root",
        "path": "/root/path",
        "raw_path": b"/root/path",
        "query_string": b"query",
        "subprotocols": [],
        "state": {"a": 1},
    }
    assert b"\r\nserver: test\r\n" in talk.head
    talk.say(END)
    await talk.ended()


async def test_a_handshake_that_is_refused_starts_no_application() -> None:
    talk = Talk(version="1.0")
    assert talk.transport.written[0].startswith(b"HTTP/1.1 426 ")
    assert b"\r\nupgrade: websocket\r\n" in talk.transport.written[0]
    assert talk.transport.over == "closed"
    assert not talk.server.tasks
    talk.connection.connection_lost(None)
    assert not talk.server.connections
