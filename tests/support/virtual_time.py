"""An event loop whose time is its own: what waits for the next moment is in it at once. Nothing sleeps.

It serves timers and callbacks only: no sockets, no threads, no signals.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


TURNS = 16
"""Of the loop: more than any chain of callbacks needs that doesn't wait for time."""


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing will ever happen")
        self.now += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Runs what is ready, and then goes to the time of the next timer without waiting for it."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._virtual.now

    def spend(self, seconds: float) -> None:
        """Let so much time go by."""
        self.run_until_complete(asyncio.sleep(seconds))

    def settle(self) -> None:
        """Let everything run that can run without time going by."""
        self.run_until_complete(_turns())

    def finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Run to its end, whatever time that takes."""
        self.run_until_complete(work)


async def _turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
