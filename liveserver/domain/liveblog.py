"""A live blog, its states, and its embed policy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

from liveserver.domain.ids import EntityVersion

if TYPE_CHECKING:
    from datetime import datetime


class LiveblogStatus(StrEnum):
    """The state of a live coverage."""

    UPCOMING = "upcoming"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"


class EmbedPolicy(NamedTuple):
    """The rule that says which sites may show a live blog without being a partner."""

    mode: Literal["anyone", "origins", "nobody"] = "anyone"
    origins: tuple[str, ...] = ()
    """In the mode `origins`: patterns of the origins whose pages may show the live blog (`domain/inputs/origins.py`).
    In other modes: empty."""


ANYONE = EmbedPolicy()


class TwoPersons(StrEnum):
    """A kind of act that needs two persons on a live blog: one proposes it, and another confirms it."""

    BREAKING = "breaking"
    """Publish an entry that is labelled as breaking news."""
    TAKEDOWNS = "takedowns"
    """Delete, withdraw or erase a published entry."""
    ALERTS = "alerts"
    """Send an alert. There are no alerts yet."""


@dataclass(frozen=True, slots=True)
class Liveblog:
    """One live coverage of an event: its own fields, without its entries."""

    slug: str
    title: str
    summary: str
    language: str
    """The language's BCP 47 tag, for example `fr` or `en-GB`."""
    timezone: str
    """The time zone's IANA name, for example `Europe/Paris`."""
    status: LiveblogStatus
    version: int
    """The number of this state of the live blog's own fields: 1, 2, 3 …"""
    epoch: str
    """The name of the live blog's present history; a restore from a backup begins a new history, with a new name. A seq
    has a meaning only together with its epoch."""
    seq: int
    """The seq of the last change of the live blog's own fields or of any of its entries; 0 if there was none."""
    changed_seq: int
    """The seq of the last change of the live blog's own fields; 0 if there was none."""
    created_at: datetime
    updated_at: datetime
    embedding: EmbedPolicy = ANYONE
    two_persons: tuple[TwoPersons, ...] = ()
    """The kinds of acts that need two persons. Readers aren't told."""

    @property
    def entity_version(self) -> EntityVersion:
        """The version of the live blog's own fields, within the history that the epoch names."""
        return EntityVersion(self.version, self.epoch)
