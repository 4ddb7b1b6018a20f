"""Announced counts: the numbers of viewers that each live blog has on the other nodes. This module does no I/O.

Every node (server process) announces its numbers of viewers every INTERVAL seconds. One message is enough, however many
viewers there are. Only a node with more than SLUGS_MAX live blogs needs several messages. The other nodes keep each
number for LIFETIME seconds. So a node that was killed is soon forgotten, and a single lost message has no effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from liveserver.protocol import json_encoding

if TYPE_CHECKING:
    from collections.abc import Mapping

INTERVAL = 2.0
"""Seconds between two announcements by the same node."""

LIFETIME = 2.5 * INTERVAL
"""How long, in seconds, the numbers in a node's announcement are kept. After this time, they are forgotten."""

SLUGS_MAX = 1_000
"""The greatest number of live blogs in one message. A larger message would delay the changes that come after it."""


class _Count(NamedTuple):
    viewers: int
    at: float


class AnnouncedCounts:
    """The numbers of viewers that the other nodes have announced. The class also makes this node's announcements."""

    def __init__(self, node: str, counts_name: str = "viewers") -> None:
        """`node`: this node's id. `counts_name`: the name of the field that has the numbers in an announcement.

        Announcements without this field are ignored. So two objects with different field names don't mix their numbers.
        """
        self._node = node
        self._counts_name = counts_name
        self._announced: set[str] = set()
        """The slugs of the live blogs that had viewers on this node at the last announcement."""
        self._elsewhere: dict[str, dict[str, _Count]] = {}
        """The numbers of viewers that the other nodes have announced, by the live blog's slug and the node's id."""

    def announcements(self, counts: Mapping[str, int]) -> list[bytes]:
        """Return the messages that announce this node's numbers of viewers. `counts`: these numbers by slug.

        A live blog that was in the last announcement and isn't in `counts` any more is announced once more, with 0.
        """
        rows = [*counts.items(), *((slug, 0) for slug in self._announced - counts.keys())]
        self._announced = set(counts)
        chunks = [rows[start : start + SLUGS_MAX] for start in range(0, len(rows), SLUGS_MAX)]
        return [json_encoding.dumps({"node": self._node, self._counts_name: dict(chunk)}) for chunk in chunks]

    def take(self, message: bytes, now: float) -> None:
        """Keep the numbers in an announcement made by another node. This node's own announcements are ignored.

        An announcement that can't be read is ignored, too: a newer version of the server may have another format.
        """
        for node, slug, viewers in _read(message, self._counts_name):
            if node != self._node:
                self._elsewhere.setdefault(slug, {})[node] = _Count(viewers, now)

    def elsewhere(self, slug: str) -> int:
        """Return the number of a live blog's viewers on all other nodes together."""
        return sum(count.viewers for count in self._elsewhere.get(slug, {}).values())

    def slugs(self) -> list[str]:
        """Return the slugs of all live blogs for which a number announced by another node is kept."""
        return list(self._elsewhere)

    def forget(self, before: float) -> None:
        """Drop all numbers that came before the time `before`, and all numbers that are 0.

        `before`: a time of the same clock as the `now` of `take` and `renew`.
        """
        for slug, nodes in list(self._elsewhere.items()):
            remaining = {node: count for node, count in nodes.items() if count.at >= before and count.viewers}
            if remaining:
                self._elsewhere[slug] = remaining
            else:
                del self._elsewhere[slug]

    def renew(self, now: float) -> None:
        """Treat all numbers as if they had come at the time `now`. Call this after a time without a working bus."""
        for nodes in self._elsewhere.values():
            nodes.update({node: count._replace(at=now) for node, count in nodes.items()})


def _read(message: bytes, counts_name: str) -> list[tuple[str, str, int]]:
    """Return the node's id, the slug and the number for each live blog in a message; [] if it can't be read."""
    try:
        content: Any = orjson.loads(message)
        node, viewers = content["node"], content[counts_name]
        return [(str(node), slug, int(count)) for slug, count in viewers.items()]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []
