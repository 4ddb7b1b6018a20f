"""A report on the reach of a live blog, by partner, day and hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import date

    from liveserver.domain.audience import ReachHour
    from liveserver.domain.liveblog import Liveblog


class ReachDay(NamedTuple):
    """The hours of a day, in the live blog's time zone, added up."""

    day: date
    views: int
    seconds: int
    peak: int


class PartnerReach(NamedTuple):
    """The reach of a live blog on one partner's pages, or on no partner's."""

    partner: str
    """The partner's id, or "" for none."""
    viewers: int
    """The viewers now, on all nodes."""
    hours: list[ReachHour]
    """The hours in which there was at least one stream."""
    days: list[ReachDay]

    @property
    def views(self) -> int:
        """Streams that were opened."""
        return sum(hour.views for hour in self.hours)

    @property
    def seconds(self) -> int:
        """Seconds for which streams were open, added up."""
        return sum(hour.seconds for hour in self.hours)

    @property
    def peak(self) -> int:
        """The largest number of streams that were open at once."""
        return max((hour.peak for hour in self.hours), default=0)


class ReachReport(NamedTuple):
    """The reach of a live blog from one day to another, both included."""

    liveblog: Liveblog
    since: date
    until: date
    """The last day, included."""
    partners: list[PartnerReach]
