"""What somebody may spend: so much at once, and so much a second from then on. Pure; for one thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Allowance:
    """Fills by `rate` a second up to `most`, which is there to begin with. `clock`: seconds, of any beginning."""

    def __init__(self, most: float, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._rate = rate
        self._clock = clock
        self._left = most
        self._at = clock()

    def spend(self, amount: float) -> float:
        """Take an amount, be it there or not; the seconds that it is to be waited for. The next one waits longer."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate) - amount
        self._at = now
        return max(0.0, -self._left / self._rate)
