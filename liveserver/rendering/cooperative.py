"""Rendering that doesn't block the event loop: small steps with pauses between them, and large steps in a thread."""

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
"""Seconds that a task may work before it lets other tasks run. Making the HTML of a usual entry takes 0.1 ms.
If somebody wrote the entry's body to slow down parsers, it takes 10 ms."""
OFFLOAD_CHARACTERS = 128 * 1024
"""If the bodies of an answer's entries have more characters than this, the answer is put together in another thread.
The twenty entries of a usual page have 40,000 characters, and the page is put together in a millisecond. For so
little work, another thread isn't worth its cost."""
PICTURE_CHARACTERS = 500
"""The number of characters that are added to a body's length for each picture in it. The stored body has less HTML for
a picture than readers are sent."""


class TimeSlice:
    """A clock of the time that a task has worked without letting other tasks run. It starts when the object is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def checkpoint(self) -> None:
        """Let other tasks run if `SLICE_SECONDS` have passed. To be awaited after each piece of the task's work."""
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
    """Return a new renderer for one answer, which remembers the HTML and the texts of these entries.

    `named`: other entries; the answer needs only their texts. `feed`: True if the answer needs the HTML of
    `EntryRenderer.content`; False if it needs the HTML of `EntryRenderer.article`.

    Without this function, a page would render all its entries without a pause, and no other task could run meanwhile.
    This function lets other tasks run every few milliseconds. The answer gets a renderer of its own for two reasons:
    the memory of `renderer` may be too small for so many entries, and the answer may be put together in another thread.
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
    """Call `make`, which makes an answer of these entries, and return its result.

    If the entries have more than OFFLOAD_CHARACTERS characters, `make` is called in another thread. So `make` must not
    use anything that another thread uses. Meanwhile the interpreter switches to the event loop's thread every 5 ms. It
    can't switch within a single step (encoding, hashing or joining some megabytes), but no such step takes 5 ms.
    """
    characters = sum(len(entry.body) + PICTURE_CHARACTERS * entry.body.count("<img") for entry in entries)
    return await asyncio.to_thread(make) if characters > OFFLOAD_CHARACTERS else make()
