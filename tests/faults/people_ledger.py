"""What people asked for at the desk, and how they were answered; compared with the audit log. No I/O.

Each request leaves its acts, or it leaves nothing: certainly, if it was answered 2xx; certainly not, if each of its
tries was answered 4xx; one or the other, if a try stayed unanswered. `histories.py` compares the acts with what has
become of entries and users.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.faults.histories import Finding, alone_findings, entry_findings, user_findings
from tests.faults.ledger import marks_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.records import ActRow, Records

OF_USERS = frozenset({"user.invited", "user.changed", "user.disabled", "user.link_made"})
"""Acts that have the name of the user in question."""


class ActKey(NamedTuple):
    """What acts are told apart by, as far as whoever sent a request knows it."""

    by: str
    action: str
    target: str
    """The mark of an entry, the name of a user, or the id of a session; empty: of whoever acts."""


@dataclass(eq=False)
class Request:
    """One thing that somebody asked for: one try, or several until it was answered."""

    number: int
    by: str
    acts: tuple[str, ...]
    """The acts that it leaves."""
    target: str = ""
    once: bool = True
    """False if each try may do it again, as there is nothing by which a server would know it again."""
    instead: str | None = None
    """The act that it leaves in place of `acts`, if it turns out to need a second person."""
    sent: int = 0
    done: int = 0
    refused: int = 0
    in_doubt: bool = False
    """The answer was 2xx, but doesn't tell that this very request has left the acts."""
    told: list[tuple[str, str, Any]] = field(default_factory=list)
    """What answers told of one of the acts: the act, `version` or the name of a detail, and its value."""

    def __str__(self) -> str:
        state = f"{self.done} done, {self.refused} refused, {self.lost} unanswered"
        return f"request {self.number}, {'+'.join(self.acts)} of {self.target or 'self'} by {self.by}: {state}"

    @property
    def lost(self) -> int:
        """Tries that nobody answered."""
        return self.sent - self.done - self.refused

    @property
    def open(self) -> bool:
        """Whether nobody knows what came of it."""
        return self.lost > 0 and not self.done

    @property
    def certain(self) -> int:
        """How often it must have been done."""
        return 0 if self.in_doubt else min(self.done, 1) if self.once else self.done

    @property
    def possible(self) -> int:
        """How often it can have been done."""
        return min(self.done + self.lost, 1) if self.once else self.done + self.lost

    def bounds(self) -> Iterator[tuple[ActKey, int, int]]:
        """The keys of its acts, with how many there must be of each at least, and may be at most."""
        for action in self.acts:
            yield ActKey(self.by, action, self.target), self.certain, self.possible
        if self.instead is not None:
            yield ActKey(self.by, self.instead, self.target), 0, self.possible


