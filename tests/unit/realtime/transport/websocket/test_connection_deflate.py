"""permessage-deflate: what is agreed on, and messages that are deflated (Autobahn's groups 12 and 13, RFC 7692)."""

from __future__ import annotations

import pytest

from tests.support.websocket_peer import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    chopped,
    deflated,
    fragments,
    frame,
    inflated,
)
from tests.support.websocket_talk import DEFLATE, END, KOSME, MAX_SIZE, Talk, ended_with


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
