"""Work of many small pieces that lets others have their turns, and of large ones in a thread."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from liveserver.domain.entry import Entry

T = TypeVar("T")

SLICE = 0.005
"""Seconds of work after which the event loop has its turn. An entry's HTML takes a tenth of a millisecond; of those
that parsers take longest for, ten."""
APART = 128 * 1024
"""Characters of bodies beyond which what is made of them all is put together in a thread: the twenty entries of a usual
page have 40,000, and a millisecond's work isn't worth the way there and back."""

PICTURE = 500
"""Characters that a picture counts for beside its own: so much becomes of it."""


class Pace:
    """Gives way after each few milliseconds of work. It begins now."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def step(self) -> None:
        """After each piece: let the event loop have its turn, if it is due."""
        if time.perf_counter() - self._began > SLICE:
            await asyncio.sleep(0)
            self._began = time.perf_counter()


async def assembled(make: Callable[[], T], entries: Iterable[Entry]) -> T:
    """What `make` makes of pieces of all these entries; of much, in a thread: it must not touch what is shared.

    The interpreter lets the event loop run every 5 ms meanwhile, and each single step (to encode, to hash, to join some
    megabytes) takes less.
    """
    if sum(len(entry.body) + PICTURE * entry.body.count("<img") for entry in entries) > APART:
        return await asyncio.to_thread(make)
    return make()
