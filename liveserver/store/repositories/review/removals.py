"""The queries that take an entry down: withdraw it, delete it, or erase it.

A live blog may ask for two persons to take a published entry down (`two_persons`). Then the first person's request is
only recorded, as a proposal for the entry's present version. The same request by a second person takes the entry down,
if the entry still has this version.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, cast, delete, func, update

from liveserver.domain.entry import EntryStatus, Review
from liveserver.domain.errors import Conflict, check_history, check_version
from liveserver.domain.liveblog import TwoPersons
from liveserver.domain.people.principal import PrincipalKind
from liveserver.domain.people.review import is_confirmed, proposed, tombstone, withdrawn
from liveserver.domain.people.rights import Verb
from liveserver.store import tables
from liveserver.store.mappers import review_document
from liveserver.store.repositories import entries, idempotency, liveblogs
from liveserver.store.repositories.entries import Written
from liveserver.store.repositories.people import acts, permissions
from liveserver.store.repositories.sequence import note_work

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from liveserver.domain.entry import Entry, ReviewAction
    from liveserver.domain.ids import EntityVersion
    from liveserver.domain.people.principal import Principal
    from liveserver.store.repositories.idempotency import Idempotency

_e = tables.entries
_r = tables.revisions
_PROPOSE = update(_e).where(_e.c.id == bindparam("entry_id")).values(review=bindparam("proposal"))

CONTENT: dict[str, Any] = {
    "heading": None,
    "body": "",
    "authors": [],
    "tags": [],
    "verification": None,
    "source": None,
    "corrections": [],
    "via": None,
    "review": None,
}
"""The fields of a revision that an erasure empties, and their values afterwards. An entry has these fields, too."""


class Removal(NamedTuple):
    """The removal of an entry: the entry, the principal that acts, and when."""

    slug: str
    entry_id: str
    by: Principal
    at: datetime
    version: EntityVersion | None = None
    """The version that the principal has seen; None for any."""
    idempotency: Idempotency | None = None


def remove(
    connection: Connection,
    slug: str,
    entry_id: str,
    check: Callable[[Entry], None],
    *,
    by: Principal,
    at: datetime,
    epoch: str | None = None,
    seen: bool = False,
) -> Written:
    """Replace the entry by a tombstone, which has the entry's id and times, but no content.

    If a second person has to confirm this, only a proposal is recorded. The deletion of a published entry takes the
    live blog's next seq. `check`: is called with the entry before the deletion. If `check` raises, the entry isn't
    deleted. `seen`: True if `check` raises unless the entry has the version that the principal has seen. Raises
    NotFound if there is no such entry. Raises Gone if the entry was deleted already. Raises VersionConflict if `epoch`
    isn't the live blog's epoch (None: any), or as `_proposal` does. Raises Unauthorized or Forbidden if the principal
    `by` may not delete this entry now.
    """
    rights = permissions.confirm(connection, by, Verb.WRITE, slug)
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    old = entries.find(connection, liveblog_id, entry_id, lock=True)
    rights.require(entries.verb_for(old, by), slug)
    check_history(old, epoch, liveblog.epoch)
    check(old)
    proposal = _proposal(connection, slug, old, "delete", by, at, seen=seen)
    if proposal is not None:
        return proposal
    return entries.write(connection, liveblog_id, old, tombstone(old, at), by=by, slug=slug, action="deleted")


def withdraw(connection: Connection, removal: Removal) -> Written:
    """Turn an entry that is published, scheduled or handed in back into a draft. Its text stays, for the newsroom.

    The withdrawal of a published entry takes the live blog's next seq, and is a deletion for readers. Raises Conflict
    if the entry is a draft already, or if it was taken over from a source that the live blog still follows. Raises
    NotFound, Gone, VersionConflict, KeyReused, and Unauthorized or Forbidden.
    """
    slug, entry_id, by, at, version, key = removal
    rights = permissions.confirm(connection, by, Verb.WRITE, slug)
    if key is not None and not idempotency.claim(connection, by, key, entry_id, at):
        return entries.replay(connection, slug, by, key)
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    old = entries.find(connection, liveblog_id, entry_id, lock=True)
    rights.require(entries.verb_for(old, by), slug)
    check_version(old, version, liveblog.epoch)
    if old.via is not None and entries.follows(connection, liveblog_id):
        raise Conflict(f"the entry is {old.via.name}'s: delete it to hide it, or stop following")
    new = withdrawn(old, at)
    proposal = _proposal(connection, slug, old, "withdraw", by, at, seen=version is not None)
    if proposal is not None:
        return proposal
    return entries.write(connection, liveblog_id, old, new, by=by, slug=slug, action="withdrawn")


def erase(connection: Connection, removal: Removal) -> Written:
    """Delete an entry, and empty all that the database has of its content: revisions, notes and idempotency keys.

    The entry may be deleted already. Its row, its revisions' times and actors, and the audit log stay. Raises NotFound,
    VersionConflict, and Unauthorized or Forbidden.
    """
    slug, entry_id, by, at, version, _ = removal
    permissions.confirm(connection, by, Verb.PUBLISH, slug)
    liveblog_id, liveblog = liveblogs.find(connection, slug)
    old = entries.find_any(connection, liveblog_id, entry_id, lock=True)
    check_version(old, version, liveblog.epoch)
    proposal = _proposal(connection, slug, old, "erase", by, at, seen=version is not None)
    if proposal is not None:
        return proposal
    written = entries.write(connection, liveblog_id, old, tombstone(old, at), by=by, slug=slug, action="erased")
    _empty(connection, entry_id)
    return written


def _empty(connection: Connection, entry_id: str) -> None:
    """Empty the entry's revisions, and remove its notes and the hashes of the requests that wrote it.

    The idempotency keys themselves stay: a repeated request must not publish the text again.
    """
    connection.execute(update(_r).where(_r.c.entry_id == entry_id).values(entry=_emptied(connection)))
    connection.execute(delete(tables.notes).where(tables.notes.c.entry_id == entry_id))
    idempotency.erase(connection, entry_id)


def _emptied(connection: Connection) -> ColumnElement[Any]:
    """Return a revision's document without its content, as an expression that the database evaluates.

    An entry may have a thousand revisions with the longest body that is accepted. None of them comes here.
    """
    if connection.dialect.name == "sqlite":
        # `json_patch` would remove the fields whose new value is null.
        fields = [part for name, value in CONTENT.items() for part in (f"$.{name}", func.json(json.dumps(value)))]
        return func.json_set(_r.c.entry, *fields, type_=_r.c.entry.type)
    return _r.c.entry.op("||")(cast(CONTENT, _r.c.entry.type))


def _proposal(
    connection: Connection,
    slug: str,
    old: Entry,
    action: ReviewAction,
    by: Principal,
    at: datetime,
    *,
    seen: bool,
) -> Written | None:
    """Record a proposal for a takedown if a second person has to confirm the takedown, and return the result.

    Returns None if the principal may take the entry down now. `seen`: True if the principal has seen the entry's
    present version. Raises VersionConflict if `seen` is False, and the entry was edited since somebody else's proposal.
    """
    if old.status is not EntryStatus.PUBLISHED or by.kind is PrincipalKind.SERVER:
        return None
    liveblog = liveblogs.find(connection, slug, lock=True).liveblog
    if TwoPersons.TAKEDOWNS not in liveblog.two_persons or is_confirmed(old, action, by, seen=seen):
        return None
    review: Review = proposed(old, action, by, at)
    if review != old.review:
        connection.execute(_PROPOSE, {"entry_id": old.id, "proposal": review_document(review)})
        note_work(connection, slug)
        acts.record(connection, by, f"entry.{action}_proposed", at, liveblog=slug, entry_id=old.id, version=old.version)
    return Written(liveblog, replace(old, review=review), None, replayed=False, proposed=True)
