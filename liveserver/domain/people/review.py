"""The rules of reviews, withdrawals and takedowns: how each step changes an entry. This module does no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from liveserver.domain.entry import Entry, EntryStatus, Review
from liveserver.domain.errors import Conflict, FieldError, InvalidInput, VersionConflict
from liveserver.domain.liveblog import TwoPersons
from liveserver.domain.people.principal import PrincipalKind

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from liveserver.domain.entry import ReviewAction
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.people.principal import Principal

OUTGOING = frozenset({EntryStatus.PUBLISHED, EntryStatus.SCHEDULED})
"""The states of entries that readers see now, or will see at a time that is set already. Only principals that may
publish may change such an entry."""

SAID = ("heading", "body", "verification", "source", "corrections")
"""The fields by which an entry tells readers something: what is said, who says so, and how sure it is."""


def submitted(draft: Entry, by: Principal, at: datetime, publish_at: datetime | None) -> Entry:
    """Return the entry after a draft was handed in.

    `publish_at`: the time at which it is to be published; None for as soon as it is approved. Raises Conflict if the
    entry isn't a draft. Raises InvalidInput if the time isn't in the future.
    """
    if draft.status is not EntryStatus.DRAFT:
        raise Conflict(f"only a draft can be handed in: the entry is {_said(draft)}")
    if publish_at is not None and publish_at <= at:
        raise InvalidInput([FieldError("/publish_at", "is gone by: leave it out to publish as soon as it is approved")])
    review = Review("publish", by.ref, by.name, at, draft.version + 1, publish_at)
    return replace(draft, status=EntryStatus.REVIEW, review=review, updated_at=at)


def approved(entry: Entry, at: datetime) -> Entry:
    """Return the entry after its approval: scheduled if it was handed in for a time after `at`, else published at `at`.

    Raises Conflict if the entry doesn't wait for review.
    """
    _check_waits(entry)
    due = entry.review.publish_at if entry.review else None
    if due is not None and due > at:
        return replace(entry, status=EntryStatus.SCHEDULED, publish_at=due, review=None, updated_at=at)
    return replace(entry, status=EntryStatus.PUBLISHED, published_at=at, review=None, updated_at=at)


def returned(entry: Entry, by: Principal, at: datetime, reason: str) -> Entry:
    """Return the entry after it was sent back to its author: a draft, with the reason.

    Raises Conflict if the entry doesn't wait for review.
    """
    _check_waits(entry)
    review = Review("publish", by.ref, by.name, at, entry.version + 1, reason=reason)
    return replace(entry, status=EntryStatus.DRAFT, review=review, updated_at=at)


def withdrawn(entry: Entry, at: datetime) -> Entry:
    """Return the entry as a draft with the same text, but without times of publication, pin and review.

    If the entry is published again, it gets a new time of publication, and readers see it as a new entry. Raises
    Conflict if the entry is a draft already.
    """
    if entry.status is EntryStatus.DRAFT:
        raise Conflict("the entry is a draft already")
    return replace(
        entry,
        status=EntryStatus.DRAFT,
        pinned=False,
        publish_at=None,
        published_at=None,
        review=None,
        updated_at=at,
    )


def tombstone(entry: Entry, at: datetime) -> Entry:
    """Return the entry without its content: what is left of it after it was deleted."""
    return Entry(
        id=entry.id,
        seq=entry.seq,
        version=entry.version,
        status=EntryStatus.DELETED,
        heading=None,
        body="",
        authors=(),
        key_event=False,
        breaking=False,
        pinned=False,
        tags=(),
        verification=None,
        source=None,
        corrections=(),
        publish_at=None,
        published_at=entry.published_at,
        created_at=entry.created_at,
        updated_at=at,
        created_by=entry.created_by,
        withdrawn_at=entry.withdrawn_at,
    )


def check_one_person(liveblog: Liveblog, old: Entry | None, new: Entry, by: Principal) -> None:
    """Raise Conflict if this change needs a second person, because the live blog asks for two for breaking news.

    `old`: the entry before the change; None if it is new. One person may not publish or schedule an entry with the
    label `breaking`, or put the label on a published or scheduled entry. If such an entry keeps the label, one person
    may not change what it says (`SAID`), nor the time at which it is to be published. Parts of the server, such as the
    scheduler, may make all these changes.
    """
    if TwoPersons.BREAKING not in liveblog.two_persons or by.kind is PrincipalKind.SERVER:
        return
    if not new.breaking or new.status not in OUTGOING:
        return
    if old is None or old.status not in OUTGOING:
        raise Conflict(
            "breaking news needs two persons here: submit the entry for review, and let somebody else approve it"
        )
    if not old.breaking:
        raise Conflict(
            "breaking news needs two persons here: withdraw the entry, label it, submit it, and let somebody else "
            "approve it"
        )
    if any(getattr(new, field) != getattr(old, field) for field in SAID):
        raise Conflict(
            "breaking news needs two persons here: to correct it alone and at once, take the label off in the same "
            "edit (`breaking`: false)"
        )
    if (new.status, new.publish_at) != (old.status, old.publish_at):
        raise Conflict(
            "breaking news needs two persons here: it was approved for this time; withdraw it, and submit it for "
            "another one"
        )


def check_approver(liveblog: Liveblog, entry: Entry, by: Principal, hands: Collection[str | None]) -> None:
    """Raise Conflict if the entry is breaking news that a second person must approve, and `by` can't be that person.

    The second person must be a user who isn't in `hands`: the principals (`Principal.ref`) that wrote or handed in any
    version since the entry last was published or scheduled. No second person is needed if the live blog doesn't ask for
    two persons for breaking news.
    """
    if TwoPersons.BREAKING not in liveblog.two_persons or not entry.breaking:
        return
    if by.kind is not PrincipalKind.USER:
        raise Conflict("breaking news needs two persons here: somebody who is signed in has to approve it")
    if by.ref in hands or (entry.review is not None and by.ref == entry.review.by):
        raise Conflict("breaking news needs two persons here: somebody else has to approve what you wrote or submitted")


def is_confirmed(entry: Entry, action: ReviewAction, by: Principal, *, seen: bool) -> bool:
    """Return True if this request of `by` confirms the takedown `action`, which another principal proposed.

    Only a user can confirm, and only if the entry wasn't edited since the proposal. `seen`: True if the request names
    the entry's present version. Raises VersionConflict if the entry was edited since the proposal and `seen` is False,
    as `by` may not have seen the edit.
    """
    proposal = entry.review
    if proposal is None or proposal.action != action or proposal.by == by.ref:
        return False
    if proposal.version != entry.version:
        if not seen:
            raise VersionConflict(entry, f"it was edited since {proposal.name} proposed this: read it again")
        return False
    return by.kind is PrincipalKind.USER


def proposed(entry: Entry, action: ReviewAction, by: Principal, at: datetime) -> Review:
    """Return the proposal for this takedown of the entry's present version.

    If the entry has such a proposal already, that proposal is returned, whoever made it. Otherwise, the proposal is a
    new one by `by`. So an API key can't replace the person who made a proposal.
    """
    proposal = entry.review
    if proposal is not None and (proposal.action, proposal.version) == (action, entry.version):
        return proposal
    return Review(action, by.ref, by.name, at, entry.version)


def _check_waits(entry: Entry) -> None:
    if entry.status is not EntryStatus.REVIEW:
        raise Conflict(f"the entry doesn't wait for review: it is {_said(entry)}")


def _said(entry: Entry) -> str:
    return {EntryStatus.DRAFT: "a draft", EntryStatus.REVIEW: "handed in already"}.get(entry.status, entry.status.value)
