"""How many viewers come, and for how long they stay, by live blog, partner and hour. Decides; does no I/O.

Counted is when a viewer comes and when one leaves; nothing is kept of any single one. The seconds are the area under
the number of viewers: whenever it changes, what has gone by since the last change is added.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.audience import ReachHour

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HOUR = 3600
KEPT_MAX = 10_000
"""Rows that are kept while they can't be written down; beyond, the oldest are lost."""


class Key(NamedTuple):
    """Whose viewers are counted together."""

    slug: str
    partner: str


@dataclass(slots=True)
class _Open:
    viewers: int
    since: float
    """Up to when the seconds were added."""


@dataclass(slots=True)
class _Hour:
    views: int = 0
    seconds: float = 0.0
    peak: int = 0


class WatchTimeMeter:
    """One node's viewers. Moments are in seconds since 1970."""

    def __init__(self) -> None:
        self._open: dict[Key, _Open] = {}
        self._hours: dict[tuple[Key, int], _Hour] = {}

    def came(self, key: Key, at: float, elsewhere: int = 0) -> None:
        """A viewer came, while there were so many of the same key on other nodes."""
        counted = self._open.get(key)
        if counted is None:
            counted = self._open[key] = _Open(0, at)
        self._advance(key, counted, at)
        counted.viewers += 1
        hour = self._hour(key, at)
        hour.views += 1
        hour.peak = max(hour.peak, counted.viewers + elsewhere)

    def left(self, key: Key, at: float) -> None:
        """One that had come left."""
        counted = self._open[key]
        self._advance(key, counted, at)
        counted.viewers -= 1
        if counted.viewers == 0:
            del self._open[key]

    def viewers(self) -> dict[Key, int]:
        """Who is here now."""
        return {key: counted.viewers for key, counted in self._open.items()}

    def take(self, at: float) -> list[tuple[str, ReachHour]]:
        """What was counted since the last time, in whole seconds; what is left of one counts the next time."""
        for key, counted in self._open.items():
            self._advance(key, counted, at)
        rows, left = [], {}
        for (key, number), hour in self._hours.items():
            whole = int(hour.seconds)
            if hour.views or whole:
                moment = datetime.fromtimestamp(number * HOUR, UTC)
                rows.append((key.slug, ReachHour(key.partner, moment, hour.views, whole, hour.peak)))
            if number == int(at // HOUR) and hour.seconds > whole:
                left[key, number] = _Hour(seconds=hour.seconds - whole)
        self._hours = left
        return rows

    def give_back(self, rows: Iterable[tuple[str, ReachHour]]) -> None:
        """What was taken couldn't be written down: it counts the next time."""
        for slug, row in rows:
            hour = self._hour(Key(slug, row.partner), row.hour.timestamp())
            hour.views += row.views
            hour.seconds += row.seconds
            hour.peak = max(hour.peak, row.peak)
        for stale in sorted(self._hours, key=lambda kept: kept[1])[: max(0, len(self._hours) - KEPT_MAX)]:
            del self._hours[stale]

    def _advance(self, key: Key, counted: _Open, at: float) -> None:
        """Add the seconds since the last time, each to its hour. A clock that was set back adds none."""
        for start, end in _hours(counted.since, at):
            hour = self._hour(key, start)
            hour.seconds += counted.viewers * (end - start)
            hour.peak = max(hour.peak, counted.viewers)
        counted.since = at

    def _hour(self, key: Key, at: float) -> _Hour:
        place = key, int(at // HOUR)
        hour = self._hours.get(place)
        if hour is None:
            hour = self._hours[place] = _Hour()
        return hour


def _hours(start: float, end: float) -> Iterator[tuple[float, float]]:
    """A stretch of time, cut where an hour ends."""
    while start < end:
        stop = min(end, (start // HOUR + 1) * HOUR)
        yield start, stop
        start = stop
