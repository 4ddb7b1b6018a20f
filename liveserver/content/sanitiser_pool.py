"""A pool of threads that sanitise long bodies of entries. Callers sanitise a short body on the event loop instead.

The event loop runs while these threads work. The HTML sanitiser releases Python's global lock. The Markdown parser is
Python code, so the interpreter takes the lock from the parser every few milliseconds. The database is read in other
threads.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread

from liveserver.content.markup_cost import markdown_cost
from liveserver.domain.errors import Busy
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

SMALL = 4_000
"""The length, in characters, up to which a body is sanitised on the event loop. This takes one or two milliseconds, or
four for a table. Most bodies are shorter."""
SMALL_MARKDOWN = 300
"""The cost, in points (`markup_cost.markdown_cost`), up to which a Markdown body is sanitised on the event loop."""
THREADS = 2
"""The number of threads of a pool, and so the greatest number of bodies that are sanitised at the same time."""
WAITING_MAX = 50
"""How many bodies may wait for a thread: 20 s of work if all are of the slowest kind. Further bodies are refused with
Busy."""
WAITING_PER_OWNER = 20
"""How many bodies of one owner (an API key, or a source) may be in the pool: in threads, and waiting. Further bodies
are refused with Busy. A body is also refused if its owner has at least as many bodies in the pool as there are free
places. So a few busy owners leave places for others."""


def is_dear(body: str, markup: str = "html") -> bool:
    """True if sanitising a body would block the event loop for too long: the body is longer than `SMALL`, or is
    Markdown that costs more than `SMALL_MARKDOWN`."""
    return len(body) > SMALL or (markup == "markdown" and markdown_cost(body).total > SMALL_MARKDOWN)


class SanitiserPool:
    """A pool of threads for sanitising long bodies."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = CapacityLimiter(threads)
        self._most = threads + WAITING_MAX
        self._inside = 0
        """The number of bodies in the pool: in threads, and waiting. The `CapacityLimiter` doesn't know this number, as
        it counts a new body only in the event loop's next turn."""
        self._of: Counter[Hashable] = Counter()
        """For each owner: the number of its bodies in the pool, in threads and waiting. Owners without bodies are left
        out."""

    async def run(self, work: Callable[[str], str], body: str, *, owner: Hashable) -> str:
        """Call `work` with a body in a thread of the pool, and return what `work` returns.

        `owner`: the API key or source that sends the body. Raises the errors of `work`. Raises Busy if too many bodies
        are in the pool, of all owners together or of this owner.
        """
        if self._of[owner] >= min(WAITING_PER_OWNER, self._most - self._inside):
            refusals.note(Reason.BUSY, characters=len(body), owner=owner)
            raise Busy("so many long texts are being made safe that no other is begun")
        self._inside += 1
        self._of[owner] += 1
        try:
            return await to_thread.run_sync(work, body, limiter=self._threads)
        finally:
            self._inside -= 1
            self._of[owner] -= 1
            if not self._of[owner]:
                del self._of[owner]
