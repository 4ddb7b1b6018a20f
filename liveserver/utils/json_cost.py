"""A limit on the values of a JSON text, checked by one scan, so that no text is parsed that makes too many objects.

A parser lets nothing else run until it is done, not even if it runs in a thread. A megabyte of text takes it a
millisecond and a megabyte of memory; a megabyte of empty lists takes forty times as long, and twenty times the memory.
"""

from __future__ import annotations

import asyncio

VALUES_MAX = 100_000
"""Names, values and the signs between them that a text may have. The longest page of changes, with 25 entries of 200
corrections each, has 60,000."""
SLICE = 128 * 1024
"""Bytes that are scanned at a time, which takes 3 ms at most."""


async def has_too_many(text: bytes) -> bool:
    """True if a JSON text has more than `VALUES_MAX` names, values and signs. The event loop has its turns meanwhile.

    In a text that isn't JSON, at least the part is counted that a parser reads before it finds out.
    """
    count = start = 0
    # 1 if the slice begins within a string, else 0.
    in_string = 0
    while start < len(text):
        piece = text[start : start + SLICE]
        start += len(piece)
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2 and start < len(text):
            # The last backslash escapes a character of the next slice: put it there, too.
            piece = piece[:-1]
            start -= 1
        plain = piece.replace(rb"\\", b"").replace(rb"\"", b"")
        quotes = plain.count(b'"')
        # Every other quotation mark begins a string.
        count += (quotes + 1 - in_string) // 2
        if count > VALUES_MAX:
            return True
        structure = b"".join(plain.split(b'"')[in_string::2])
        in_string ^= quotes & 1
        # Each value that isn't a string begins after one of these.
        count += sum(map(structure.count, (b",", b":", b"[", b"{")))
        if count > VALUES_MAX:
            return True
        if start < len(text):
            await asyncio.sleep(0)
    return False
