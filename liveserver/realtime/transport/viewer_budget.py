"""How much a viewer may say. It is there to listen: pongs, the answer to a takedown and a close are all it has to say.

What it says takes up time, and it may be so far ahead of the clock (`utils/limits/rate_limiter.py`; it keeps its one
number itself). So much may come at once, and that much again in each such time. Pure.
"""

from __future__ import annotations

from liveserver.utils.limits.rate_limiter import charged

FRAMES = 30
"""Frames that a viewer may send at once, and in each `SECONDS` again.

A browser sends one pong in twenty seconds, a library that pings by itself perhaps one frame a second. A frame costs
some 20 µs of processor time: a thousand viewers at this bound take 6 % of a core.
"""

SECONDS = 10.0

FRAME_SECONDS = SECONDS / FRAMES
"""The time that a frame takes up."""

FRAME_BYTES = 273
"""Bytes that count as a frame, so that 8 KB may come in `SECONDS`; the largest answer to a takedown counts as one."""


def weight(frames: int, size: int) -> float:
    """As how many frames they count that have so many bytes together."""
    return max(frames, size / FRAME_BYTES)


def spent(until: float, now: float, frames: float) -> float:
    """Until when what a viewer has said takes up, if it was `until`, and frames of that weight come now."""
    return charged(until, now, frames * FRAME_SECONDS)


def allowed(until: float, now: float, asked: int = 0) -> bool:
    """Whether a viewer may have said that much, of whom so many answers were asked. Half a frame is no matter."""
    return until - now < SECONDS + (asked + 0.5) * FRAME_SECONDS
