"""Figures of viewers: who reads, and who has confirmed that a deleted entry is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


LINK_DAYS_MAX = 31
"""Days for which a link to the page of a live blog's reach may be good."""


class ReachHour(NamedTuple):
    """What came of a live blog in one hour, on a partner's pages or on no partner's."""

    partner: str
    """The partner's id, or "" for none."""
    hour: datetime
    """Its beginning, in UTC."""
    views: int
    """Streams that were opened."""
    seconds: int
    """For which they were open, added up."""
    peak: int
    """The most that were open at once."""


@dataclass(slots=True)
class ConfirmationCounts:
    """What became of the viewers who were asked to confirm that a deleted entry is gone."""

    asked: int = 0
    had: int = 0
    """Of those who confirmed: they had it until then."""
    confirmed: int = 0
    gone: int = 0
    """They left without having answered."""

    @property
    def waiting(self) -> int:
        """Those who are connected, and haven't answered."""
        return self.asked - self.confirmed - self.gone

    def add(self, other: ConfirmationCounts) -> None:
        """Count those of another node too."""
        self.asked += other.asked
        self.had += other.had
        self.confirmed += other.confirmed
        self.gone += other.gone


@dataclass(frozen=True, slots=True)
class Takedown:
    """A deletion that viewers are asked to confirm."""

    entry_id: str
    seq: int
    """The change that deleted it."""
    at: datetime
    ended_at: datetime | None
    """When counting ended; None while it goes on."""
    by_partner: dict[str, ConfirmationCounts]
    """The partner's id, or "" for the newsroom's own pages and anonymous embeds."""
