"""An entry, its states and corrections, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


TAG_MAX = 60
"""Characters of a tag."""


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
        """Whether the newsroom doesn't answer for it: such words never go without their label."""
        return self is not Verification.CONFIRMED


CORRECTIONS_MAX = 50
"""Of one entry: it is carried with all of them, to everybody, at each change."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A public note on what was wrong in an entry."""

    at: datetime
    note: str


class Via(NamedTuple):
    """Whose an entry is that was taken over from another live blog."""

    name: str
    url: str
    """Where it stands there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a live blog."""

    id: str
    """UUIDv7 (RFC 9562), lower-case with hyphens."""
    seq: int | None
    """The change that last touched what readers see of it; None while they never saw it."""
    version: int
    status: EntryStatus
    heading: str | None
    body: str
    """Sanitised HTML; empty once deleted."""
    authors: tuple[str, ...]
    key_event: bool
    breaking: bool
    pinned: bool
    tags: tuple[str, ...]
    verification: Verification | None
    source: str | None
    corrections: tuple[Correction, ...]
    publish_at: datetime | None
    """When a scheduled entry is due."""
    published_at: datetime | None
    created_at: datetime
    updated_at: datetime
    via: Via | None = None
    """None for the newsroom's own."""

    @property
    def is_claim(self) -> bool:
        """Whether what it reports is a claim; not where nothing is said of that."""
        return self.verification is not None and self.verification.is_claim


@dataclass(frozen=True, slots=True)
class Revision:
    """One state that an entry had, and who made it."""

    version: int
    at: datetime
    actor: str
    """The name of the API key."""
    action: Literal["created", "edited", "published", "deleted"]
    entry: Entry
    """The entry as it was from then on (empty body for `deleted`)."""
