"""The counting of views and watch time, by live blog, partner and hour. This module does no I/O.

Viewers are counted when they come and when they leave. Nothing is kept about any single viewer. When a viewer comes or
leaves, the number of viewers until then is multiplied by the seconds since the last such calculation. The product is
added to the watch time. The calculation is also made when counts are to be written to the store.
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
"""The greatest number of rows that are kept when the store couldn't be written to. A row has the counts of one key in
one hour. When there are more rows, the rows of the oldest hours are dropped."""


class Key(NamedTuple):
    """The live blog and the partner of viewers that are counted together."""

    slug: str
    partner: str


@dataclass(slots=True)
class _Open:
    viewers: int
    since: float
    """The time up to which the watch time was added, in seconds since 1970."""


@dataclass(slots=True)
class _Hour:
    views: int = 0
    seconds: float = 0.0
    peak: int = 0


class WatchTimeMeter:
    """A meter of the views and the watch time of one node's viewers. Times are in seconds since 1970."""

    def __init__(self) -> None:
        self._open: dict[Key, _Open] = {}
        self._hours: dict[tuple[Key, int], _Hour] = {}

    def came(self, key: Key, at: float, elsewhere: int = 0) -> None:
        """Count a viewer that came at the time `at`.

        `elsewhere`: the number of this key's viewers on other nodes. It is added to ours for the hour's peak.
        """
        counted = self._open.get(key)
        if counted is None:
            counted = self._open[key] = _Open(0, at)
        self._advance(key, counted, at)
        counted.viewers += 1
        hour = self._hour(key, at)
        hour.views += 1
        hour.peak = max(hour.peak, counted.viewers + elsewhere)

    def left(self, key: Key, at: float) -> None:
        """Stop counting a viewer that left at the time `at`."""
        counted = self._open[key]
        self._advance(key, counted, at)
        counted.viewers -= 1
        if counted.viewers == 0:
            del self._open[key]

    def viewers(self) -> dict[Key, int]:
        """Return the numbers of viewers that are connected to this node now, by key."""
        return {key: counted.viewers for key, counted in self._open.items()}

    def take(self, at: float) -> list[tuple[str, ReachHour]]:
        """Return the counts since the last call, as pairs of a slug and the counts of one hour. `at`: the time now.

        Watch time is returned in whole seconds. The fraction of a second in the present hour is kept for the next call.
        """
        for key, counted in self._open.items():
            self._advance(key, counted, at)
        rows, fractions = [], {}
        for (key, number), hour in self._hours.items():
            whole = int(hour.seconds)
            if hour.views or whole:
                moment = datetime.fromtimestamp(number * HOUR, UTC)
                rows.append((key.slug, ReachHour(key.partner, moment, hour.views, whole, hour.peak)))
            if number == int(at // HOUR) and hour.seconds > whole:
                fractions[key, number] = _Hour(seconds=hour.seconds - whole)
        self._hours = fractions
        return rows

    def give_back(self, rows: Iterable[tuple[str, ReachHour]]) -> None:
        """Add rows to the meter again that `take` has returned, and that couldn't be written to the store.

        The next call of `take` returns these counts again. If the meter has more than KEPT_MAX rows now, the rows of
        the oldest hours are dropped.
        """
        for slug, row in rows:
            hour = self._hour(Key(slug, row.partner), row.hour.timestamp())
            hour.views += row.views
            hour.seconds += row.seconds
            hour.peak = max(hour.peak, row.peak)
        for stale in sorted(self._hours, key=lambda hour_key: hour_key[1])[: max(0, len(self._hours) - KEPT_MAX)]:
            del self._hours[stale]

    def _advance(self, key: Key, counted: _Open, at: float) -> None:
        """Count a key's watch time since the last call for this key. Each second is counted in its own hour.

        Each hour's peak becomes at least the key's number of viewers. `counted`: the key's number of viewers since the
        last call, and the time of this call. `at`: the time now. If the clock was set back, nothing is counted.
        """
        for start, end in _hours(counted.since, at):
            hour = self._hour(key, start)
            hour.seconds += counted.viewers * (end - start)
            hour.peak = max(hour.peak, counted.viewers)
        counted.since = at

    def _hour(self, key: Key, at: float) -> _Hour:
        hour_key = key, int(at // HOUR)
        hour = self._hours.get(hour_key)
        if hour is None:
            hour = self._hours[hour_key] = _Hour()
        return hour


def _hours(start: float, end: float) -> Iterator[tuple[float, float]]:
    """Divide a period at the full hours of UTC. Yields the start and the end of each part, in seconds since 1970."""
    while start < end:
        stop = min(end, (start // HOUR + 1) * HOUR)
        yield start, stop
        start = stop
