"""Presence at the desk: who is at work on each live blog, here and on the other nodes. This module does no I/O.

Nothing of this is stored. Each node announces the people of its own desk streams when something changes, and every
INTERVAL seconds. For each person, it says how many seconds ago their stream sent its last word. LIFETIME seconds after
that word, the person is gone, even if their machine or its node has died. So the effect of a lost message doesn't last,
and the nodes' clocks needn't agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from liveserver.domain.people.user import NAME_MAX
from liveserver.protocol.desk_messages import DeskState, Person

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from liveserver.protocol.json_encoding import JSON

LIFETIME = 30.0
"""Seconds after an editor's last word until the editor is gone from the list. Their page repeats it more often."""
INTERVAL = 2.0
"""Seconds after which a node announces the same people again. So the effect of a lost announcement is short."""
PEOPLE_MAX = 300
"""The greatest number of a live blog's people in a list, or in a node's announcement, which then has some 30 KB. No
newsroom has as many at one live blog. Any further people can work, but aren't shown."""
_ID_MAX = 64


class _Seat(NamedTuple):
    """A person, and the moment of their last word."""

    person: Person
    at: float


class DeskPresence:
    """The people at the desk, on all nodes, by live blog. `now` is always the present time, by any steady clock."""

    def __init__(self, lifetime: float = LIFETIME) -> None:
        """`lifetime`: seconds after a person's last word until the person is gone."""
        self._lifetime = lifetime
        self._here: dict[str, dict[Hashable, _Seat]] = {}
        """The people at this node, by slug, and then by desk stream (the `stream` of `said`)."""
        self._elsewhere: dict[str, dict[str, list[_Seat]]] = {}
        """The people at the other nodes, by slug and node."""

    def said(self, slug: str, stream: Hashable, person: Person, now: float) -> bool:
        """Note the person of a desk stream of this node, with entry and state.

        Returns False if the stream had the same person, entry and state before, and the person wasn't gone.
        """
        seats = self._here.setdefault(slug, {})
        before = seats.get(stream)
        seats[stream] = _Seat(person, now)
        return before is None or before.person != person or self._is_gone(before, now)

    def left(self, slug: str, stream: Hashable) -> None:
        """Forget a desk stream of this node. Does nothing if it isn't known."""
        seats = self._here.get(slug, {})
        seats.pop(stream, None)
        if not seats:
            self._here.pop(slug, None)

    def people(self, slug: str, now: float) -> list[Person]:
        """Return the people at work on a live blog, ordered by name: at most PEOPLE_MAX of them.

        A person with several streams is listed once for each entry and state.
        """
        nodes = [self._here.get(slug, {}).values(), *self._elsewhere.get(slug, {}).values()]
        present = {seat.person for seats in nodes for seat in seats if not self._is_gone(seat, now)}
        return sorted(present, key=lambda person: (person.name, person.user, person.entry or "", person.state))[
            :PEOPLE_MAX
        ]

    def announcement(self, slug: str, now: float) -> list[JSON]:
        """Return the people at work on a live blog at this node, as JSON for the other nodes.

        At most PEOPLE_MAX people, the latest word first. `age`: seconds since the person's last word.
        """
        present = [seat for seat in self._here.get(slug, {}).values() if not self._is_gone(seat, now)]
        present.sort(key=lambda seat: -seat.at)
        return [{**seat.person._asdict(), "age": round(now - seat.at, 2)} for seat in present[:PEOPLE_MAX]]

    def take(self, slug: str, node: str, people: Iterable[Any], now: float) -> None:
        """Replace the people of another node, at one live blog, by the people in its new announcement.

        `people`: what `announcement` returned there. An item that can't be read is left out: a newer version of the
        server may have another format.
        """
        nodes = self._elsewhere.setdefault(slug, {})
        nodes[node] = [seat for item in list(people)[:PEOPLE_MAX] if (seat := _read(item, now)) is not None]
        self._forget(slug, now)

    def forget(self, now: float) -> None:
        """Free memory: drop another node's people at a live blog once all of them are gone."""
        for slug in list(self._elsewhere):
            self._forget(slug, now)

    def _forget(self, slug: str, now: float) -> None:
        nodes = self._elsewhere[slug]
        for node, seats in list(nodes.items()):
            if all(self._is_gone(seat, now) for seat in seats):
                del nodes[node]
        if not nodes:
            del self._elsewhere[slug]

    def _is_gone(self, seat: _Seat, now: float) -> bool:
        return now - seat.at >= self._lifetime


def _read(item: Any, now: float) -> _Seat | None:
    match item:
        case {
            "user": str(user),
            "name": str(name),
            "entry": None | str() as entry,
            "state": "here" | "writing" as state,
            "age": int() | float() as age,
        } if age >= 0:
            person = Person(user[:_ID_MAX], name[:NAME_MAX], entry and entry[:_ID_MAX], DeskState(state))
            return _Seat(person, now - age)
    return None
