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
For an entry whose body was written to slow down parsers, it takes 10 ms."""
OFFLOAD_CHARACTERS = 128 * 1024
"""The number of characters in an answer's entries above which the answer is made in another thread. The twenty entries
of a usual page have 40,000 characters, and making the page takes a millisecond. For so little work, another thread
isn't worth its cost."""
PICTURE_CHARACTERS = 500
"""The number of characters that are added to a body's length for each picture in it. The reason: a picture's HTML is
longer on a page than in the stored body."""


class TimeSlice:
    """A clock of the time that a task has worked without letting other tasks run. It starts when the object is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def checkpoint(self) -> None:
        """Let other tasks run if they haven't run for `SLICE_SECONDS`. To be awaited after each piece of work."""
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
    """Return a new renderer for one answer. It has the HTML and the texts of `entries` in its memory.

    `named`: more entries, of which the answer needs only the texts. `feed`: True if the answer needs the HTML of
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
    """Call `make`, which makes an answer, and return its result. `entries`: the entries in the answer.

    If the entries have more than OFFLOAD_CHARACTERS characters, `make` is called in another thread. So `make` must not
    use anything that another thread uses. Meanwhile the interpreter switches to the event loop's thread every 5 ms. It
    can't switch within a single step (encoding, hashing or joining some megabytes), but no such step takes 5 ms.
    """
    characters = sum(len(entry.body) + PICTURE_CHARACTERS * entry.body.count("<img") for entry in entries)
    return await asyncio.to_thread(make) if characters > OFFLOAD_CHARACTERS else make()
