"""Figures of viewers: the reach of a live blog, and confirmations that a deleted entry is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


LINK_DAYS_MAX = 31
"""The longest time, in days, for which a link to the page of a live blog's reach may be valid."""


class ReachHour(NamedTuple):
    """The reach of a live blog in one hour, on one partner's pages, or on pages of no partner."""

    partner: str
    """The partner's id; "" for no partner."""
    hour: datetime
    """The beginning of the hour, in UTC."""
    views: int
    """The number of streams that were opened in the hour."""
    seconds: int
    """How long streams were open in the hour, in seconds, added up over all streams."""
    peak: int
    """The largest number of streams that were open at the same time in the hour."""


@dataclass(slots=True)
class ConfirmationCounts:
    """The numbers of viewers that were asked to confirm a deletion, that have confirmed it, and that have left."""

    asked: int = 0
    """The number of viewers that were asked to confirm, or that confirmed without being asked."""
    had: int = 0
    """The number of viewers that have confirmed, and that had the deleted entry before they confirmed."""
    confirmed: int = 0
    """The number of viewers that have confirmed."""
    gone: int = 0
    """The number of viewers that were asked, and that have left without having confirmed."""

    @property
    def waiting(self) -> int:
        """The number of viewers that were asked, are still connected, and haven't confirmed yet."""
        return self.asked - self.confirmed - self.gone

    def add(self, other: ConfirmationCounts) -> None:
        """Add the counts of another node to these counts."""
        self.asked += other.asked
        self.had += other.had
        self.confirmed += other.confirmed
        self.gone += other.gone


@dataclass(frozen=True, slots=True)
class Takedown:
    """A deletion that viewers are asked to confirm."""

    entry_id: str
    seq: int
    """The seq of the change that deleted the entry."""
    at: datetime
    """The time of the deletion."""
    ended_at: datetime | None
    """The time at which the counting of confirmations ended; None while it goes on."""
    by_partner: dict[str, ConfirmationCounts]
    """The counts of confirmations, by the id of the viewers' partner. The key "" is for viewers without a partner,
    for example viewers of the newsroom's own pages."""
