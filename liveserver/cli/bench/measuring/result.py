"""The result of a run: its figures, from the first connection to the last delivery. Pure."""

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
    """Processor time and memory that the server's processes used."""

    pids: tuple[int, ...]
    connect_us: float
    """Microseconds of processor time for each attempt to connect."""
    delivery_us: float | None
    """Microseconds of processor time for each delivery, publishing included; None if nothing was delivered."""
    viewer_bytes: float
    """Bytes of memory (PSS) for each viewer that follows."""


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
    """The number of deliveries that there should have been."""
    published: int = 0
    publish_errors: Counter[str] = field(default_factory=Counter)
    answers: Histogram = field(default_factory=Histogram)
    """The times that the server took to answer publish requests."""
    connect_seconds: float = 0.0
    received: int = 0
    """Bytes that viewers got while entries were delivered; TLS isn't counted."""
    deliver_seconds: float = 0.0
    """Seconds from the first publish, or the beginning of watching, to the last delivery."""
    seconds: dict[int, Second] = field(default_factory=dict)
    publishes: Counter[int] = field(default_factory=Counter)
    """Entries published in each second."""
    busiest: float = 0.0
    """The share of a processor that the busiest process of viewers used while entries were delivered."""
    usage: Usage | None = None

    @property
    def latency(self) -> Histogram:
        """The latencies of all deliveries, from the moment an entry's request was sent."""
        total = Histogram()
        for second in self.seconds.values():
            total.merge(second.latency)
        return total

    @property
    def ok(self) -> bool:
        """True if every viewer was connected, all entries were published, and everyone got each change exactly once."""
        measurements = self.measurements
        return (
            measurements.opened == self.plan.viewers
            and not (measurements.failed or measurements.lost or measurements.duplicated or measurements.resets)
            and not self.publish_errors
        )
