"""The viewers of one node who are asked to confirm that a deleted entry is gone. Decides; does no I/O.

Whoever was connected when it was deleted is asked. Who comes back with an older position is told of it too, and counts
once it answers; so do those who poll, of whom nobody knows before. A viewer is named nowhere but here, and for as long
as it is connected and the counting goes on.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from liveserver.domain.audience import ConfirmationCounts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from liveserver.realtime.viewer import Viewer

WORDS_MAX = 100_000
"""Words of viewers that are remembered, lest one count twice. Beyond it only those count that were asked here: the
others are anybody's."""

BUCKETS = 4_096
"""Parts of a memory of words, so that a full one looks through two dozen at each: in half a microsecond."""


class ReplyIds:
    """A set of words of which it keeps eight bytes each: whoever posts makes them up, up to 64 characters long.

    What is kept is what Python makes of a text by a secret of the process, so that nobody can look for two words that
    are taken for one; among a hundred thousand there are two by chance once in four billion times.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, array[int]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, reply_id: str) -> bool:
        mark = hash(reply_id)
        return mark in self._buckets.get(mark % BUCKETS, ())

    def add(self, reply_id: str) -> None:
        """Remember a word."""
        mark = hash(reply_id)
        bucket = self._buckets.get(mark % BUCKETS)
        if bucket is None:
            bucket = self._buckets[mark % BUCKETS] = array("q")
        if mark not in bucket:
            bucket.append(mark)
            self._count += 1

    def clear(self) -> None:
        """Forget them all."""
        self._buckets.clear()
        self._count = 0


class TakedownCounter:
    """One node's part of a takedown."""

    def __init__(self, viewers: Iterable[Viewer]) -> None:
        self.by_partner: dict[str, ConfirmationCounts] = {}
        self.closed = False
        """Nothing more is counted."""
        self._waiting = set(viewers)
        self._answered: set[Viewer] = set()
        self._words: dict[str, Viewer] = {}
        """Who of the waiting posts its answer, by its word."""
        self._done = ReplyIds()
        """Words that have had their say, or whose viewer has left."""
        for viewer in self._waiting:
            self._counts(viewer.partner).asked += 1
            if reply_id := viewer.reply_id:
                self._words[reply_id] = viewer

    def answered(self, viewer: Viewer, *, had: bool) -> None:
        """A viewer says that the entry is gone. Only its first answer counts."""
        if self.closed or viewer in self._answered:
            return
        counts = self._counts(viewer.partner)
        if viewer in self._waiting:
            self._waiting.remove(viewer)
        else:
            counts.asked += 1
        self._answered.add(viewer)
        counts.confirmed += 1
        counts.had += had

    def posted(self, reply_id: str, *, had: bool, partner: str = "") -> None:
        """The same by a word: of a viewer here that can't say it on its stream, or of one that polls."""
        if self.closed or reply_id in self._done:
            return
        if len(self._done) >= WORDS_MAX and reply_id not in self._words:
            # Those who were asked are no more than the viewers.
            return
        self._done.add(reply_id)
        viewer = self._words.pop(reply_id, None)
        if viewer is not None:
            self.answered(viewer, had=had)
            return
        counts = self._counts(partner)
        counts.asked += 1
        counts.confirmed += 1
        counts.had += had

    def left(self, viewer: Viewer) -> None:
        """A viewer has left."""
        if viewer in self._waiting:
            self._waiting.remove(viewer)
            self._counts(viewer.partner).gone += 1
        else:
            self._answered.discard(viewer)
        if self._words.pop(viewer.reply_id, None) is not None:
            self._done.add(viewer.reply_id)

    def close(self) -> None:
        """Leave the counts as they are, and forget the viewers."""
        self.closed = True
        for memory in (self._waiting, self._answered, self._words, self._done):
            memory.clear()

    def _counts(self, partner: str) -> ConfirmationCounts:
        counts = self.by_partner.get(partner)
        if counts is None:
            counts = self.by_partner[partner] = ConfirmationCounts()
        return counts


def total(parts: Iterable[dict[str, ConfirmationCounts]]) -> dict[str, ConfirmationCounts]:
    """What the nodes have counted, added up by partner."""
    added: dict[str, ConfirmationCounts] = {}
    for part in parts:
        for partner, counts in part.items():
            added.setdefault(partner, ConfirmationCounts()).add(counts)
    return added


def waiting(by_partner: dict[str, ConfirmationCounts]) -> int:
    """How many viewers are waited for."""
    return sum(counts.waiting for counts in by_partner.values())
