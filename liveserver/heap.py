"""The C library's heap, where it is glibc's: what large answers took goes back to the system when they are sent."""

from __future__ import annotations

import ctypes
import platform

LARGE = 128 * 1024
"""Bytes from which an allocation is a mapping of its own, and from which free memory at the heap's end is given back.

It is what glibc begins with (mallopt(3)). Unless it is set, it grows with the largest allocation that was freed:
answers of hundreds of entries then stand between small things that stay, and leave holes."""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def give_back() -> bool:
    """Let it be so for this process; whether the C library can."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE) and mallopt(_M_TRIM_THRESHOLD, LARGE))
