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
    """Microseconds of the server's processor time for each attempt of a viewer to connect."""
    delivery_us: float | None
    """Microseconds of the server's processor time for each delivery (a change to one viewer). The server's work of
    publishing is included. None if nothing was delivered."""
    viewer_bytes: float
    """The growth of the server's memory (proportional set size), in bytes for each following viewer."""


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
    """How many deliveries there should have been. Each change to each viewer is one delivery."""
    published: int = 0
    """How many entries were published."""
    publish_errors: Counter[str] = field(default_factory=Counter)
    """The number of requests that failed, by the text of the error. Requests to publish an entry are counted, and
    requests for the seq of the last change."""
    answers: Histogram = field(default_factory=Histogram)
    """The times that the server took to answer requests to publish."""
    connect_seconds: float = 0.0
    """Seconds from the moment when viewers began to connect to the moment when the last viewer's stream began."""
    received: int = 0
    """How many bytes viewers got since publishing or watching began. The bytes that TLS adds aren't counted."""
    deliver_seconds: float = 0.0
    """Seconds from the first request to publish, or from the beginning of watching, to the last delivery."""
    seconds: dict[int, Second] = field(default_factory=dict)
    """The counts of each second of the run, by the number of the second. The run begins with second 0."""
    publishes: Counter[int] = field(default_factory=Counter)
    """How many entries were published in each second, by the number of the second. The run begins with second 0."""
    busiest: float = 0.0
    """The share of a processor that the busiest process with viewers used while entries were delivered. 1 is a whole
    processor."""
    usage: Usage | None = None

    @property
    def latency(self) -> Histogram:
        """The latencies of all deliveries of this run's entries.

        A latency is the time from the moment when the request to publish was sent to the arrival at a viewer.
        """
        total = Histogram()
        for second in self.seconds.values():
            total.merge(second.latency)
        return total

    @property
    def ok(self) -> bool:
        """True if the run succeeded. Every viewer was connected, and no request of the benchmark failed. No viewer lost
        a change, got a change twice, or had to start afresh."""
        measurements = self.measurements
        return (
            measurements.opened == self.plan.viewers
            and not (measurements.failed or measurements.lost or measurements.duplicated or measurements.resets)
            and not self.publish_errors
        )
