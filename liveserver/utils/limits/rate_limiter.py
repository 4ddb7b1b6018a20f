"""How often something may happen: the generic cell rate algorithm. Its state is one float, `paid_off`.

Each event takes up time, as a debt that time pays off. So much of it may be owed at once, and no more: that is a token
bucket, told by when it will be full. `RateLimiter` keeps the float of each of many keys, `Throttle` one of its own, and
a viewer has its own in itself (`realtime/transport/viewer_budget.py`).
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

DEBTORS_MAX = 16_384
"""Keys of one limiter, some 3 MB of them. Going through them takes 5 ms, and at least half as many new keys to come."""

INEXACT = 1e-9
"""Seconds by which sums of a clock's may be off: who has waited for as long as it was told is let in."""


def charged(paid_off: float, now: float, seconds: float) -> float:
    """When a debt will be paid off that was to be so by `paid_off`, once so many seconds are added to it."""
    return paid_off + seconds if paid_off > now else now + seconds


class RateLimiter:
    """Allows `rate` events a second for each key, and as many as `burst` at once after a pause.

    Each event puts its key `1 / rate` seconds into debt, which time pays off; one that would put it more than `burst`
    such steps into debt is refused. Keys out of debt are as good as unknown and are forgotten when there are too many;
    if not enough are, so are those who owe least. To have a debt forgotten takes as many other keys that owe more.

    `clock`: seconds, of any beginning.
    """

    __slots__ = ("_clock", "_paid_off", "_step", "_tolerance", "burst", "rate")

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._step = 1 / rate
        self._tolerance = (burst - 1) / rate
        """Seconds of debt with which one more is allowed."""
        self._paid_off: dict[Hashable, float] = {}
        """When each key will be out of debt."""

    def __len__(self) -> int:
        return len(self._paid_off)

    def take(self, key: Hashable) -> float:
        """0 for an event that is allowed, and counted; else the seconds until the next one will be."""
        now = self._clock()
        paid_off = self._paid_off.get(key)
        if paid_off is None:
            if len(self._paid_off) >= DEBTORS_MAX:
                self._forget(now)
            paid_off = now
        elif paid_off - now > self._tolerance + INEXACT:
            return paid_off - now - self._tolerance
        self._paid_off[key] = charged(paid_off, now, self._step)
        return 0.0

    def wait(self, key: Hashable) -> float:
        """The seconds until an event of the key will be allowed, 0 if one is; nothing is counted."""
        owed = self._paid_off.get(key, -math.inf) - self._clock()
        return owed - self._tolerance if owed > self._tolerance + INEXACT else 0.0

    def reserve(self, key: Hashable, longest: float) -> float:
        """Count an event that happens in any case, and return the seconds that it is to wait for: `longest` at most.

        What waits for so long pays off no more than what waited before it: those who ask without end wait no longer.
        """
        now = self._clock()
        wait = self.take(key)
        if wait:
            wait = min(wait, longest)
            self._paid_off[key] = now + self._tolerance + min(wait + self._step, longest)
        return wait

    def owe(self, key: Hashable, events: int) -> None:
        """Count events that have happened already, of a key that is allowed or not: the next ones wait for longer."""
        paid_off = self._paid_off.get(key)
        if paid_off is not None:
            self._paid_off[key] = charged(paid_off, self._clock(), events * self._step)

    def _forget(self, now: float) -> None:
        """Make room for half as many keys as there may be, at least."""
        self._keep(now)
        if len(self._paid_off) > DEBTORS_MAX // 2:
            self._keep(sorted(self._paid_off.values())[-DEBTORS_MAX // 2])

    def _keep(self, least: float) -> None:
        """Forget who will be out of debt by then."""
        self._paid_off = {key: paid_off for key, paid_off in self._paid_off.items() if paid_off > least}


class Throttle:
    """What somebody may spend: `most` at once, and `rate` a second from then on. `clock`: as above."""

    __slots__ = ("_clock", "_paid_off", "_rate", "_tolerance")

    def __init__(self, most: float, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._tolerance = most / rate
        self._clock = clock
        self._paid_off = clock()

    def spend(self, amount: float) -> float:
        """Take an amount, be it there or not; the seconds that it is to be waited for. The next one waits longer."""
        now = self._clock()
        self._paid_off = charged(self._paid_off, now, amount / self._rate)
        return max(0.0, self._paid_off - now - self._tolerance)
