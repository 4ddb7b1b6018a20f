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
    """The sum, over all streams, of the seconds for which the stream was open in the hour."""
    peak: int
    """The largest number of streams that were open at the same time in the hour."""


@dataclass(slots=True)
class ConfirmationCounts:
    """The counts of viewers that are to confirm that a deleted entry is gone from their pages."""

    asked: int = 0
    """The number of viewers that were asked to confirm, as they were connected at the deletion. Viewers that come
    later, and readers that poll, are added when they confirm."""
    had: int = 0
    """The number of viewers that have confirmed, and said that their page had the entry until then."""
    confirmed: int = 0
    """The number of viewers that have confirmed."""
    gone: int = 0
    """The number of viewers that were asked, and disconnected without having confirmed."""

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
    """The deletion of an entry, with the counts of the viewers that are to confirm it."""

    entry_id: str
    seq: int
    """The seq of the change that deleted the entry."""
    at: datetime
    """The time at which the takedown began, right after the deletion was committed."""
    ended_at: datetime | None
    """The time at which the counting of confirmations ended. None while it goes on, or if the end was never written
    to the store, because the node was killed."""
    by_partner: dict[str, ConfirmationCounts]
    """The counts of confirmations, by the id of the viewers' partner. The key "" is for viewers without a partner,
    for example viewers of the newsroom's own pages."""
