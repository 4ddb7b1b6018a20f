"""The budget of what a viewer may send. It is there to read: it needs to send pongs, confirmations and a close only.

Each frame is charged some seconds, and the sum may be ahead of the clock by SECONDS, as in
`utils/limits/rate_limiter.py`; the viewer keeps that one number itself. Pure.
"""

from __future__ import annotations

from liveserver.utils.limits.rate_limiter import charged

FRAMES = 30
"""Frames that a viewer may send at once, and again in each `SECONDS`.

A browser sends one pong in twenty seconds, a library that pings by itself perhaps one frame a second. A frame costs
some 20 µs of processor time: a thousand viewers at this limit take 6 % of a core.
"""

SECONDS = 10.0

FRAME_SECONDS = SECONDS / FRAMES
"""Seconds that a frame is charged with."""

FRAME_BYTES = 273
"""Bytes that count as a frame, so that 8 KB may come in `SECONDS`. The largest confirmation counts as one frame."""


def weight(frames: int, size: int) -> float:
    """Return the weight, in frames, of so many frames with so many bytes together."""
    return max(frames, size / FRAME_BYTES)


def spent(until: float, now: float, frames: float) -> float:
    """Charge frames of a weight to a viewer that is charged up to `until`; return the new time."""
    return charged(until, now, frames * FRAME_SECONDS)


def allowed(until: float, now: float, asked: int = 0) -> bool:
    """True if a viewer that was asked for `asked` answers may be charged up to `until`. Half a frame is tolerated."""
    return until - now < SECONDS + (asked + 0.5) * FRAME_SECONDS
