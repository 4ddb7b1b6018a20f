"""The C library's heap, where it is glibc's: what large answers and many connections took goes back to the system."""

from __future__ import annotations

import ctypes
import platform

LARGE = 128 * 1024
"""Bytes from which an allocation is a mapping of its own.

It is what glibc begins with (mallopt(3)). Unless it is set, it grows with the largest allocation that was freed:
answers of hundreds of entries then stand between small things that stay, and leave holes."""

TRIM = 4 * 1024 * 1024
"""Bytes at the heap's end that may be free before they are given back.

With 128 KB, viewers that connect made the heap's end go back and forth: 156 instead of 138 µs a connect, medians of 6
(docs/performance.md)."""

LEFT = 500
"""Connections fewer than there were, from which on what lies free between those that stay is given back.

A thousand TLS connections that have left leave some 30 MB, which glibc gives back only from the heap's end."""

LEFT_SECONDS = 10.0
"""Seconds until that may be done again: it takes 5 ms for 50 MB, and ten times as long where the machine is busy."""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def give_back() -> bool:
    """Let it be so for this process; whether the C library can."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE) and mallopt(_M_TRIM_THRESHOLD, TRIM))


def trim() -> bool:
    """Give back what is free now, wherever it lies; whether there was any."""
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).malloc_trim(0))


class Departures:
    """Counts the connections that have left, to tell when to trim the heap. Pure; times are in seconds."""

    def __init__(self) -> None:
        self._most = 0
        """Connections there were at once since it was last done."""
        self._not_before = 0.0

    def many(self, connections: int, now: float) -> bool:
        """Whether so many have left, of which so many are there now, that it is worth while: ask each second or so."""
        self._most = max(self._most, connections)
        if self._most - connections < LEFT or now < self._not_before:
            return False
        self._most = connections
        self._not_before = now + LEFT_SECONDS
        return True
