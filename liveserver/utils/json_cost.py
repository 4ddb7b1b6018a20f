"""How many values a JSON text has, found out by looking over it once: what would make too many objects isn't parsed.

A parser lets nobody else run until it is done, in a thread neither. A megabyte of text is a millisecond's work and a
megabyte of memory; a megabyte of empty lists takes forty times as long, and twenty times the memory.
"""

from __future__ import annotations

import asyncio

VALUES_MAX = 100_000
"""Names and values of a text, and the signs between them. The longest page of changes, 25 entries of 200 corrections
each, has 60,000."""
SLICE = 128 * 1024
"""Bytes that are looked over at once, in 3 ms if they are what takes longest."""


async def has_too_many(text: bytes) -> bool:
    """Whether a JSON text has more than `VALUES_MAX` names, values and signs; the event loop has its turns meanwhile.

    Of what is no JSON, that much is counted which a parser reads before it finds out.
    """
    found = start = 0
    # 1 where a slice begins within a string.
    within = 0
    while start < len(text):
        piece = text[start : start + SLICE]
        start += len(piece)
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2 and start < len(text):
            # What the last backslash escapes is in the next slice.
            piece = piece[:-1]
            start -= 1
        plain = piece.replace(rb"\\", b"").replace(rb"\"", b"")
        quotes = plain.count(b'"')
        # Every other one begins a string.
        found += (quotes + 1 - within) // 2
        if found > VALUES_MAX:
            return True
        structure = b"".join(plain.split(b'"')[within::2])
        within ^= quotes & 1
        # Each value that is no string begins after one of these.
        found += sum(map(structure.count, (b",", b":", b"[", b"{")))
        if found > VALUES_MAX:
            return True
        if start < len(text):
            await asyncio.sleep(0)
    return False
