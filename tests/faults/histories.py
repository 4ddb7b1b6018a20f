"""The history of one entry or one user, as the audit log tells it, held against what the database has. No I/O."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tests.faults.records import ActRow, EntryRow, RevisionRow, UserRow

_ANY = frozenset({"draft", "review", "scheduled", "published"})
_FROM: dict[str, frozenset[str]] = {
    "published": frozenset({"draft", "review", "scheduled"}),
    "edited": _ANY,
    "submitted": frozenset({"draft"}),
    "approved": frozenset({"review"}),
    "returned": frozenset({"review"}),
    "withdrawn": frozenset({"review", "scheduled", "published"}),
    "deleted": _ANY,
    "erased": _ANY | {"deleted"},
}
"""The states in which an entry may be before each act that makes a version."""
_TO: dict[str, frozenset[str]] = {
    "created": frozenset({"draft", "scheduled"}),
    "published": frozenset({"published"}),
    "edited": _ANY,
    "submitted": frozenset({"review"}),
    "approved": frozenset({"published", "scheduled"}),
    "returned": frozenset({"draft"}),
    "withdrawn": frozenset({"draft"}),
    "deleted": frozenset({"deleted"}),
    "erased": frozenset({"deleted"}),
}
"""The states in which it may be afterwards."""


class Finding(NamedTuple):
    """Something that is wrong."""

    kind: str
    """`lost`, `doubled`, `unexplained` …"""
    what: str


def entry_findings(
    entry_id: str, entry: EntryRow | None, revisions: list[RevisionRow], acts: list[ActRow], notes: Collection[str]
) -> Iterator[Finding]:
    """What is wrong with an entry. `acts`: all on it, oldest first. `notes`: the ids of those on it."""
    if entry is None:
        yield Finding("unexplained", f"no entry {entry_id}, but acts: {', '.join(map(str, acts))}")
        return
    making = [act for act in acts if act.action.removeprefix("entry.") in _TO]
    told = f"{entry}: acts {', '.join(map(str, making))}"
    numbers = list(range(1, entry.version + 1))
    for name, found in (("act", [act.version or 0 for act in making]), ("revision", [r.version for r in revisions])):
        if sorted(found) != numbers:
            kind = "doubled" if len(found) > len(set(found)) else "lost" if set(found) < set(numbers) else "unexplained"
            yield Finding(kind, f"each version needs one {name}, and there are {found}: {told}")
            return
    for act, revision in zip(sorted(making, key=lambda act: act.version or 0), revisions, strict=True):
        if (act.action, f"{act.kind}:{act.by}") != (f"entry.{revision.action}", revision.principal):
            yield Finding("mixed", f"version {revision.version} is of {revision.principal} ({revision.action}): {told}")
    for before, after in pairwise(revisions):
        if before.status not in _FROM.get(after.action, ()):
            yield Finding("mixed", f"a {before.status} entry was {after.action} as version {after.version}: {told}")
    for revision in revisions:
        if revision.status not in _TO[revision.action]:
            yield Finding("mixed", f"{revision.action}, and {revision.status} as version {revision.version}: {told}")
    last = revisions[-1]
    if entry.status != last.status:
        yield Finding("mixed", f"is {entry.status}, its last version {last.status}: {told}")
    yield from _notes(told, acts, notes)


_TAKEDOWNS = {"entry.withdrawn": "withdraw", "entry.deleted": "delete", "entry.erased": "erase"}


def alone_findings(acts: list[ActRow], revisions: list[RevisionRow]) -> Iterator[Finding]:
    """What one person alone did with an entry of a live blog that asks for two. `acts`: all on it, oldest first."""
    by_version = {revision.version: revision for revision in revisions}
    submitter = ""
    for place, act in enumerate(acts):
        before = by_version.get((act.version or 0) - 1)
        if act.action == "entry.submitted":
            submitter = act.by
        elif act.action == "entry.approved" and before is not None and before.breaking and act.by == submitter:
            yield Finding("alone", f"breaking news was submitted and approved by one: {', '.join(map(str, acts))}")
        elif act.action in _TAKEDOWNS and before is not None and before.status == "published":
            name = f"entry.{_TAKEDOWNS[act.action]}_proposed"
            seconds = [a for a in acts[:place] if (a.action, a.version) == (name, before.version) and a.by != act.by]
            if not seconds:
                yield Finding("alone", f"taken down without a proposal: {', '.join(map(str, acts))}")


def _notes(told: str, acts: list[ActRow], notes: Collection[str]) -> Iterator[Finding]:
    left: set[str] = set()
    for act in acts:
        if act.action == "note.added":
            left.add(act.details["note"])
        elif act.action == "note.deleted":
            left.discard(act.details["note"])
        elif act.action == "entry.erased":
            left.clear()
    if left != set(notes):
        yield Finding("lost" if left - set(notes) else "unexplained", f"has the notes {notes}, not {left}: {told}")


class _User:
    """A user as the acts make them."""

    def __init__(self) -> None:
        self.version = 0
        self.role: str | None = None
        self.joined = self.disabled = self.password = self.linked = False
        self.sessions: set[frozenset[str]] = {frozenset()}
        """Each of these sets of sessions may be the one: it isn't told which session ended all others."""


