"""Counting one node's viewers that confirm that a deleted entry is gone. Decides; does no I/O.

All viewers that were connected at the deletion are asked. A viewer that comes back later with an older position gets
the deletion, too, and counts once it answers. So does a reader that polls, whom nobody knew before. Single viewers are
remembered only here, while they are connected and the counting goes on.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from liveserver.domain.audience import ConfirmationCounts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from liveserver.realtime.viewer import Viewer

REPLY_IDS_MAX = 100_000
"""Reply ids that are remembered, so that none counts twice. Beyond that number, only viewers that were asked here
count: anybody can make up other ids."""

BUCKETS = 4_096
"""Buckets of a set of reply ids: a full set has two dozen ids in each, which are searched in half a microsecond."""


class ReplyIds:
    """A set of reply ids that takes eight bytes for each: clients can make up ids of up to 64 characters.

    It keeps Python's hash of a text, which depends on a secret of the process, so that nobody can find two ids with the
    same hash. Among a hundred thousand, two are equal by chance once in four billion times.
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
        """Add a reply id."""
        mark = hash(reply_id)
        bucket = self._buckets.get(mark % BUCKETS)
        if bucket is None:
            bucket = self._buckets[mark % BUCKETS] = array("q")
        if mark not in bucket:
            bucket.append(mark)
            self._count += 1

    def clear(self) -> None:
        """Remove all reply ids."""
        self._buckets.clear()
        self._count = 0


class TakedownCounter:
    """The counts of one takedown on one node."""

    def __init__(self, viewers: Iterable[Viewer]) -> None:
        self.by_partner: dict[str, ConfirmationCounts] = {}
        self.closed = False
        """True once nothing more is counted."""
        self._waiting = set(viewers)
        self._answered: set[Viewer] = set()
        self._by_reply_id: dict[str, Viewer] = {}
        """The viewers that are waited for and will answer by POST, by their reply ids."""
        self._answered_ids = ReplyIds()
        """Reply ids that have answered, or whose viewers have left."""
        for viewer in self._waiting:
            self._counts(viewer.partner).asked += 1
            if reply_id := viewer.reply_id:
                self._by_reply_id[reply_id] = viewer

    def answered(self, viewer: Viewer, *, had: bool) -> None:
        """Count a viewer's confirmation. Only its first one counts."""
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
        """Count a posted confirmation: of a viewer here that can't answer on its stream, or of a reader that polls."""
        if self.closed or reply_id in self._answered_ids:
            return
        if len(self._answered_ids) >= REPLY_IDS_MAX and reply_id not in self._by_reply_id:
            # There are no more of those that were asked than viewers, so they may still be remembered.
            return
        self._answered_ids.add(reply_id)
        viewer = self._by_reply_id.pop(reply_id, None)
        if viewer is not None:
            self.answered(viewer, had=had)
            return
        counts = self._counts(partner)
        counts.asked += 1
        counts.confirmed += 1
        counts.had += had

    def left(self, viewer: Viewer) -> None:
        """Note that a viewer has left."""
        if viewer in self._waiting:
            self._waiting.remove(viewer)
            self._counts(viewer.partner).gone += 1
        else:
            self._answered.discard(viewer)
        if self._by_reply_id.pop(viewer.reply_id, None) is not None:
            self._answered_ids.add(viewer.reply_id)

    def close(self) -> None:
        """Stop counting, keep the counts, and forget the viewers."""
        self.closed = True
        for memory in (self._waiting, self._answered, self._by_reply_id, self._answered_ids):
            memory.clear()

    def _counts(self, partner: str) -> ConfirmationCounts:
        counts = self.by_partner.get(partner)
        if counts is None:
            counts = self.by_partner[partner] = ConfirmationCounts()
        return counts


def total(node_counts: Iterable[dict[str, ConfirmationCounts]]) -> dict[str, ConfirmationCounts]:
    """Add up the counts of several nodes, by partner."""
    totals: dict[str, ConfirmationCounts] = {}
    for by_partner in node_counts:
        for partner, counts in by_partner.items():
            totals.setdefault(partner, ConfirmationCounts()).add(counts)
    return totals


def waiting(by_partner: dict[str, ConfirmationCounts]) -> int:
    """Return the number of viewers that are waited for."""
    return sum(counts.waiting for counts in by_partner.values())