@dataclass
class PeopleLedger:
    """The requests of everybody at the desk in one round."""

    slugs: frozenset[str]
    """The live blogs on which only these people work."""
    pair: str = ""
    """The one of them that asks for two persons, for breaking news and takedowns."""
    requests: list[Request] = field(default_factory=list)
    people: dict[str, str] = field(default_factory=dict)
    """Names of users by id, of those whose id was told."""
    names: set[str] = field(default_factory=set)
    """Names of everybody who was, or may have been, invited."""
    marks: dict[str, str] = field(default_factory=dict)
    """The marks of entries by id."""
    leavers: set[str] = field(default_factory=set)
    """Sessions from which somebody has ended all the others."""

    def begin(self, by: str, *acts: str, target: str = "", once: bool = True, instead: str | None = None) -> Request:
        """Note a request that is about to be sent."""
        request = Request(len(self.requests) + 1, by, acts, target, once, instead)
        self.requests.append(request)
        return request

    def check(self, records: Records) -> list[Finding]:
        """All that is wrong."""
        for entry in records.entries.values():
            for mark in marks_in(entry.text):
                self.marks.setdefault(entry.id, mark)
        for entry_id, revisions in records.revisions.items():
            for mark in marks_in(revisions[0].text):
                self.marks.setdefault(entry_id, mark)
        ours = self.ours(records)
        return [
            *self._acts(ours),
            *self._told(ours),
            *self._entries(records),
            *self._users(records),
            *self._alone(records, ours),
            *self._erased(records, ours),
        ]

    def ours(self, records: Records) -> list[ActRow]:
        """The acts of these people, and those on them."""
        return [act for act in records.acts if self._is_ours(act)]

    def _is_ours(self, act: ActRow) -> bool:
        if act.kind != "user":
            # The owner is invited by the harness itself. Entries are published by schedule, which `histories` judges.
            return act.details.get("user_name") in self.names
        return act.by in self.people or act.liveblog in self.slugs or act.details.get("user_name") in self.names

    def _key(self, act: ActRow) -> ActKey:
        target = ""
        if act.entry is not None:
            target = self.marks.get(act.entry, act.entry)
        elif act.action in OF_USERS:
            target = act.details["user_name"]
        elif act.action == "session.ended":
            target = act.details["session"]
        return ActKey(act.by, act.action, target)

    def _acts(self, acts: list[ActRow]) -> Iterator[Finding]:
        """Acts that are missing, or that nobody has asked for."""
        least, most = Counter[ActKey](), Counter[ActKey]()
        asked: dict[ActKey, list[Request]] = {}
        for request in self.requests:
            for key, certain, possible in request.bounds():
                least[key] += certain
                most[key] += possible
                asked.setdefault(key, []).append(request)
        found: dict[ActKey, list[ActRow]] = {}
        for act in acts:
            found.setdefault(self._key(act), []).append(act)
        for key in least.keys() | found.keys():
            there = found.get(key, [])
            if least[key] <= len(there) <= most[key]:
                continue
            kind = "lost" if len(there) < least[key] else "doubled" if asked.get(key) else "unexplained"
            told = f"{len(there)} acts, not {least[key]} to {most[key]}, of {key}: {_listed(there)}"
            yield Finding(kind, f"{told}; {_listed(asked.get(key))}")

    def _told(self, acts: list[ActRow]) -> Iterator[Finding]:
        """What answers told of acts that aren't there."""
        by_key: dict[ActKey, list[ActRow]] = {}
        for act in acts:
            by_key.setdefault(self._key(act), []).append(act)
        for request in self.requests:
            for action, name, value in request.told:
                there = by_key.get(ActKey(request.by, action, request.target), [])
                number = sum((act.version if name == "version" else act.details.get(name)) == value for act in there)
                if number != 1:
                    kind = "doubled" if number else "lost"
                    yield Finding(kind, f"{request} was told {name} {value}: {number} such acts among {_listed(there)}")

    def _entries(self, records: Records) -> Iterator[Finding]:
        """Entries, also those that programs write, whose acts don't explain them."""
        acts: dict[str, list[ActRow]] = {}
        for act in records.acts:
            if act.entry is not None:
                acts.setdefault(act.entry, []).append(act)
        notes: dict[str, set[str]] = {}
        for note_id, (entry_id, _) in records.notes.items():
            notes.setdefault(entry_id, set()).add(note_id)
        for entry_id in acts.keys() | records.entries.keys() | records.revisions.keys():
            entry, revisions = records.entries.get(entry_id), records.revisions.get(entry_id, [])
            yield from entry_findings(entry_id, entry, revisions, acts.get(entry_id, []), notes.get(entry_id, set()))

    def _users(self, records: Records) -> Iterator[Finding]:
        """Users whose acts don't explain them."""
        for user in records.users:
            if user.name not in self.names:
                continue
            acts = [
                act
                for act in records.acts
                if act.details.get("user") == user.id or (act.by == user.id and act.action not in OF_USERS)
            ]
            sessions = records.sessions.get(user.id, set())
            yield from user_findings(user, acts, sessions, linked=user.id in records.links, leavers=self.leavers)

    def _alone(self, records: Records, acts: list[ActRow]) -> Iterator[Finding]:
        """What one person did that needs two."""
        on_entry: dict[str, list[ActRow]] = {}
        for act in acts:
            if act.entry is not None and act.liveblog == self.pair:
                on_entry.setdefault(act.entry, []).append(act)
        for entry_id, there in on_entry.items():
            yield from alone_findings(there, records.revisions.get(entry_id, []))

    def _erased(self, records: Records, acts: list[ActRow]) -> Iterator[Finding]:
        """Texts that were erased, and stand somewhere."""
        there = records.marks()
        for mark in self.erased(acts):
            if mark in there:
                yield Finding("unerased", f"{mark} was erased, and stands in {sorted(there[mark])}")

    def erased(self, acts: list[ActRow]) -> set[str]:
        """The marks of the entries that were erased."""
        gone = {act.entry for act in acts if act.action == "entry.erased"}
        return {mark for entry_id, mark in self.marks.items() if entry_id in gone}


def _listed(things: list[Any] | None) -> str:
    return "; ".join(map(str, things)) if things else "none"
