"""The queries that write the steps of a review: an entry is handed in, approved or returned."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select

from liveserver.domain.errors import check_history, check_version
from liveserver.domain.people.review import OUTGOING, approved, check_approver, returned, submitted
from liveserver.domain.people.rights import Verb
from liveserver.store import tables
from liveserver.store.repositories import entries, liveblogs
from liveserver.store.repositories.idempotency import claim
from liveserver.store.repositories.people import permissions

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection

    from liveserver.domain.entry import Action, Entry
    from liveserver.domain.ids import EntityVersion
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.people.principal import Principal
    from liveserver.store.repositories.entries import Written
    from liveserver.store.repositories.idempotency import Idempotency

_r = tables.revisions
_before = tables.revisions.alias("before")

_WRITING: tuple[Action, ...] = ("created", "edited", "submitted", "published")
"""The kinds of changes that make a principal one of the entry's hands (`_hands`). The others don't change the text:
somebody who returned an entry with a reason may approve it later."""


class Step(NamedTuple):
    """A step of a review: the entry, the principal that acts, and when."""

    slug: str
    entry_id: str
    by: Principal
    at: datetime
    version: EntityVersion | None = None
    """The version that the principal has seen; None for any."""
    idempotency: Idempotency | None = None


def submit(connection: Connection, step: Step, *, publish_at: datetime | None = None) -> Written:
    """Hand a draft in for review. The creator of the draft needs the verb `write`, anybody else the verb `publish`.

    `publish_at`: the time at which the entry is to be published; None for as soon as it is approved. Raises Conflict if
    the entry isn't a draft, InvalidInput if it is empty or the time isn't in the future, and the errors of `_take`.
    """

    def change(draft: Entry) -> Entry:
        return submitted(draft, step.by, step.at, publish_at)

    return _take(connection, step, change, action="submitted")


def approve(connection: Connection, step: Step) -> Written:
    """Publish an entry that was handed in, or schedule it if it was handed in for a later time.

    Raises Conflict if the entry doesn't wait for review, or if it is breaking news that a second person has to approve.
    Raises Conflict if an eleventh entry would be pinned, and the errors of `_take`.
    """

    def check(liveblog: Liveblog, entry: Entry) -> None:
        check_approver(liveblog, entry, step.by, _hands(connection, entry.id))

    return _take(
        connection,
        step,
        lambda entry: approved(entry, step.at),
        action="approved",
        verb=Verb.PUBLISH,
        check=check,
    )


def give_back(connection: Connection, step: Step, reason: str) -> Written:
    """Send an entry that was handed in back to its author: turn it into a draft that has the reason.

    Raises Conflict if the entry doesn't wait for review, and the errors of `_take`.
    """

    def change(entry: Entry) -> Entry:
        return returned(entry, step.by, step.at, reason)

    return _take(connection, step, change, action="returned", verb=Verb.PUBLISH)


def _take(
    connection: Connection,
    step: Step,
    change: Callable[[Entry], Entry],
    *,
    action: Action,
    verb: Verb | None = None,
    check: Callable[[Liveblog, Entry], None] | None = None,
) -> Written:
    """Take a step of a review.

    `verb`: the verb that the step needs; None for the verb that an edit of the entry needs. `check`: is called with the
    live blog and the entry before the step. Raises NotFound, Gone, VersionConflict, KeyReused, and Unauthorized or
    Forbidden.
    """
    rights = permissions.confirm(connection, step.by, verb or Verb.WRITE, step.slug)
    if step.idempotency is not None and not claim(connection, step.by, step.idempotency, step.entry_id, step.at):
        return entries.replay(connection, step.slug, step.by, step.idempotency)
    liveblog_id, liveblog = liveblogs.find(connection, step.slug)
    old = entries.find(connection, liveblog_id, step.entry_id, lock=True)
    rights.require(verb or entries.verb_for(old, step.by), step.slug)
    check_version(old, step.version, liveblog.epoch)
    check_history(old, step.version.history if step.version else None, liveblog.epoch)
    return entries.write(
        connection,
        liveblog_id,
        old,
        change(old),
        by=step.by,
        slug=step.slug,
        action=action,
        check=None if check is None else partial(_checked, check, old),
    )


def _hands(connection: Connection, entry_id: str) -> set[str | None]:
    """Return the principals (`Principal.ref`) that wrote or handed in a version since the entry was last outgoing.

    Only the versions after its last withdrawal count, if it was published or scheduled before that withdrawal.
    Otherwise all versions count. None stands for the author of a version that an earlier release wrote.
    """
    # Only the versions right before a withdrawal are looked at, as a version may be long.
    left = select(func.coalesce(func.max(_r.c.version), 0)).where(
        _r.c.entry_id == entry_id,
        _r.c.action == "withdrawn",
        select(_before.c.version)
        .where(
            _before.c.entry_id == entry_id,
            _before.c.version == _r.c.version - 1,
            _before.c.entry["status"].as_string().in_([status.value for status in OUTGOING]),
        )
        .exists(),
    )
    last = connection.execute(left).scalar_one()
    query = select(_r.c.principal).where(_r.c.entry_id == entry_id, _r.c.version > last, _r.c.action.in_(_WRITING))
    return set(connection.execute(query.distinct()).scalars())


def _checked(check: Callable[[Liveblog, Entry], None], old: Entry, liveblog: Liveblog) -> None:
    check(liveblog, old)