def user_findings(
    user: UserRow, acts: list[ActRow], sessions: Collection[str], *, linked: bool, leavers: Collection[str]
) -> Iterator[Finding]:
    """What is wrong with a user.

    `acts`: of the user, and those of others on the user, oldest first. `sessions`: those that are in the database.
    `linked`: True if a link is. `leavers`: the sessions from which all others may have been ended.
    """
    told = f"{user}: acts {', '.join(map(str, acts))}"
    state = _User()
    for act in acts:
        for wrong in _step(state, act, leavers):
            yield Finding("mixed", f"{wrong} by {act}: {told}")
    for name in ("version", "role", "joined", "disabled", "password"):
        if getattr(user, name) != getattr(state, name):
            yield Finding("mixed", f"{name} is {getattr(user, name)}, its acts say {getattr(state, name)}: {told}")
    if linked != state.linked:
        yield Finding("mixed", f"{'has a' if linked else 'has no'} link, its acts say otherwise: {told}")
    if frozenset(sessions) not in state.sessions:
        expected = sorted(map(sorted, state.sessions))
        yield Finding("mixed", f"has the sessions {sorted(sessions)}, its acts say {expected}: {told}")


def _step(user: _User, act: ActRow, leavers: Collection[str]) -> Iterator[str]:
    """Take one act; yields what is wrong with it."""
    match act.action:
        case "user.invited":
            user.version, user.role, user.linked = 1, act.details["role"], True
        case "user.changed" | "user.disabled":
            user.version += 1
            user.role = None if act.details["role"] == "none" else act.details["role"]
            if "disabled" in act.details["changed"]:
                user.disabled = act.action == "user.disabled"
            if user.disabled:
                user.sessions, user.linked = {frozenset()}, False
        case "user.link_made":
            user.sessions, user.linked, user.password = {frozenset()}, True, False
        case "user.joined" | "user.reset":
            if not user.linked:
                yield "a link that was void was used"
            if user.joined == (act.action == "user.joined"):
                yield "joined twice, or reset before"
            user.joined, user.linked, user.password = True, False, True
        case "session.began":
            if user.disabled or not user.password:
                yield "somebody signed in who was disabled, or by a password that was void"
            user.sessions = {each | {act.details["session"]} for each in user.sessions}
        case "session.ended":
            if not any(act.details["session"] in each for each in user.sessions):
                yield "a session was ended that wasn't there"
            user.sessions = {each - {act.details["session"]} for each in user.sessions}
        case "session.ended_all":
            kept = {frozenset({one}) for each in user.sessions for one in each if one in leavers}
            user.sessions = kept or {frozenset()}
