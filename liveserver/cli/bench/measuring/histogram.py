"""What is counted: latencies in a histogram, and everything by the second. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

_BITS = 6
_STEPS = 1 << _BITS
"""Buckets to each power of two: a percentile is off by less than 1/64."""


class Histogram:
    """Latencies in log-linear buckets of microseconds, as HdrHistogram has them (Tene, 2012). The largest is exact."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.max = 0.0
        """Seconds."""

    def add(self, seconds: float) -> None:
        """Count one latency. It is called for every delivery, and so made of the fewest steps."""
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
        """Count everything of the other one."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.max = max(self.max, other.max)

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    def percentile(self, percent: float) -> float | None:
        """The latency in seconds that so many percent don't exceed (nearest rank); None without any."""
        total = self.count
        if not total:
            return None
        rank = percent / 100 * total
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return min(_upper(bucket), self.max)
        return self.max


def _upper(bucket: int) -> float:
    """The end of a bucket, in seconds."""
    if bucket < 2 * _STEPS:
        return (bucket + 1) / 1e6
    shift = (bucket >> _BITS) - 1
    return (((bucket & (_STEPS - 1)) + _STEPS + 1) << shift) / 1e6


@dataclass
class Second:
    """One second of a run."""

    latency: Histogram = field(default_factory=Histogram)
    delivered: int = 0
    following: int = 0
    """Viewers at the second's end."""


@dataclass
class Measurements:
    """What became of a number of viewers."""

    opened: int = 0
    """Viewers whose stream began, each counted once."""
    deflated: int = 0
    """Connections on which permessage-deflate was agreed."""
    following: int = 0
    """Viewers that follow at present."""
    failed: int = 0
    """Those that gave up: they could not be connected."""
    tries: int = 0
    """Connections that were tried."""
    reconnects: int = 0
    """Streams that began once more after they had broken off."""
    resets: int = 0
    """Viewers that were told to start afresh."""
    delivered: int = 0
    """Changes that viewers got, each in its turn."""
    duplicated: int = 0
    """Changes that came again, or after a later one."""
    lost: int = 0
    """Changes that a viewer never got."""
    superseded: int = 0
    """Changes left out of a replay because a later state of the same entry was in it."""
    received: int = 0
    """Bytes of answers; TLS isn't counted."""
    behind: int = 0
    """Viewers that have not reached the last change; known once that is."""
    opened_at: float = 0.0
    """When the last of the viewers was opened, on the monotonic clock."""
    arrived_at: float = 0.0
    """When the last change arrived."""
    cpu: float = 0.0
    """Seconds of processor time that the viewers' process used."""
    lateness: Histogram = field(default_factory=Histogram)
    """How late the viewers' process was for appointments of its own, once all were connected."""
    errors: Counter[str] = field(default_factory=Counter)
    """Why connections failed or broke off."""

    def merge(self, other: Measurements) -> None:
        """Add everything of the other one."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if isinstance(value, Counter):
                mine.update(value)
            elif isinstance(value, Histogram):
                mine.merge(value)
            elif name.endswith("_at"):
                setattr(self, name, max(mine, value))
            else:
                setattr(self, name, mine + value)
