"""An entry, its states and corrections, and its origin if it was taken over."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


TAG_MAX = 60
"""Characters of a tag at most."""


class EntryStatus(StrEnum):
    """Where an entry stands. Only `published` is visible to readers."""

    DRAFT = "draft"
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
        """True if the newsroom doesn't vouch for such an entry: it is never shown without its label."""
        return self is not Verification.CONFIRMED


CORRECTIONS_MAX = 50
"""Corrections of one entry at most: every change of the entry carries all of them, to everybody."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A public note on what was wrong in an entry."""

    at: datetime
    note: str


class Via(NamedTuple):
    """The origin of an entry that was taken over from another live blog."""

    name: str
    """The other newsroom's name."""
    url: str
    """The address of the entry there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a live blog."""

    id: str
    """UUIDv7 (RFC 9562), lower-case with hyphens."""
    seq: int | None
    """The number of the last change that readers could see of it; None if they never saw the entry."""
    version: int
    status: EntryStatus
    heading: str | None
    body: str
    """Sanitised HTML; empty once the entry is deleted."""
    authors: tuple[str, ...]
    key_event: bool
    breaking: bool
    pinned: bool
    tags: tuple[str, ...]
    verification: Verification | None
    source: str | None
    corrections: tuple[Correction, ...]
    publish_at: datetime | None
    """The time at which a scheduled entry is to be published; None for any other."""
    published_at: datetime | None
    created_at: datetime
    updated_at: datetime
    via: Via | None = None
    """The origin of an entry that was taken over; None for the newsroom's own entries."""

    @property
    def is_claim(self) -> bool:
        """True if its verification says that it reports a claim; False without a verification."""
        return self.verification is not None and self.verification.is_claim


@dataclass(frozen=True, slots=True)
class Revision:
    """One state that an entry had, with its time and author."""

    version: int
    at: datetime
    actor: str
    """The name of the API key, or of the part of the server, that made the change."""
    action: Literal["created", "edited", "published", "deleted"]
    entry: Entry
    """The entry as it was from then on; with an empty body for `deleted`."""
