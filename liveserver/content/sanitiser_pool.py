"""A pool of threads that sanitise long texts, a few at a time; short ones are sanitised at once.

The event loop runs meanwhile: the HTML sanitiser releases Python's lock, and the Markdown parser, which is Python, lets
other threads run every few milliseconds. These threads aren't those that read the database.
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
"""Characters up to which a body is made safe at once, in a millisecond or two at most. Most bodies are shorter."""
SMALL_MARKDOWN = 300
"""The cost up to which Markdown is made safe at once (`markup_cost.markdown_cost`)."""
THREADS = 2
"""Threads of one pool, that is texts at the same time."""
WAITING_MAX = 50
"""Texts that may wait for a thread: 20 s of work, if all are of the slowest. More are refused for now."""
WAITING_PER_OWNER = 20
"""Texts that may wait of one key or source; an import that sends more at once is refused for now. No owner may have
more than there is room left either, so that a few busy owners leave some for others."""


def is_dear(body: str, markup: str = "html") -> bool:
    """True if making a body safe takes too long to do it on the event loop."""
    return len(body) > SMALL or (markup == "markdown" and markdown_cost(body).total > SMALL_MARKDOWN)


class SanitiserPool:
    """A pool of threads for sanitising long texts."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = CapacityLimiter(threads)
        self._most = threads + WAITING_MAX
        self._inside = 0
        """The number of texts in threads and waiting. The limiter counts a text only after a turn of the loop."""
        self._of: Counter[Hashable] = Counter()
        """The number of texts in threads and waiting, by owner."""

    async def run(self, work: Callable[[str], str], body: str, *, owner: Hashable) -> str:
        """Run `work` on a body in a thread. Raises its errors, and Busy if too many texts wait, in all or of the owner.

        `owner`: the key or source that the text counts for.
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
