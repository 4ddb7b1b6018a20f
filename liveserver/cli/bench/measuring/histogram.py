"""The counts of a benchmark: latencies in a histogram, and everything by the second. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

_BITS = 6
_STEPS = 1 << _BITS
"""Buckets for each power of two: a percentile is off by less than 1/64."""


class Histogram:
    """A histogram of latencies in log-linear buckets of microseconds, like HdrHistogram (Tene, 2012)."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.max = 0.0
        """The largest latency, in seconds."""

    def add(self, seconds: float) -> None:
        """Count one latency. This is called for every delivery, so it has as few steps as possible."""
        if seconds > self.max:
            self.max = seconds
        bucket = int(seconds * 1e6)
        if bucket >= 2 * _STEPS:
            shift = bucket.bit_length() - 1 - _BITS
            bucket = (shift << _BITS) + (bucket >> shift)
        elif bucket < 0:
            bucket = 0
        counts = self.counts
        if bucket in counts:
            counts[bucket] += 1
        else:
            counts[bucket] = 1

    def merge(self, other: Histogram) -> None:
        """Add all counts of another histogram."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.max = max(self.max, other.max)

    @property
    def count(self) -> int:
        """The number of latencies."""
        return sum(self.counts.values())

    def percentile(self, percent: float) -> float | None:
        """Return the latency in seconds that so many percent don't exceed (nearest rank); None if there are none."""
        total = self.count
        if not total:
            return None
        rank = percent / 100 * total
        cumulated = 0
        for bucket in sorted(self.counts):
            cumulated += self.counts[bucket]
            if cumulated >= rank:
                return min(_upper(bucket), self.max)
        return self.max


def _upper(bucket: int) -> float:
    """Return the upper end of a bucket, in seconds."""
    if bucket < 2 * _STEPS:
        return (bucket + 1) / 1e6
    shift = (bucket >> _BITS) - 1
    return (((bucket & (_STEPS - 1)) + _STEPS + 1) << shift) / 1e6


@dataclass
class Second:
    """The counts of one second of a run."""

    latency: Histogram = field(default_factory=Histogram)
    delivered: int = 0
    following: int = 0
    """Viewers that follow at the second's end."""


@dataclass
class Measurements:
    """The counts of a number of viewers."""

    opened: int = 0
    """Viewers whose stream began, each counted once."""
    deflated: int = 0
    """Connections on which permessage-deflate was agreed."""
    following: int = 0
    """Viewers that follow at present."""
    failed: int = 0
    """Viewers that gave up, since they could not be connected."""
    tries: int = 0
    """Attempts to connect."""
    reconnects: int = 0
    """Streams that began once more after they had broken off."""
    resets: int = 0
    """Viewers that were told to start afresh."""
    delivered: int = 0
    """Changes that viewers got in order."""
    duplicated: int = 0
    """Changes that came twice, or after a later one."""
    lost: int = 0
    """Changes that a viewer never got."""
    superseded: int = 0
    """Changes left out of a replay because a later state of the same entry was in it."""
    received: int = 0
    """Bytes of answers; TLS isn't counted."""
    behind: int = 0
    """Viewers that have not reached the last change; 0 until that is known."""
    opened_at: float = 0.0
    """The time when the last viewer's stream began, on the monotonic clock."""
    arrived_at: float = 0.0
    """The time when the last change arrived, on the monotonic clock."""
    cpu: float = 0.0
    """Seconds of processor time that the viewers' process used."""
    lateness: Histogram = field(default_factory=Histogram)
    """Delays of timers in the viewers' process, after all were connected."""
    errors: Counter[str] = field(default_factory=Counter)
    """Failed or broken connections, by reason."""

    def merge(self, other: Measurements) -> None:
        """Add the counts of other viewers."""
        for name, value in vars(other).items():
            own = getattr(self, name)
            if isinstance(value, Counter):
                own.update(value)
            elif isinstance(value, Histogram):
                own.merge(value)
            elif name.endswith("_at"):
                setattr(self, name, max(own, value))
            else:
                setattr(self, name, own + value)
