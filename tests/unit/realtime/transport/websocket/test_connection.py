"""A WebSocket connection and its application, in memory: what Autobahn's cases ask of a server, group by group.

The numbers in the comments are those of Autobahn's test suite. How a connection ends is in
`test_connection_end.py`, permessage-deflate in `test_connection_deflate.py`, and keeping alive in
`test_connection_keepalive.py`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.realtime.transport.websocket.receive_queue import READ_AHEAD
from tests.support.websocket_peer import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    WAIT,
    chopped,
    close,
    deflated,
    fragments,
    frame,
    inflated,
)
from tests.support.websocket_talk import (
    DEFLATE,
    END,
    HEARD,
    HELLO,
    KOSME,
    MAX_SIZE,
    Talk,
    ended_with,
    listen,
    packets,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Answers = list[tuple[int, bytes]]

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
    """Messages before it are echoed, then the connection fails, and messages after it aren't answered."""
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
