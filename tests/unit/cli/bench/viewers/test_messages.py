"""Reading what viewers get."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Opcode
from websockets.frames import Frame as WebSocketFrame

from liveserver.cli.bench.errors import Broken
from liveserver.cli.bench.viewers.messages import (
    MESSAGE_MAX,
    Change,
    End,
    Farewell,
    Hello,
    Mark,
    Message,
    Ping,
    Reset,
    meaning,
    read_chunks,
    read_events,
    read_frames,
)
from liveserver.domain.change import Position
from liveserver.protocol import messages
from liveserver.protocol.frames import Frame

MARK = Mark("0123abcd", 7, 1234.5)
ENTRY = messages.entry_message(43, {"body": f"<p>{MARK} {'élan ' * 60}</p>", "html": f"<p>{MARK}</p>"})


def bytes_of(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    return WebSocketFrame(opcode, payload, fin=fin).serialize(mask=False)


STREAM = b"".join(
    [
        Frame(messages.hello(Position("abc", 42), resumed=True, heartbeat=25)).ws,
        Frame(ENTRY).ws_deflated,
        bytes_of(Opcode.PING, b"hm"),
        Frame(messages.delete_message(44, "x")).ws,
        Frame(messages.heartbeat(44, 9)).ws,
        Frame(messages.liveblog_message(45, {"title": "é" * 40_000})).ws,
        Frame(messages.reset(Position("def", 1))).ws,
        Frame(messages.reconnect(1500)).ws,
        bytes_of(Opcode.CLOSE, Close(1012, "").serialize()),
    ]
)
SAID: list[Message] = [
    Hello("abc", 42, True),
    Change(43, MARK),
    Ping(b"hm"),
    Change(44, None),
    Change(45, None),
    Reset("def", 1),
    Farewell(1.5),
    End(1012),
]


def test_mark_survives_its_text() -> None:
    assert Mark.find(f"<p>{MARK}</p>".encode()) == MARK
    assert Mark.find(b"bench-0123abcd-7-12") is None


def test_every_message_of_a_stream() -> None:
    assert read_frames(STREAM) == (SAID, len(STREAM))


@given(st.lists(st.integers(1, 4000), max_size=40))
def test_frames_in_pieces(sizes: list[int]) -> None:
    """However the bytes come, the same messages come out, and nothing is taken of a message that isn't whole."""
    cuts = [0, *(at for at in accumulate(sizes) if at < len(STREAM)), len(STREAM)]
    said, held = [], b""
    for start, end in pairwise(cuts):
        found, used = read_frames(held + STREAM[start:end])
        said += found
        held = (held + STREAM[start:end])[used:]
    assert said == SAID
    assert held == b""


def test_frames_byte_by_byte() -> None:
    stream = Frame(ENTRY).ws_deflated + bytes_of(Opcode.PING, b"")
    ends = {read_frames(stream[:length])[1] for length in range(len(stream) + 1)}
    assert ends == {0, len(stream) - 2, len(stream)}


def test_a_fragmented_message_with_a_ping_in_its_midst() -> None:
    """It is one message; the ping is answered with it (RFC 6455, 5.4)."""
    parts = [
        bytes_of(Opcode.TEXT, ENTRY[:50], fin=False),
        bytes_of(Opcode.PING, b"?"),
        bytes_of(Opcode.CONT, ENTRY[50:80], fin=False),
        bytes_of(Opcode.CONT, ENTRY[80:]),
    ]
    assert read_frames(b"".join(parts)) == ([Ping(b"?"), Change(43, MARK)], sum(map(len, parts)))
    assert read_frames(b"".join(parts[:3])) == ([], 0)


def test_a_deflated_message_in_fragments() -> None:
    deflate = PerMessageDeflate(True, True, 15, 15)
    first = WebSocketFrame(Opcode.TEXT, ENTRY[:100], fin=False).serialize(mask=False, extensions=[deflate])
    second = WebSocketFrame(Opcode.CONT, ENTRY[100:]).serialize(mask=False, extensions=[deflate])
    assert read_frames(first + second)[0] == [Change(43, MARK)]


def test_a_close_without_a_code() -> None:
    assert read_frames(bytes_of(Opcode.CLOSE, b"")) == ([End(1005)], 2)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (WebSocketFrame(Opcode.TEXT, ENTRY).serialize(mask=True), "masked"),
        (b"\xf1\x02{}", "0xf1"),
        (b"\x83\x00", "0x83"),
        (b"\x80\x00", "out of place"),
        (bytes_of(Opcode.TEXT, b"{", fin=False) + bytes_of(Opcode.TEXT, b"}"), "out of place"),
        (b"\x81\x7f" + (MESSAGE_MAX + 1).to_bytes(8, "big"), "bytes"),
        (b"\xc1\x02\xff\xff", "inflated"),
        (bytes_of(Opcode.TEXT, b"{"), "not a message"),
        (bytes_of(Opcode.TEXT, b'{"type":"entry"}'), "not a message"),
    ],
)
def test_what_no_server_may_send(data: bytes, complaint: str) -> None:
    with pytest.raises(Broken, match=complaint):
        read_frames(data)


def test_events() -> None:
    """Events as our server writes them, and as the standard allows them to be written."""
    stream = (
        b"retry: 3000\n"
        + Frame(messages.hello(Position("abc", 42), resumed=False, heartbeat=25)).sse
        + Frame(ENTRY, Position("abc", 43)).sse
        + b": a comment\r\n\r\n"
        + b'data:{"type":"delete",\r\ndata: "seq":44,"id":"x"}\r\n\r\n'
    )
    expected = [Hello("abc", 42, False), Change(43, MARK), Change(44, None)]
    assert read_events(stream) == (expected, len(stream))
    said, held = [], b""
    for number in range(len(stream)):
        found, used = read_events(held + stream[number : number + 1])
        said += found
        held = (held + stream[number : number + 1])[used:]
    assert (said, held) == (expected, b"")


def test_chunks() -> None:
    data = b"5\r\nhello\r\n1;x=y\r\n \r\n3\r\nyou"
    assert read_chunks(data) == (b"hello ", len(data) - 6, False)
    assert read_chunks(b"3\r\nyou\r\n0\r\n\r\n") == (b"you", 13, True)
    assert read_chunks(b"3") == (b"", 0, False)
    with pytest.raises(Broken):
        read_chunks(b"hello\r\n")


def test_types_that_do_not_matter() -> None:
    assert meaning(b'{"type":"weather"}') == []
