"""Entries: their states, corrections, reviews, notes and earlier versions; the origin of copied entries."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

from liveserver.domain.errors import FieldError, InvalidInput

if TYPE_CHECKING:
    from datetime import datetime


TAG_MAX = 60
"""The greatest length of a tag, in characters."""


class EntryStatus(StrEnum):
    """The state of an entry. Only entries in the state `published` are visible to readers."""

    DRAFT = "draft"
    REVIEW = "review"
    """The entry was handed in, and waits for somebody who may publish it."""
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    DELETED = "deleted"


class Verification(StrEnum):
    """How sure the newsroom is of what an entry reports."""

    CONFIRMED = "confirmed"
    CLAIMED = "claimed"
    UNVERIFIED = "unverified"
    DENIED = "denied"

    @property
    def is_claim(self) -> bool:
        """True for each verification but `confirmed`. Readers see a label on entries with such a verification."""
        return self is not Verification.CONFIRMED


CORRECTIONS_MAX = 50
"""The greatest number of corrections that an entry may have. It is limited because all corrections of an entry are sent
to all viewers with every change of the entry."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A public note on an entry: what was corrected, and when."""

    at: datetime
    note: str


class Via(NamedTuple):
    """The credit of an entry that was copied from a source (a live blog on another server): a name and a link."""

    name: str
    """The name of the newsroom that the entry comes from."""
    url: str
    """The address to which the newsroom's name links: the entry's address on the other server, or an address that our
    editors have set."""


ReviewAction = Literal["publish", "delete", "withdraw", "erase"]
"""The acts on an entry that one principal can ask for, and that another principal then does or confirms."""

REASON_MAX = 2_000
"""The greatest length, in characters, of the reason for returning an entry."""


class Review(NamedTuple):
    """The last step of an entry's review or takedown: the entry was handed in, returned, or proposed for a takedown.

    The entry's state says which: `review` (handed in), `draft` (returned), or `published` (proposed for a takedown).
    Readers never see this step.
    """

    action: ReviewAction
    """The takedown that was proposed; `publish` if the entry was handed in or returned."""
    by: str
    """The principal that handed the entry in, returned it or made the proposal (`Principal.ref`)."""
    name: str
    """The principal's name at the time of this step."""
    at: datetime
    version: int
    """The entry's version right after this step. If the entry has a higher version now, it was edited since."""
    publish_at: datetime | None = None
    """If the entry was handed in: the time at which it is to be published; None for as soon as it is approved."""
    reason: str | None = None
    """The reason for which the entry was returned; None if it wasn't returned."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a live blog."""

    id: str
    """A UUIDv7 (RFC 9562), in lower case and with hyphens."""
    seq: int | None
    """The seq of the last change of the entry that readers could see, such as its removal; None if readers never saw
    the entry."""
    version: int
    """The number of this state of the entry: 1, 2, 3 …"""
    status: EntryStatus
    heading: str | None
    body: str
    """The entry's text as sanitised HTML; empty if the entry is deleted."""
    authors: tuple[str, ...]
    key_event: bool
    breaking: bool
    pinned: bool
    tags: tuple[str, ...]
    verification: Verification | None
    source: str | None
    corrections: tuple[Correction, ...]
    publish_at: datetime | None
    """The time at which a scheduled entry is to be published; None for an entry that isn't scheduled."""
    published_at: datetime | None
    """The time at which the entry was published, or another time that an editor has set instead; None if the entry was
    never published."""
    created_at: datetime
    updated_at: datetime
    via: Via | None = None
    """The origin of an entry that was copied from a source; None for the newsroom's own entries."""
    created_by: str | None = None
    """The principal that created the entry (`Principal.ref`); None for an entry of a release that didn't record it."""
    review: Review | None = None
    """The last step of the entry's review or takedown; None if there was none, or if the entry's state has changed
    since."""
    withdrawn_at: datetime | None = None
    """The time at which the published entry was withdrawn or deleted; None if readers see the entry or never saw it.
    Also None if the entry was deleted by a release that didn't record this."""

    @property
    def is_claim(self) -> bool:
        """True if the entry has a verification other than `confirmed`. Readers always see a label on such an entry."""
        return self.verification is not None and self.verification.is_claim


Action = Literal[
    "created", "edited", "published", "deleted", "submitted", "approved", "returned", "withdrawn", "erased"
]
"""The kinds of changes that make a version of an entry."""

LEAVING: tuple[Action, ...] = ("deleted", "withdrawn", "erased")
"""The kinds of changes after which readers don't see the entry any more."""


def check_publishable(entry: Entry) -> None:
    """Raise InvalidInput if the entry has neither a heading nor a body. Such an entry can only be a draft."""
    if entry.heading is None and not entry.body.strip():
        raise InvalidInput([FieldError("/body", "is needed to publish an entry that has no heading")])


NOTE_MAX = 2_000
"""The greatest length of a note, in characters."""
NOTES_MAX = 200
"""The greatest number of notes on an entry. They are all read at once."""


@dataclass(frozen=True, slots=True)
class Note:
    """A note on an entry, which the newsroom writes for itself. Readers never see it."""

    id: str
    by: str
    """The principal that wrote the note (`Principal.ref`)."""
    name: str
    """The principal's name when it wrote the note."""
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of an entry, with the time and the actor of the change that made it."""

    version: int
    at: datetime
    """The time of the change."""
    actor: str
    """The name of the principal that made the change: a user, an API key or a part of the server."""
    action: Action
    entry: Entry
    """The entry after the change. For the actions `deleted` and `erased`, the entry has no content. An erasure also
    removes the content from the entry's earlier revisions."""
