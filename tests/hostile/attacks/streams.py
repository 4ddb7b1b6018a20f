"""Attacks on the streams of viewers that go on sending."""

from __future__ import annotations

import asyncio
import random
import struct
import zlib
from functools import cache
from itertools import count
from typing import TYPE_CHECKING

from tests.hostile.attacks.registry import attack
from tests.hostile.enemy import MEGABYTE, get, together

if TYPE_CHECKING:
    from tests.hostile.enemy import Enemy


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, deflated: bool = False) -> bytes:
    """A frame of a client's, masked with zeros (RFC 6455, 5.2)."""
    first = (0x80 if final else 0) | (0x40 if deflated else 0) | opcode
    size = len(payload)
    if size < 126:
        length = struct.pack("!B", 0x80 | size)
    elif size < 65_536:
        length = struct.pack("!BH", 0x80 | 126, size)
    else:
        length = struct.pack("!BQ", 0x80 | 127, size)
    return bytes([first]) + length + bytes(4) + payload


@cache
def bomb() -> bytes:
    """A megabyte of zeros, deflated to one."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_SYNC_FLUSH)
    return packed.removesuffix(b"\x00\x00\xff\xff")


async def _flood(enemy: Enemy, unit: bytes, *, kind: str = "ws", begin: bytes = b"", clients: int = 4) -> None:
    """One client at 2 MB a second, and the others at 0.1, each of pieces of 4 KB or one unit."""
    numbers = count()

    async def one(rate: float, piece: bytes) -> None:
        async with enemy.stream(kind) as link:
            reading = asyncio.ensure_future(link.drop())
            try:
                await link.send(begin)
                while not reading.done():
                    await link.send(piece)
                    enemy.done["sent KB"] += len(piece) // 1000
                    await asyncio.sleep(len(piece) / rate)
                enemy.done["closed"] += 1
            finally:
                reading.cancel()

    async def client() -> None:
        rate = 2 * MEGABYTE if next(numbers) % clients == 0 else MEGABYTE / 10
        piece = unit * max(1, int(rate / 50) // len(unit))
        await enemy.repeat(lambda: one(rate, piece), pause=0.2)

    await together(client() for _ in range(clients))


@attack
async def pings(enemy: Enemy) -> None:
    """Pings of 50 bytes."""
    await _flood(enemy, frame(9, b"p" * 50))


@attack
async def empty_pongs(enemy: Enemy) -> None:
    """Pongs without a payload: six bytes each, so the most frames for the bytes."""
    await _flood(enemy, frame(10))


@attack
async def texts(enemy: Enemy) -> None:
    """Short text messages: what a viewer may say, and what it may not."""
    await _flood(enemy, frame(1, b'{"type":"gone","id":"x"}') + frame(1, b"[" * 200))


@attack
async def continuations(enemy: Enemy) -> None:
    """A message of fragments without end, all of them empty, or of one byte."""
    await _flood(enemy, frame(0, final=False) + frame(0, b"a", final=False), begin=frame(1, b"{", final=False))


@attack
async def deflated_bombs(enemy: Enemy) -> None:
    """Small messages that inflate to a megabyte."""
    await _flood(enemy, frame(1, bomb(), deflated=True), kind="deflated", clients=2)


@attack
async def deflated_texts(enemy: Enemy) -> None:
    """Deflated messages, each of a few bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = (packer.compress(b'{"type":"x"}') + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")
    await _flood(enemy, frame(1, packed, deflated=True), kind="deflated")


@attack
async def half_frames(enemy: Enemy) -> None:
    """A frame that is announced as long, and of which a byte comes now and then, for ever: 100 of them."""
    begins = (b"\x81\xfe\xff\xff", b"\x81\xff" + bytes(4) + b"\xff" * 4, b"\x89\xfe\x01\x00", b"\x81")

    async def one() -> None:
        async with enemy.stream(random.choice(["ws", "deflated"])) as link:
            reading = asyncio.ensure_future(link.drop())
            try:
                await link.send(random.choice(begins))
                while not reading.done():
                    await link.send(b"a")
                    await asyncio.sleep(0.1)
                enemy.done["closed"] += 1
            finally:
                reading.cancel()

    await enemy.repeat(one, clients=100, pause=1.0)


@attack
async def talkative_sse(enemy: Enemy) -> None:
    """Readers of server-sent events that go on sending: requests, and what is none. One at 2 MB a second."""
    await _flood(enemy, random.choice([get("/healthz"), b"a" * 100]), kind="events")
