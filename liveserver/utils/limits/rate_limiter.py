"""Limits on rates, by the generic cell rate algorithm. Its state is one float, `paid_off`.

Each event adds some seconds to a debt, which time pays off, and the debt is limited. That is a token bucket, expressed
by the time when it will be full. `RateLimiter` keeps that float for each of many keys, `Throttle` keeps one, and a
viewer has its own (`realtime/transport/viewer_budget.py`).
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

DEBTORS_MAX = 16_384
"""Keys that a limiter keeps, some 3 MB. Going through them takes 5 ms, once in at least half as many new keys."""

INEXACT = 1e-9
"""Seconds by which sums of times may be off: a client that has waited as long as it was told must be let in."""


def charged(paid_off: float, now: float, seconds: float) -> float:
    """Add seconds to a debt that is paid off at `paid_off`; return the time when it will be paid off then."""
    return paid_off + seconds if paid_off > now else now + seconds


class RateLimiter:
    """A limiter that allows `rate` events a second for each key, and up to `burst` at once after a pause.

    Each event adds `1 / rate` seconds to its key's debt, which time pays off; an event that would make the debt more
    than `burst` such steps is refused. When there are too many keys, those without debt are forgotten, which changes
    nothing for them; if they are too few, so are the keys with the smallest debts. To get a debt forgotten, one needs
    as many other keys with larger debts.

    `clock` returns seconds from any beginning.
    """

    __slots__ = ("_clock", "_paid_off", "_step", "_tolerance", "burst", "rate")

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._step = 1 / rate
        self._tolerance = (burst - 1) / rate
        """Seconds of debt up to which one more event is allowed."""
        self._paid_off: dict[Hashable, float] = {}
        """The time at which each key's debt will be paid off."""

    def __len__(self) -> int:
        return len(self._paid_off)

    def take(self, key: Hashable) -> float:
        """Count an event if it is allowed, and return 0; else return the seconds until one will be allowed."""
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
        """Return the seconds until an event of the key will be allowed; 0 if one is allowed now. Counts nothing."""
        owed = self._paid_off.get(key, -math.inf) - self._clock()
        return owed - self._tolerance if owed > self._tolerance + INEXACT else 0.0

    def reserve(self, key: Hashable, longest: float) -> float:
        """Count an event that happens in any case, and return the seconds that it is to wait: `longest` at most.

        The debt stops growing there: from then on each event waits for `longest`, and they come more often than `rate`.
        """
        now = self._clock()
        wait = self.take(key)
        if wait:
            wait = min(wait, longest)
            self._paid_off[key] = now + self._tolerance + min(wait + self._step, longest)
        return wait

    def owe(self, key: Hashable, events: int) -> None:
        """Count events of a key in debt that have happened already, allowed or not: its next ones wait longer."""
        paid_off = self._paid_off.get(key)
        if paid_off is not None:
            self._paid_off[key] = charged(paid_off, self._clock(), events * self._step)

    def _forget(self, now: float) -> None:
        """Forget at least half of DEBTORS_MAX keys."""
        self._keep(now)
        if len(self._paid_off) > DEBTORS_MAX // 2:
            self._keep(sorted(self._paid_off.values())[-DEBTORS_MAX // 2])

    def _keep(self, after: float) -> None:
        """Keep only keys whose debts will be paid off after a time."""
        self._paid_off = {key: paid_off for key, paid_off in self._paid_off.items() if paid_off > after}


class Throttle:
    """A limiter of amounts: `most` at once, and `rate` a second. `clock` returns seconds from any beginning."""

    __slots__ = ("_clock", "_paid_off", "_rate", "_tolerance")

    def __init__(self, most: float, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._tolerance = most / rate
        self._clock = clock
        self._paid_off = clock()

    def spend(self, amount: float) -> float:
        """Spend an amount in any case; return the seconds to wait until it is allowed. Later amounts wait longer."""
        now = self._clock()
        self._paid_off = charged(self._paid_off, now, amount / self._rate)
        return max(0.0, self._paid_off - now - self._tolerance)
