"""The C library's heap, where it is glibc's: what large answers took goes back to the system when they are sent."""

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

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def give_back() -> bool:
    """Let it be so for this process; whether the C library can."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE) and mallopt(_M_TRIM_THRESHOLD, TRIM))
