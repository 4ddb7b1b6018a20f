"""Cooperative rendering: small steps with the event loop's turns between them, and large ones in a thread."""

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
"""Seconds of work after which the event loop has its turn. An entry's HTML takes 0.1 ms; the HTML for which parsers
take longest, 10 ms."""
OFFLOAD_CHARACTERS = 128 * 1024
"""Characters of all bodies beyond which an answer is put together in a thread. The twenty entries of a usual page have
40,000, and a millisecond's work isn't worth a change of threads."""
PICTURE_CHARACTERS = 500
"""Characters that a picture counts beside those in the body, as its HTML becomes longer when it is rendered."""


class TimeSlice:
    """Yields to the event loop after each few milliseconds of work. The first slice begins with the object."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def checkpoint(self) -> None:
        """Let other tasks run if the slice is used up. Await it after each piece of work."""
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
    """Make a renderer for one answer that has the HTML and texts of these entries ready.

    `named`: further entries, of which only the texts are needed. `feed`: the HTML is that of `EntryRenderer.content`.

    Without this, a page would render all its entries at once, and nothing else would be done meanwhile. Here the event
    loop has its turn every few milliseconds. The answer has a renderer of its own, as the common one may have no room
    for so many entries, and as another thread may use the answer's.
    """
    answer_renderer = renderer.unbounded()
    time_slice = TimeSlice()
    for entry in entries:
        renderer.share(answer_renderer, liveblog, entry, feed=feed)
        await time_slice.checkpoint()
    for entry in named:
        renderer.share_text(answer_renderer, entry)
        await time_slice.checkpoint()
    return answer_renderer


async def offloaded(make: Callable[[], T], entries: Iterable[Entry]) -> T:
    """Call `make`, in a thread if it makes something of many or long entries, and return its result.

    `make` must therefore not use anything that threads share. The interpreter lets the event loop run every 5 ms
    meanwhile, and each single step (to encode, hash or join some megabytes) takes less.
    """
    characters = sum(len(entry.body) + PICTURE_CHARACTERS * entry.body.count("<img") for entry in entries)
    return await asyncio.to_thread(make) if characters > OFFLOAD_CHARACTERS else make()
