"""Presence: the number of viewers that each live blog has on the other nodes. Decides; does no I/O.

Every node announces its viewer counts periodically: that is one message for each node and interval, however many
viewers there are. The counts are good until the node has announced nothing for a while. So a node that was killed is
soon forgotten, and a single lost message has no effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from liveserver.protocol import json_encoding

if TYPE_CHECKING:
    from collections.abc import Mapping

INTERVAL = 2.0
"""Seconds between the announcements of a node."""

LIFETIME = 2.5 * INTERVAL
"""Seconds for which an announcement is good."""

SLUGS_MAX = 1_000
"""Live blogs in one message: a message that is too large would hold up the changes behind it."""


class _Count(NamedTuple):
    viewers: int
    at: float


class Presence:
    """The announcements of one node, and those of the others."""

    def __init__(self, node: str, counts_name: str = "viewers") -> None:
        """`counts_name`: the field of the counts in messages, so that there can be several kinds of counts."""
        self._node = node
        self._counts_name = counts_name
        self._announced: set[str] = set()
        """The live blogs that had viewers here at the last announcement."""
        self._elsewhere: dict[str, dict[str, _Count]] = {}
        """The counts of the other nodes, by live blog and node."""

    def announcements(self, counts: Mapping[str, int]) -> list[bytes]:
        """Return messages that announce viewer counts. A live blog that has lost its last viewer is named once more."""
        rows = [*counts.items(), *((slug, 0) for slug in self._announced - counts.keys())]
        self._announced = set(counts)
        chunks = [rows[start : start + SLUGS_MAX] for start in range(0, len(rows), SLUGS_MAX)]
        return [json_encoding.dumps({"node": self._node, self._counts_name: dict(chunk)}) for chunk in chunks]

    def take(self, message: bytes, now: float) -> None:
        """Take a node's announcement. An unreadable one is ignored: a newer version may have another format."""
        for node, slug, viewers in _read(message, self._counts_name):
            if node != self._node:
                self._elsewhere.setdefault(slug, {})[node] = _Count(viewers, now)

    def elsewhere(self, slug: str) -> int:
        """Return the number of a live blog's viewers on the other nodes."""
        return sum(count.viewers for count in self._elsewhere.get(slug, {}).values())

    def slugs(self) -> list[str]:
        """Return the slugs of the live blogs that another node has announced."""
        return list(self._elsewhere)

    def forget(self, before: float) -> None:
        """Drop counts that were announced before a time."""
        for slug, nodes in list(self._elsewhere.items()):
            remaining = {node: count for node, count in nodes.items() if count.at >= before and count.viewers}
            if remaining:
                self._elsewhere[slug] = remaining
            else:
                del self._elsewhere[slug]

    def renew(self, now: float) -> None:
        """Treat all counts as announced just now, since nothing could arrive for a while."""
        for nodes in self._elsewhere.values():
            nodes.update({node: count._replace(at=now) for node, count in nodes.items()})


def _read(message: bytes, counts_name: str) -> list[tuple[str, str, int]]:
    """Return node, slug and viewer count of each count in an announcement; nothing if it can't be read."""
    try:
        content: Any = orjson.loads(message)
        node, viewers = content["node"], content[counts_name]
        return [(str(node), slug, int(count)) for slug, count in viewers.items()]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []
