"""The budget that limits what a viewer may send. Viewers need to send pongs, confirmations and a close only.

Each frame that a viewer sends costs some seconds, and time pays them off, as in `utils/limits/rate_limiter.py`. The
viewer keeps one number: the time up to which its budget is spent. This time may be at most SECONDS after the present.
The functions of this module do no I/O and keep nothing.
"""

from __future__ import annotations

from liveserver.utils.limits.rate_limiter import charged

FRAMES = 30
"""The number of frames that a viewer may send at once. In every `SECONDS` seconds after that, it may send as many.

A browser sends one pong in twenty seconds. A library that pings by itself sends perhaps one frame a second. A frame
costs us some 20 µs of processor time, so a thousand viewers that reach this limit take 6 % of a core.
"""

SECONDS = 10.0

FRAME_SECONDS = SECONDS / FRAMES
"""Seconds that one frame costs."""

FRAME_BYTES = 273
"""The number of bytes that count as one frame. So a viewer may send 8 KB in `SECONDS` seconds.

Even the largest confirmation counts as one frame only."""


def weight(frames: int, size: int) -> float:
    """Return the weight of some frames: their number, or `size / FRAME_BYTES` if that is greater.

    `frames`: the number of the frames. `size`: the size in bytes of all of them together.
    """
    return max(frames, size / FRAME_BYTES)


def spent(until: float, now: float, frames: float) -> float:
    """Return the time up to which a viewer's budget is spent after it has sent some more frames.

    `until`: the time up to which the budget was spent before. `frames`: the weight of these frames.
    """
    return charged(until, now, frames * FRAME_SECONDS)


def allowed(until: float, now: float, asked: int = 0) -> bool:
    """Return True if a viewer's budget may be spent up to the time `until`. Half a frame too much is tolerated.

    `asked`: how many answers the viewer was asked for. It may send that many frames more.
    """
    return until - now < SECONDS + (asked + 0.5) * FRAME_SECONDS
