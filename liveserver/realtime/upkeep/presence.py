"""How many viewers each live blog has on the other nodes. Decides; does no I/O.

Every node says again and again how many viewers it has, and the others believe it until it has said nothing for a
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
"""Seconds between what a node says."""

LIFETIME = 2.5 * INTERVAL
"""Seconds for which it is believed."""

SLUGS_MAX = 1_000
"""Live blogs in one message: one that is too large would hold up the changes behind it."""


class _Said(NamedTuple):
    viewers: int
    at: float


class Presence:
    """What one node says to the others, and what they have said."""

    def __init__(self, node: str, what: str = "viewers") -> None:
        """`what` names the counts in messages, so that several can be told."""
        self._node = node
        self._what = what
        self._told: set[str] = set()
        """The live blogs that had viewers here when that was last said."""
        self._heard: dict[str, dict[str, _Said]] = {}
        """By live blog and node."""

    def tell(self, here: Mapping[str, int]) -> list[bytes]:
        """What to say, given the viewers of the live blogs that have any. One that lost its last is named once more."""
        counts = [*here.items(), *((slug, 0) for slug in self._told - here.keys())]
        self._told = set(here)
        parts = [counts[start : start + SLUGS_MAX] for start in range(0, len(counts), SLUGS_MAX)]
        return [encoding.dumps({"node": self._node, self._what: dict(part)}) for part in parts]

    def hear(self, message: bytes, now: float) -> None:
        """Take what a node has said. What can't be read is ignored: a newer version may say it differently."""
        for node, slug, viewers in _read(message, self._what):
            if node != self._node:
                self._heard.setdefault(slug, {})[node] = _Said(viewers, now)

    def elsewhere(self, slug: str) -> int:
        """The viewers of a live blog on the other nodes."""
        return sum(said.viewers for said in self._heard.get(slug, {}).values())

    def heard_of(self) -> list[str]:
        """What other nodes have said something of."""
        return list(self._heard)

    def forget(self, before: float) -> None:
        """Believe nobody who has said nothing since then."""
        for slug, nodes in list(self._heard.items()):
            kept = {node: said for node, said in nodes.items() if said.at >= before and said.viewers}
            if kept:
                self._heard[slug] = kept
            else:
                del self._heard[slug]

    def renew(self, now: float) -> None:
        """Believe everybody as if they had just spoken: nothing could be heard for a while."""
        for nodes in self._heard.values():
            nodes.update({node: said._replace(at=now) for node, said in nodes.items()})


def _read(message: bytes, what: str) -> list[tuple[str, str, int]]:
    """Node, live blog and viewers of each thing that is said."""
    try:
        said: Any = orjson.loads(message)
        node, viewers = said["node"], said[what]
        return [(str(node), slug, int(count)) for slug, count in viewers.items()]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []
