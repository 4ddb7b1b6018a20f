"""The heap of glibc: memory that large answers and many connections took is given back to the system."""

from __future__ import annotations

import ctypes
import platform

LARGE = 128 * 1024
"""Bytes from which an allocation gets a mapping of its own.

This is glibc's initial value (mallopt(3)). Unless it is set, it grows with the largest allocation that was freed. Then
answers of hundreds of entries are allocated between small objects that stay, and leave holes."""

TRIM = 4 * 1024 * 1024
"""Bytes at the heap's end that may be free before they are given back.

With 128 KB, connecting viewers made the heap's end go back and forth: a connect took 156 instead of 138 µs, medians of
6 (docs/performance.md)."""

LEFT = 500
"""Connections that must have left before the heap is trimmed.

A thousand TLS connections leave some 30 MB behind, which glibc by itself gives back only at the heap's end."""

LEFT_SECONDS = 10.0
"""Seconds before it may be trimmed again: trimming takes 5 ms for 50 MB, and ten times as long on a busy machine."""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def give_back() -> bool:
    """Set LARGE and TRIM for this process; True if the C library can do that."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE) and mallopt(_M_TRIM_THRESHOLD, TRIM))


def trim() -> bool:
    """Give back all free memory, wherever it lies; True if there was any."""
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).malloc_trim(0))


class Departures:
    """A count of connections that have left, which says when to trim the heap. Pure; times are in seconds."""

    def __init__(self) -> None:
        self._most = 0
        """The most connections at a time since the heap was trimmed last."""
        self._not_before = 0.0

    def many(self, connections: int, now: float) -> bool:
        """True if so many connections have left that the heap should be trimmed. Call this each second or so.

        `connections`: the present number.
        """
        self._most = max(self._most, connections)
        if self._most - connections < LEFT or now < self._not_before:
            return False
        self._most = connections
        self._not_before = now + LEFT_SECONDS
        return True
