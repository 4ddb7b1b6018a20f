"""The counting of confirmations: viewers of one node confirm that a deleted entry is gone. This module does no I/O.

All viewers that are connected at the deletion are asked to confirm, and count as asked from then on. A viewer that
comes back later with an older position is sent the deletion, too, but counts as asked only when it confirms. The same
is true of a reader that polls, as the server doesn't know which readers poll. A counter remembers a viewer until the
viewer leaves or the counting ends, and a reply id until the counting ends.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from liveserver.domain.audience import ConfirmationCounts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from liveserver.realtime.viewer import Viewer

REPLY_IDS_MAX = 100_000
"""How many reply ids a counter remembers before it ignores reply ids that may be invented.

A reply id is the name under which a viewer answers by POST. It is remembered so that no viewer is counted twice. When a
counter has this many, it counts an answer by POST only if the reply id belongs to a viewer that this node has asked.
"""

BUCKETS = 4_096
"""The number of buckets of a set of reply ids. In a full set, each bucket has two dozen ids, and a search takes half a
microsecond."""


class ReplyIds:
    """A set of reply ids that needs eight bytes of memory for each id. Clients can invent ids of up to 64 characters.

    The set keeps Python's hash of an id instead of the id. The hash depends on a secret of the process, so nobody can
    find two ids with the same hash. The probability that two of a hundred thousand ids have the same hash is one in
    four billion.
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
        """Add a reply id, unless it is in the set already."""
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
    """The counter of one takedown on one node: which viewers were asked, and how many have confirmed."""

    def __init__(self, viewers: Iterable[Viewer]) -> None:
        self.by_partner: dict[str, ConfirmationCounts] = {}
        self.closed = False
        """True after a call of `close`. While it is True, no confirmations are counted."""
        self._waiting = set(viewers)
        self._answered: set[Viewer] = set()
        self._by_reply_id: dict[str, Viewer] = {}
        """The viewers that were asked and will answer by POST, by their reply ids. A viewer is removed when it answers
        or leaves."""
        self._answered_ids = ReplyIds()
        """The reply ids that came with a counted answer, and the reply ids of asked viewers that left without one."""
        for viewer in self._waiting:
            self._counts(viewer.partner).asked += 1
            if reply_id := viewer.reply_id:
                self._by_reply_id[reply_id] = viewer

    def answered(self, viewer: Viewer, *, had: bool) -> None:
        """Count a viewer's confirmation. Only the first confirmation of a viewer is counted.

        `had`: True if the viewer's page had the entry until the deletion arrived.
        """
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
        """Count a confirmation that came by POST, if it is the first with this reply id.

        The sender is a viewer that can't answer on its stream (SSE), or a reader that polls. `had`: True if the page
        had the entry until the deletion arrived. `partner`: the id of the sender's partner; "" for no partner. If this
        node asked the viewer, the argument `partner` isn't used, as the viewer's partner is known.
        """
        if self.closed or reply_id in self._answered_ids:
            return
        if len(self._answered_ids) >= REPLY_IDS_MAX and reply_id not in self._by_reply_id:
            # The reply ids of viewers that were asked may be added beyond the limit: there are no more of them than
            # viewers.
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
        """Forget a viewer that has left. If it was asked and hasn't confirmed, add 1 to its partner's count `gone`."""
        if viewer in self._waiting:
            self._waiting.remove(viewer)
            self._counts(viewer.partner).gone += 1
        else:
            self._answered.discard(viewer)
        if self._by_reply_id.pop(viewer.reply_id, None) is not None:
            self._answered_ids.add(viewer.reply_id)

    def close(self) -> None:
        """Stop counting, and forget the viewers. The counts stay."""
        self.closed = True
        for memory in (self._waiting, self._answered, self._by_reply_id, self._answered_ids):
            memory.clear()

    def _counts(self, partner: str) -> ConfirmationCounts:
        counts = self.by_partner.get(partner)
        if counts is None:
            counts = self.by_partner[partner] = ConfirmationCounts()
        return counts


def total(node_counts: Iterable[dict[str, ConfirmationCounts]]) -> dict[str, ConfirmationCounts]:
    """Return the sums of the counts of several nodes, by partner."""
    totals: dict[str, ConfirmationCounts] = {}
    for by_partner in node_counts:
        for partner, counts in by_partner.items():
            totals.setdefault(partner, ConfirmationCounts()).add(counts)
    return totals


def waiting(by_partner: dict[str, ConfirmationCounts]) -> int:
    """Return how many viewers, of all partners together, were asked, are connected, and haven't confirmed yet."""
    return sum(counts.waiting for counts in by_partner.values())
