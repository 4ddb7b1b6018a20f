"""The budget that limits what a viewer may send. Viewers need to send only pongs, confirmations and a close.

Each frame that a viewer sends adds some seconds to the viewer's debt. As time passes, the debt is paid off, as in
`utils/limits/rate_limiter.py`. The viewer keeps one number: the time when its debt will be paid off. The budget is
used up when this time is SECONDS from now, or later. The functions of this module do no I/O and keep no state.
"""

from __future__ import annotations

from liveserver.utils.limits.rate_limiter import charged

FRAMES = 30
"""The number of frames that a viewer may send at once. After that, it may send as many in every `SECONDS` seconds.

A browser sends one pong in twenty seconds. A library that pings by itself sends perhaps one frame a second. A frame
costs us some 20 µs of processor time, so a thousand viewers that reach this limit use 6 % of a core.
"""

SECONDS = 10.0

FRAME_SECONDS = SECONDS / FRAMES
"""Seconds that one frame adds to the debt."""

FRAME_BYTES = 273
"""The number of bytes that count as one frame. So a viewer may send 8 KB in `SECONDS` seconds.

Even the largest confirmation counts as one frame only."""


def weight(frames: int, size: int) -> float:
    """Return the weight of some frames: their number, or `size / FRAME_BYTES` if that is greater.

    `frames`: the number of the frames. `size`: the size in bytes of all of them together.
    """
    return max(frames, size / FRAME_BYTES)


def spent(until: float, now: float, frames: float) -> float:
    """Return the time when a viewer's debt will be paid off, with some new frames added to the debt.

    `until`: the time when the debt without the new frames is paid off. `frames`: the new frames' weight (see `weight`).
    All times are seconds of the same clock.
    """
    return charged(until, now, frames * FRAME_SECONDS)


def allowed(until: float, now: float, asked: int = 0) -> bool:
    """Return True if a viewer's debt is within the budget, or exceeds the budget by less than half a frame.

    `until`: the time when the debt will be paid off. `asked`: the number of answers that the viewer was asked for. The
    budget has one more frame for each of these answers.
    """
    return until - now < SECONDS + (asked + 0.5) * FRAME_SECONDS
