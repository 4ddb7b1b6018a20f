"""A report on the reach of a live blog, by partner, day and hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import date

    from liveserver.domain.audience import ReachHour
    from liveserver.domain.liveblog import Liveblog


class ReachDay(NamedTuple):
    """The reach of a live blog on one day in its time zone, on one partner's pages or on no partner's."""

    day: date
    views: int
    """The number of streams that were opened."""
    seconds: int
    """Seconds for which streams were open, added up."""
    peak: int
    """The largest number of streams that were open at once."""


class PartnerReach(NamedTuple):
    """The reach of a live blog on one partner's pages, or on no partner's."""

    partner: str
    """The partner's id; "" for no partner."""
    viewers: int
    """The number of viewers now, on all nodes."""
    hours: list[ReachHour]
    """The hours in which at least one stream was open, ascending."""
    days: list[ReachDay]
    """The days in which at least one stream was open, ascending."""

    @property
    def views(self) -> int:
        """The number of streams that were opened."""
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
    """The reach of a live blog in a period of days, by partner."""

    liveblog: Liveblog
    since: date
    """The first day, included."""
    until: date
    """The last day, included."""
    partners: list[PartnerReach]
