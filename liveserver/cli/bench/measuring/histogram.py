"""The counters of a benchmark: for latencies (a histogram), for one second of a run, and for a group of viewers. No
I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

_BITS = 6
_STEPS = 1 << _BITS
"""How many buckets there are from one power of two to the next: 64 buckets from 64 to 128 µs, 64 from 128 to 256 µs,
and so on. So a percentile above 64 µs is too high by less than 1/64 of its value."""


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
        """Add the counts of another histogram to this one, and keep the larger `max`."""
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
    """The counts of one second of a run: deliveries, their latencies, and viewers that follow."""

    latency: Histogram = field(default_factory=Histogram)
    delivered: int = 0
    following: int = 0
    """How many viewers follow, according to each process's last report in this second."""


@dataclass
class Measurements:
    """The counts of a group of viewers since the run's beginning. If ten viewers get the same change, ten changes are
    counted."""

    opened: int = 0
    """How many viewers have got a stream so far. A viewer that connects again isn't counted again."""
    deflated: int = 0
    """On how many connections permessage-deflate was agreed."""
    following: int = 0
    """How many viewers follow at present: their streams have begun and haven't ended."""
    failed: int = 0
    """How many viewers gave up, as they couldn't be connected."""
    tries: int = 0
    """How many attempts to connect there were, including attempts to connect again."""
    reconnects: int = 0
    """How often a viewer's stream began again after its connection had ended."""
    resets: int = 0
    """How often the server couldn't continue from a viewer's position, so that the viewer had to start afresh."""
    delivered: int = 0
    """How many changes viewers got, without the changes that count as duplicated."""
    duplicated: int = 0
    """How many changes viewers got although they had got a change with the same seq, or a higher one, before."""
    lost: int = 0
    """How many changes viewers missed. A change is missed if the stream skips it, if the viewer starts afresh at a
    later position, or if the run ends before the change arrives."""
    superseded: int = 0
    """How many changes were left out of replays, as a replay has only the latest state of each entry."""
    received: int = 0
    """How many bytes viewers got. The bytes that TLS adds aren't counted."""
    behind: int = 0
    """How many of the viewers that have had a stream haven't got the live blog's last change. 0 until it is known which
    change is the last."""
    opened_at: float = 0.0
    """The time on the monotonic clock when `opened` last grew; 0 if it hasn't grown yet."""
    arrived_at: float = 0.0
    """The time on the monotonic clock when `delivered` last grew; 0 if it hasn't grown yet."""
    cpu: float = 0.0
    """Seconds of processor time that the processes with the viewers have used."""
    lateness: Histogram = field(default_factory=Histogram)
    """The delays of timers in the worker processes. A process measures them after it has tried to connect its viewers:
    each viewer has got a stream, or has given up."""
    errors: Counter[str] = field(default_factory=Counter)
    """How many attempts to connect failed and how many connections ended, by the reason in words."""

    def merge(self, other: Measurements) -> None:
        """Add the counts of another group of viewers to these. Of two times, keep the later one."""
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
