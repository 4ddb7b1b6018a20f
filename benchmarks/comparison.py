"""The figures of all servers, and their ratios to those of the floor (`servers/floor.c`) in the same round. No I/O."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Figures:
    """The figures of one run of one server."""

    delivery_us: float
    """The server's processor time for the delivery of one message to one viewer, in microseconds."""
    publish_us: float
    """The server's processor time for one message published while no viewer was connected, in microseconds."""
    connect_us: float
    """The server's processor time for one viewer's connection, in microseconds."""
    viewer_bytes: float
    """The server's memory (proportional set size) for one viewer, in bytes."""
    delivery_bytes: float
    """The number of bytes that a viewer received for one message."""
    p50_ms: float
    p99_ms: float


class Spread(NamedTuple):
    """The median, the lowest and the highest of one figure's values in several rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of the values. There must be at least one."""
        return cls(median(values), min(values), max(values))


@dataclass
class Entrant:
    """A server in one discipline (such as SSE), with its figures in all rounds."""

    discipline: str
    name: str
    version: str
    is_floor: bool = False
    missing: str = ""
    """The reason why the server wasn't measured, such as a missing program; empty if it was measured."""
    rounds: list[Figures | None] = field(default_factory=list)
    """The figures of each round; None for a round in which the server's run failed."""
    failures: list[str] = field(default_factory=list)

    def spread(self, name: str) -> Spread | None:
        """Return the spread of a figure over all rounds; None if every round failed.

        `name`: the name of a field of `Figures`.
        """
        values = [getattr(figures, name) for figures in self.rounds if figures is not None]
        return Spread.of(values) if values else None


@dataclass
class Comparison:
    """Everything that was measured: all entrants, on which machine, when, and with which settings."""

    command: str
    machine: dict[str, str]
    viewers: int
    publishes: int
    rate: float
    at: str
    entrants: list[Entrant] = field(default_factory=list)

    @property
    def failed(self) -> list[str]:
        """The failed runs in words: the server, its discipline, the round and the reason."""
        return [
            f"{entrant.name} ({entrant.discipline}): {why}" for entrant in self.entrants for why in entrant.failures
        ]

    @property
    def overtaken(self) -> list[str]:
        """The servers that, in any round, were still delivering a message when the next one was due.

        That is so if the 99th percentile of the latency is longer than the time between two messages. In this state,
        liveserver writes several messages at once, which is cheaper, so its figures aren't comparable.
        """
        return [
            f"{entrant.name} ({entrant.discipline})"
            for entrant in self.entrants
            if any(figures is not None and figures.p99_ms > 1000 / self.rate for figures in entrant.rounds)
        ]

    def ratio(self, entrant: Entrant, name: str) -> Spread | None:
        """Return the spread of an entrant's figure as a multiple of the floor's in the same round and discipline.

        `name`: the name of a field of `Figures`. Returns None if in no round both have figures.
        """
        floor = next((e for e in self.entrants if e.is_floor and e.discipline == entrant.discipline), None)
        if floor is None:
            return None
        pairs = zip(entrant.rounds, floor.rounds, strict=False)
        ratios = [
            getattr(own, name) / getattr(least, name) for own, least in pairs if own is not None and least is not None
        ]
        return Spread.of(ratios) if ratios else None

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as a JSON document, with the entrants' ratios to the floor."""
        values = asdict(self)
        for entrant, shown in zip(self.entrants, values["entrants"], strict=True):
            for name in ("delivery_us", "connect_us"):
                ratio = self.ratio(entrant, name)
                shown[name.replace("_us", "_ratio")] = None if ratio is None else ratio._asdict()
        return values
