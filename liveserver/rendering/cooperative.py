"""Cooperative rendering: many small pieces that yield to the event loop between them, and large ones in a thread."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog
    from liveserver.rendering.entry_renderer import EntryRenderer

T = TypeVar("T")

SLICE_SECONDS = 0.005
"""Work after which the event loop has its turn. An entry's HTML takes a tenth of a millisecond; of those that parsers
take longest for, ten."""
OFFLOAD_CHARACTERS = 128 * 1024
"""Characters of bodies beyond which what is made of them all is put together in a thread: the twenty entries of a usual
page have 40,000, and a millisecond's work isn't worth the way there and back."""
PICTURE_CHARACTERS = 500
"""Characters that a picture counts for beside its own: so much becomes of it."""


class TimeSlice:
    """Yields to the event loop after each few milliseconds of work. The first slice begins when it is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def checkpoint(self) -> None:
        """Let other tasks run, if the slice is used up. To be awaited after each piece of work."""
        if time.perf_counter() - self._began > SLICE_SECONDS:
            await asyncio.sleep(0)
            self._began = time.perf_counter()


async def prepared(
    renderer: EntryRenderer,
    liveblog: Liveblog,
    entries: Iterable[Entry],
    *,
    named: Iterable[Entry] = (),
    feed: bool = False,
) -> EntryRenderer:
    """A renderer for one answer, which has the HTML and texts of published entries, and the texts of those `named`.

    The answer would have them made in a row, and nothing else would be done meanwhile: here the event loop has its
    turn after each few milliseconds. They are the answer's own: what is remembered for all may have no room for as
    much, and another thread may use them. `feed`: the HTML is that of `EntryRenderer.content`.
    """
    own = renderer.unbounded()
    time_slice = TimeSlice()
    for entry in entries:
        renderer.share(own, liveblog, entry, feed=feed)
        await time_slice.checkpoint()
    for entry in named:
        renderer.share_text(own, entry)
        await time_slice.checkpoint()
    return own


async def offloaded(make: Callable[[], T], entries: Iterable[Entry]) -> T:
    """The result of `make`, which puts together pieces of all these entries: of many, in a thread.

    So it must not touch what is shared. The interpreter lets the event loop run every 5 ms meanwhile, and each single
    step (to encode, to hash, to join some megabytes) takes less.
    """
    characters = sum(len(entry.body) + PICTURE_CHARACTERS * entry.body.count("<img") for entry in entries)
    return await asyncio.to_thread(make) if characters > OFFLOAD_CHARACTERS else make()
