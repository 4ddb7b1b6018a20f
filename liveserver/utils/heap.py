"""Settings and calls of glibc's heap, so that freed memory is given back to the operating system.

Large answers and many connections leave freed memory in the heap.
"""

from __future__ import annotations

import ctypes
import platform

LARGE = 128 * 1024
"""The size, in bytes, of the smallest allocation that gets a memory mapping of its own.

This is also glibc's initial value (mallopt(3)). But if a program doesn't set the value, glibc raises it to the size of
the largest allocation that was freed. Then an answer of hundreds of entries would lie in the heap, between small
objects that are kept for longer. When the answer is freed, there would be a hole between these objects."""

TRIM = 4 * 1024 * 1024
"""The number of free bytes that the heap may have at its end. If there are more, glibc gives nearly all of them back.

With 128 KB here, glibc often grew and cut the heap while viewers connected. A connect took 156 µs instead of 138 µs
(medians of 6 measurements; docs/performance.md)."""

LEFT = 500
"""The fall in the number of connections after which the heap is trimmed.

The fall is counted from the greatest number of connections since the last trim.

After a thousand TLS connections have left, the heap has some 30 MB of free memory. By itself, glibc gives back only the
part at the heap's end."""

LEFT_SECONDS = 10.0
"""The least number of seconds between two trims of the heap.

A trim takes 5 ms for 50 MB, and ten times as long on a busy machine."""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def give_back() -> bool:
    """Set LARGE and TRIM for this process. Returns True if the C library is glibc and accepts both."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE) and mallopt(_M_TRIM_THRESHOLD, TRIM))


def trim() -> bool:
    """Give all free memory of the heap back to the operating system, not only the memory at the heap's end.

    Returns True if any memory was given back. Returns False if there was nothing to give back, or if the C
    library isn't glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).malloc_trim(0))


class Departures:
    """A check of whether so many connections have left that the heap should be trimmed. It does no I/O."""

    def __init__(self) -> None:
        self._most = 0
        """The greatest number of connections that were open at the same time since the last trim."""
        self._not_before = 0.0

    def many(self, connections: int, now: float) -> bool:
        """Return True if the heap should be trimmed now, according to `LEFT` and `LEFT_SECONDS`.

        Call this about once a second, and trim the heap after each True. `connections`: the present number of
        connections. `now`: the seconds since any fixed moment.
        """
        self._most = max(self._most, connections)
        if self._most - connections < LEFT or now < self._not_before:
            return False
        self._most = connections
        self._not_before = now + LEFT_SECONDS
        return True
