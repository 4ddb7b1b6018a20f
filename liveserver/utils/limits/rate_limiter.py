"""Limits on rates, by the generic cell rate algorithm. The algorithm's state is one float, `paid_off`.

Each event adds some seconds to a debt. As time passes, the debt is paid off. An event is refused if it would make the
debt too large. `paid_off` is the time when the whole debt will be paid off. A token bucket is equivalent: its state
would be the time when the bucket will be full. `RateLimiter` keeps a `paid_off` for each of many keys. `Throttle` keeps
a single `paid_off`. Each viewer has its own `paid_off` (`realtime/transport/viewer_budget.py`).
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

DEBTORS_MAX = 16_384
"""The greatest number of keys that a `RateLimiter` keeps. The keys use some 3 MB.

Before a limiter with so many keys adds a new key, it forgets at least half of the keys. That takes 5 ms."""

INEXACT = 1e-9
"""Seconds by which a sum of times may be wrong through rounding.

Without this allowance, a client that has waited for the time it was told could be refused again."""


def charged(paid_off: float, now: float, seconds: float) -> float:
    """Add `seconds` to a debt, and return the time when the debt will be paid off.

    `paid_off`: the time when the debt would be, or was, paid off without these seconds.
    """
    return paid_off + seconds if paid_off > now else now + seconds


class RateLimiter:
    """A limiter that allows `rate` events a second for each key, and up to `burst` at once after a pause.

    Each event adds `1 / rate` seconds to its key's debt. As time passes, the debt is paid off. An event that would make
    the debt larger than `burst / rate` seconds is refused.

    When there are too many keys, the limiter forgets the keys without debt, which changes nothing for them. If too many
    keys remain, it forgets the keys with the smallest debts, too. So a client that wants its debt forgotten needs
    thousands of other keys with larger debts.

    `clock`: a function that returns the seconds since any fixed moment.
    """

    __slots__ = ("_clock", "_paid_off", "_step", "_tolerance", "burst", "rate")

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._step = 1 / rate
        self._tolerance = (burst - 1) / rate
        """The greatest debt, in seconds, with which a key is allowed one more event."""
        self._paid_off: dict[Hashable, float] = {}
        """The time at which each key's debt will be paid off."""

    def __len__(self) -> int:
        return len(self._paid_off)

    def take(self, key: Hashable) -> float:
        """Count an event of the key, and return 0, if the event is allowed.

        If the event isn't allowed, count nothing, and return the seconds until an event of the key will be allowed.
        """
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
        """Return the seconds until an event of the key will be allowed; 0 if it is allowed now. Nothing is counted."""
        owed = self._paid_off.get(key, -math.inf) - self._clock()
        return owed - self._tolerance if owed > self._tolerance + INEXACT else 0.0

    def reserve(self, key: Hashable, longest: float) -> float:
        """Count an event that is delayed, but never refused. Returns the seconds it must wait: at most `longest`.

        The debt grows until an event must wait `longest`, and then stays at this level. So if events keep coming too
        fast, each of them waits about `longest`, and more than `rate` events a second can happen.
        """
        now = self._clock()
        wait = self.take(key)
        if wait:
            wait = min(wait, longest)
            self._paid_off[key] = now + self._tolerance + min(wait + self._step, longest)
        return wait

    def owe(self, key: Hashable, events: int) -> None:
        """Count some events that have happened already, even if they exceed the limit.

        So the key's next events wait longer. Does nothing if the limiter doesn't know the key, so call `take` first.
        """
        paid_off = self._paid_off.get(key)
        if paid_off is not None:
            self._paid_off[key] = charged(paid_off, self._clock(), events * self._step)

    def give_back(self, key: Hashable) -> None:
        """Uncount an event of the key that `take` has counted. Does nothing if the limiter doesn't know the key."""
        paid_off = self._paid_off.get(key)
        if paid_off is not None:
            self._paid_off[key] = paid_off - self._step

    def _forget(self, now: float) -> None:
        """Forget at least half of the keys: keys without debt and, if necessary, keys with the smallest debts."""
        self._keep(now)
        if len(self._paid_off) > DEBTORS_MAX // 2:
            self._keep(sorted(self._paid_off.values())[-DEBTORS_MAX // 2])

    def _keep(self, after: float) -> None:
        """Keep only the keys whose debts will be paid off later than `after`."""
        self._paid_off = {key: paid_off for key, paid_off in self._paid_off.items() if paid_off > after}


class Throttle:
    """A limiter of amounts, such as bytes: up to `most` at once after a pause, and `rate` a second.

    `clock`: a function that returns the seconds since any fixed moment.
    """

    __slots__ = ("_clock", "_paid_off", "_rate", "_tolerance")

    def __init__(self, most: float, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._tolerance = most / rate
        self._clock = clock
        self._paid_off = clock()

    def spend(self, amount: float) -> float:
        """Count an amount, and return the seconds that the caller must wait before it uses the amount; 0 for no wait.

        No amount is refused. But after a large amount, the next amounts wait longer.
        """
        now = self._clock()
        self._paid_off = charged(self._paid_off, now, amount / self._rate)
        return max(0.0, self._paid_off - now - self._tolerance)
