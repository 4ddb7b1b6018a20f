"""A pool of threads that sanitise long texts, a few at a time; short ones are sanitised at once.

The event loop has its turns meanwhile: what makes HTML safe lets other threads run, and Markdown lets them every few
milliseconds. The threads aren't those that read the database.
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
"""Characters of a body that is made safe at once: in a millisecond or two, whatever it says. Most are smaller."""
SMALL_MARKDOWN = 300
"""The cost of Markdown that is made safe at once (`markup_cost.markdown_cost`)."""
THREADS = 2
"""Threads of one pool, and so texts at the same time."""
WAITING_MAX = 50
"""Dear texts that wait for a thread, 20 s of work if all are of the dearest; beyond, they are to come again."""
WAITING_PER_OWNER = 20
"""Those of one key, or of one source; an import that sends more at once is told to come again. And nobody has more than
there is room left, so that a few who fill it up leave room for others."""


def is_dear(body: str, markup: str = "html") -> bool:
    """Whether it takes too long to make a body safe while everybody waits."""
    return len(body) > SMALL or (markup == "markdown" and markdown_cost(body).total > SMALL_MARKDOWN)


class SanitiserPool:
    """Runs dear work in threads of its own, so much at a time."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = CapacityLimiter(threads)
        self._most = threads + WAITING_MAX
        self._inside = 0
        """Texts in threads, and those that wait. The limiter counts them only after a turn of the loop."""
        self._of: Counter[Hashable] = Counter()
        """Their number by owner."""

    async def run(self, work: Callable[[str], str], body: str, *, owner: Hashable) -> str:
        """Run `work` on a dear body in a thread. Raises as it does, and Busy if too many wait, of all or of the owner.

        `owner`: whose texts they are that share what there is for one: a key, or a source.
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
