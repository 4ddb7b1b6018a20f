"""The result of a run: its figures, from the first connection to the last delivery. No I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from liveserver.cli.bench.measuring.histogram import Histogram, Measurements, Second

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.cli.bench.plan import Plan


@dataclass(frozen=True)
class Usage:
    """The processor time and memory that the server's processes used in a run."""

    pids: tuple[int, ...]
    connect_us: float
    """The server's processor time while viewers connected, in microseconds for each attempt to connect."""
    delivery_us: float | None
    """The server's processor time while entries were published and delivered, in microseconds for each delivery (a
    change to one viewer). None if nothing was delivered."""
    viewer_bytes: float
    """The growth of the server's memory (proportional set size) while viewers connected, in bytes for each viewer that
    follows."""


@dataclass
class Result:
    """The figures of one run. Times are in seconds."""

    plan: Plan
    url: str
    slug: str
    started_at: datetime
    interrupted: bool = False
    measurements: Measurements = field(default_factory=Measurements)
    expected: int = 0
    """How many deliveries (a change to one viewer) there should have been: delivered, lost and superseded changes."""
    published: int = 0
    """How many entries were published."""
    publish_errors: Counter[str] = field(default_factory=Counter)
    """How many requests failed, by the error message. Two kinds of requests count: to publish an entry, and to get
    the seq of the last change."""
    answers: Histogram = field(default_factory=Histogram)
    """The times from a request to publish to the server's answer, without requests that failed."""
    connect_seconds: float = 0.0
    """Seconds from the moment when viewers began to connect, until the last viewer got its first stream. Viewers
    without a stream are ignored."""
    received: int = 0
    """How many bytes viewers got since publishing or watching began. The bytes that TLS adds aren't counted."""
    deliver_seconds: float = 0.0
    """Seconds from the first request to publish, or from the beginning of watching, to the last delivery."""
    seconds: dict[int, Second] = field(default_factory=dict)
    """The counts of each second of the run. The key is the number of the second, from 0 on."""
    publishes: Counter[int] = field(default_factory=Counter)
    """How many entries were published, by the second in which the request was sent. The key is the number of the
    second, from 0 on."""
    busiest: float = 0.0
    """The share of a processor that the busiest process with viewers used, from the first entry (or from the beginning
    of watching) until the wait for the last delivery was over. 1 is a whole processor."""
    usage: Usage | None = None

    @property
    def latency(self) -> Histogram:
        """The latencies of all deliveries of this run's entries.

        A latency begins when the request to publish the entry is sent, and ends when a viewer gets the entry.
        """
        total = Histogram()
        for second in self.seconds.values():
            total.merge(second.latency)
        return total

    @property
    def ok(self) -> bool:
        """True if the run succeeded: every viewer was connected, `publish_errors` is empty, and no viewer missed a
        change, got a change twice, or had to start afresh."""
        measurements = self.measurements
        return (
            measurements.opened == self.plan.viewers
            and not (measurements.failed or measurements.lost or measurements.duplicated or measurements.resets)
            and not self.publish_errors
        )
