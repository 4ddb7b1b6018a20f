"""How many viewers each live blog has on the other nodes. Decides; does no I/O.

Every node announces again and again how many viewers it has, and that counts until it has announced nothing for a
while: a message for each node and interval, however many viewers there are. A node that was killed is soon forgotten,
and one message that the bus lost is not noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from liveserver.protocol import encoding

if TYPE_CHECKING:
    from collections.abc import Mapping

INTERVAL = 2.0
"""Seconds between the announcements of a node."""

LIFETIME = 2.5 * INTERVAL
"""Seconds for which an announcement counts."""

SLUGS_MAX = 1_000
"""Live blogs in one message: one that is too large would hold up the changes behind it."""


class _Count(NamedTuple):
    viewers: int
    at: float


class Presence:
    """What one node announces to the others, and what they have announced."""

    def __init__(self, node: str, what: str = "viewers") -> None:
        """`what` names the counts in messages, so that several can be announced."""
        self._node = node
        self._what = what
        self._announced: set[str] = set()
        """The live blogs that had viewers here when that was last announced."""
        self._elsewhere: dict[str, dict[str, _Count]] = {}
        """What the other nodes have announced, by live blog and node."""

    def announcements(self, counts: Mapping[str, int]) -> list[bytes]:
        """Messages that announce the viewers of live blogs. One that has lost its last viewer is named once more."""
        rows = [*counts.items(), *((slug, 0) for slug in self._announced - counts.keys())]
        self._announced = set(counts)
        parts = [rows[start : start + SLUGS_MAX] for start in range(0, len(rows), SLUGS_MAX)]
        return [encoding.dumps({"node": self._node, self._what: dict(part)}) for part in parts]

    def take(self, message: bytes, now: float) -> None:
        """Take what a node has announced. What can't be read is ignored: a newer version may say it differently."""
        for node, slug, viewers in _read(message, self._what):
            if node != self._node:
                self._elsewhere.setdefault(slug, {})[node] = _Count(viewers, now)

    def elsewhere(self, slug: str) -> int:
        """The viewers of a live blog on the other nodes."""
        return sum(count.viewers for count in self._elsewhere.get(slug, {}).values())

    def slugs(self) -> list[str]:
        """The live blogs of which another node has announced anything."""
        return list(self._elsewhere)

    def forget(self, before: float) -> None:
        """Drop the counts of nodes that have announced nothing since then."""
        for slug, nodes in list(self._elsewhere.items()):
            kept = {node: count for node, count in nodes.items() if count.at >= before and count.viewers}
            if kept:
                self._elsewhere[slug] = kept
            else:
                del self._elsewhere[slug]

    def renew(self, now: float) -> None:
        """Take all counts as announced just now: nothing could arrive for a while."""
        for nodes in self._elsewhere.values():
            nodes.update({node: count._replace(at=now) for node, count in nodes.items()})


def _read(message: bytes, what: str) -> list[tuple[str, str, int]]:
    """Node, live blog and viewers of each count in an announcement."""
    try:
        said: Any = orjson.loads(message)
        node, viewers = said["node"], said[what]
        return [(str(node), slug, int(count)) for slug, count in viewers.items()]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []
