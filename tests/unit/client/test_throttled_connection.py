"""A stream whose server says more than it may: what is parsed of it, and when."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from liveserver.client.throttled_connection import SLICE, ThrottledConnection
from tests.support.viewers import PATIENCE

PING = Frame(Opcode.PING, b"").serialize(mask=False)
WORD = b'{"type":"x"}'
TEXT = Frame(Opcode.TEXT, WORD).serialize(mask=False)
QUEUE = 4


class Purse:
    """A throttle that says to wait as it is told."""

    def __init__(self) -> None:
        self.wait = 0.0
        self.spent: list[float] = []

    def spend(self, amount: float) -> float:
        self.spent.append(amount)
        return self.wait


class Socket(asyncio.Transport):
    """The socket that the connection reads from and writes to."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True
        self.written = b""
        self.aborted = False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


class Site:
    def __init__(self, max_size: int = 1_000) -> None:
        self.purse = Purse()
        self.socket = Socket()
        protocol = ClientProtocol(parse_uri("ws://test/"), state=OPEN, max_size=max_size)
        throttle: Any = self.purse
        self.connection = ThrottledConnection(protocol, throttle=throttle, max_queue=QUEUE)
        self.connection.response = Response(101, "", Headers())
        self.connection.connection_made(self.socket)

    @property
    def pongs(self) -> int:
        """Each is an empty frame with a mask."""
        return len(self.socket.written) // 6

    @property
    def waiting(self) -> int:
        return len(self.connection.recv_messages.frames)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.slow
async def test_a_few_kilobytes_are_parsed_in_a_turn() -> None:
    """However much the socket gave; and nothing more is read meanwhile."""
    site = Site()
    most = SLICE // len(PING)
    site.connection.data_received(PING * 100 * most)
    assert site.pongs == most
    assert not site.socket.reading
    await turns(3)
    assert most < site.pongs <= 4 * most
    while site.pongs < 100 * most:
        await turns(1)
    await turns(1)
    assert site.socket.reading
    assert sum(site.purse.spent) == 100 * most


async def test_pings_are_paid_for() -> None:
    site = Site()
    site.purse.wait = 3_600
    site.connection.data_received(PING * 10_000)
    await turns(10)
    assert site.pongs == SLICE // len(PING)
    assert not site.socket.reading
    site.connection.connection_lost(None)


async def test_fragments_are_paid_for() -> None:
    """Each but a message's first, be it empty: the reader pays for one message, however many frames it is made of."""
    site = Site()
    site.purse.wait = 3_600
    empty = Frame(Opcode.CONT, b"", fin=False).serialize(mask=False)
    site.connection.data_received(Frame(Opcode.TEXT, WORD, fin=False).serialize(mask=False) + empty * 10_000)
    reading = asyncio.create_task(site.connection.recv())
    await turns(10)
    assert site.purse.spent == [(SLICE - len(TEXT)) // len(empty)]
    assert not site.socket.reading
    reading.cancel()
    site.connection.connection_lost(None)


async def test_a_message_in_fragments_is_put_together() -> None:
    site = Site()
    middle = [Frame(Opcode.CONT, WORD[at : at + 1], fin=False).serialize(mask=False) for at in range(1, len(WORD))]
    frames = [
        Frame(Opcode.TEXT, WORD[:1], fin=False).serialize(mask=False),
        *middle,
        Frame(Opcode.CONT, b"", fin=True).serialize(mask=False),
    ]
    site.connection.data_received(b"".join(frames))
    async with asyncio.timeout(PATIENCE):
        assert await site.connection.recv() == WORD.decode()
    assert site.purse.spent == [len(WORD)]


async def test_messages_that_nobody_reads_stay_there() -> None:
    """Unparsed, or unread; each is there in the end, in order, and then it is read on."""
    site = Site()
    words = [str(number).encode() for number in range(3_000)]
    site.connection.data_received(b"".join(Frame(Opcode.TEXT, word).serialize(mask=False) for word in words))
    await turns(10)
    before = site.waiting
    assert before <= SLICE // 3
    assert not site.socket.reading
    # TLS may have some more at hand.
    site.connection.data_received(Frame(Opcode.TEXT, b"3000").serialize(mask=False))
    words.append(b"3000")
    await turns(3)
    assert site.waiting == before
    async with asyncio.timeout(PATIENCE):
        assert [await site.connection.recv(decode=False) for _ in words] == words
        while not site.socket.reading:
            await turns(1)
    assert site.purse.spent == [], "messages are paid for by those who read them"


async def test_what_comes_in_pieces_is_put_together() -> None:
    site = Site()
    for byte in TEXT * 3:
        site.connection.data_received(bytes([byte]))
        assert site.socket.reading
    assert [await site.connection.recv() for _ in range(3)] == [WORD.decode()] * 3


async def test_a_stream_that_cant_be_read_is_ended_at_once() -> None:
    """It is told why, and not heard any more."""
    site = Site(max_size=10)
    site.connection.data_received(TEXT + PING * 10_000)
    assert site.socket.aborted
    assert site.socket.written.startswith(b"\x88"), "a close"
    site.connection.connection_lost(None)
    with pytest.raises(ConnectionClosedError) as closed:
        await site.connection.recv()
    assert closed.value.sent is not None
    assert closed.value.sent.code == 1009
