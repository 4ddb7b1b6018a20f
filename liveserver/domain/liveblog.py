"""A live blog, its states, and its embed policy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

from liveserver.domain.ids import EntityVersion

if TYPE_CHECKING:
    from datetime import datetime


class LiveblogStatus(StrEnum):
    """Where a coverage stands."""

    UPCOMING = "upcoming"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"


class EmbedPolicy(NamedTuple):
    """The rule that says which sites may show a live blog without being a partner."""

    mode: Literal["anyone", "origins", "nobody"] = "anyone"
    origins: tuple[str, ...] = ()
    """Patterns of the sites' origins, with the mode `origins` (`domain/inputs/origins.py`); else empty."""


ANYONE = EmbedPolicy()


@dataclass(frozen=True, slots=True)
class Liveblog:
    """One live coverage."""

    slug: str
    title: str
    summary: str
    language: str
    """BCP 47 tag, for example `fr` or `en-GB`."""
    timezone: str
    """IANA name, for example `Europe/Paris`."""
    status: LiveblogStatus
    version: int
    """The number of this state of the live blog's own fields: 1, 2, 3 …"""
    epoch: str
    """The name of this history. A new epoch makes every earlier seq void."""
    seq: int
    """The number of the last change of the live blog or of any of its entries."""
    changed_seq: int
    """The number of the last change of the live blog's own fields; 0 if they never changed since it was created."""
    created_at: datetime
    updated_at: datetime
    embedding: EmbedPolicy = ANYONE

    @property
    def entity_version(self) -> EntityVersion:
        """The version of the live blog's own fields, in its history."""
        return EntityVersion(self.version, self.epoch)
