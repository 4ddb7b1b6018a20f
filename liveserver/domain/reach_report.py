"""A report on the reach of a live blog, by partner, day and hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import date

    from liveserver.domain.audience import ReachHour
    from liveserver.domain.liveblog import Liveblog


class ReachDay(NamedTuple):
    """One day's reach of a live blog, on one partner's pages or on pages of no partner.

    The day begins at midnight in the live blog's time zone.
    """

    day: date
    views: int
    """The number of streams that were opened on the day."""
    seconds: int
    """How long streams were open on the day, in seconds, added up over all streams."""
    peak: int
    """The largest number of streams that were open at the same time on the day."""


class PartnerReach(NamedTuple):
    """The reach of a live blog on one partner's pages, or on pages of no partner."""

    partner: str
    """The partner's id; "" for no partner."""
    viewers: int
    """The number of viewers that are connected now, on all nodes together."""
    hours: list[ReachHour]
    """The hours in which at least one stream was open, ascending."""
    days: list[ReachDay]
    """The days in which at least one stream was open, ascending."""

    @property
    def views(self) -> int:
        """The number of streams that were opened in the report's period: the sum over all hours."""
        return sum(hour.views for hour in self.hours)

    @property
    def seconds(self) -> int:
        """How long streams were open in the report's period, in seconds, added up over all streams."""
        return sum(hour.seconds for hour in self.hours)

    @property
    def peak(self) -> int:
        """The largest number of streams that were open at the same time in any hour of the report."""
        return max((hour.peak for hour in self.hours), default=0)


class ReachReport(NamedTuple):
    """The reach of a live blog in a period of days, by partner."""

    liveblog: Liveblog
    since: date
    """The first day of the period, included in it."""
    until: date
    """The last day of the period, included in it."""
    partners: list[PartnerReach]
