"""The counts of a benchmark: a histogram of latencies, the counts of each second, and the counts of all viewers. No
I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

_BITS = 6
_STEPS = 1 << _BITS
"""How many buckets there are from one power of two (of microseconds) to the next. So a percentile above 64 µs is
wrong by less than 1/64 of its value."""


class Histogram:
    """A histogram of latencies in log-linear buckets of microseconds, like HdrHistogram (Tene, 2012)."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.max = 0.0
        """The largest latency, in seconds."""

    def add(self, seconds: float) -> None:
        """Count one latency, in seconds. This method is called for every delivery, so it has as few steps as
        possible."""
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
        """How many latencies were counted."""
        return sum(self.counts.values())

    def percentile(self, percent: float) -> float | None:
        """Return a percentile of the latencies, in seconds, by the method of the nearest rank.

        Returns None if no latency was counted. `percent`: how many percent of the latencies don't exceed the result.
        """
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
    """How many viewers followed when their processes last reported in this second."""


@dataclass
class Measurements:
    """The counts of a group of viewers, since the run's beginning. A change that ten viewers get counts ten times."""

    opened: int = 0
    """How many viewers have got a stream so far. A viewer that connects again isn't counted again."""
    deflated: int = 0
    """On how many connections permessage-deflate was agreed."""
    following: int = 0
    """How many viewers follow at present."""
    failed: int = 0
    """How many viewers gave up, as they couldn't be connected."""
    tries: int = 0
    """How many attempts to connect there were."""
    reconnects: int = 0
    """How often a viewer's stream began again after its connection had ended."""
    resets: int = 0
    """How often the server couldn't continue from a viewer's position, so that the viewer had to start afresh."""
    delivered: int = 0
    """How many changes viewers got, without the changes that count as duplicated."""
    duplicated: int = 0
    """How many changes viewers got a second time, or after a later change."""
    lost: int = 0
    """How many changes viewers never got."""
    superseded: int = 0
    """How many changes viewers didn't get because a replay has only the latest state of each entry."""
    received: int = 0
    """How many bytes viewers got. The bytes that TLS adds aren't counted."""
    behind: int = 0
    """How many viewers haven't got the run's last change; 0 while it isn't known which change is the last."""
    opened_at: float = 0.0
    """The time on the monotonic clock when the most recent viewer got its first stream."""
    arrived_at: float = 0.0
    """When any of the viewers last got a change: a time on the monotonic clock."""
    cpu: float = 0.0
    """Seconds of processor time that the processes with the viewers have used."""
    lateness: Histogram = field(default_factory=Histogram)
    """The delays with which the processes with the viewers ran a timer. A process begins to measure the delays when
    each of its viewers has been connected or given up connecting."""
    errors: Counter[str] = field(default_factory=Counter)
    """How many connections failed or ended, by reason."""

    def merge(self, other: Measurements) -> None:
        """Add the counts of another group of viewers."""
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
