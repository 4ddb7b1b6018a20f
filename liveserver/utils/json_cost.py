"""A check, before a JSON text is parsed, of whether parsing it would cost too much.

The check counts the text's strings, commas, colons and opening brackets. If there are too many, the caller must refuse
the text.

A JSON parser lets no other code run until it has finished, even if it runs in a thread. For a megabyte of plain text it
needs a millisecond and a megabyte of memory. For a megabyte of empty lists it needs forty times as long, and twenty
times as much memory.
"""

from __future__ import annotations

import asyncio

VALUES_MAX = 100_000
"""The greatest number of strings, commas, colons and opening brackets in a JSON text, counted together.

The longest page of changes, with 25 entries of 200 corrections each, has 60,000."""
SLICE = 128 * 1024
"""The number of bytes that are scanned in one turn of the event loop. Scanning them takes 3 ms at most."""


async def has_too_many(text: bytes) -> bool:
    """Return True if a JSON text has more than `VALUES_MAX` strings, commas, colons and opening brackets together.

    The text is scanned slice by slice, and other tasks can run between two slices. If the text isn't JSON, the part
    after the first error may be counted wrongly. This does no harm, as a parser stops at this error.
    """
    count = start = 0
    # 1 if the slice begins within a string, else 0.
    in_string = 0
    while start < len(text):
        piece = text[start : start + SLICE]
        start += len(piece)
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2 and start < len(text):
            # The last backslash escapes the first character of the next slice: let the next slice begin with it.
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
        # Each value that isn't a string begins with or after one of these signs.
        count += sum(map(structure.count, (b",", b":", b"[", b"{")))
        if count > VALUES_MAX:
            return True
        if start < len(text):
            await asyncio.sleep(0)
    return False
