"""What was measured, as ratios to the floor of the same round: medians and spreads. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Figures:
    """One run of one server."""

    delivery_us: float
    """The server's processor time for each delivery, in microseconds."""
    publish_us: float
    """The same for each message published while nobody was connected."""
    connect_us: float
    """The same for each connection."""
    viewer_bytes: float
    """Memory (PSS) for each viewer."""
    delivery_bytes: float
    """Bytes that a viewer got for each message."""
    p50_ms: float
    p99_ms: float


class Spread(NamedTuple):
    """Several rounds' figures."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(median(values), min(values), max(values))


@dataclass
class Entrant:
    """One server in one discipline, through all rounds."""

    discipline: str
    name: str
    version: str
    is_floor: bool = False
    missing: str = ""
    """Why it took no part; empty if it did."""
    rounds: list[Figures | None] = field(default_factory=list)
    """None for a round that failed."""
    failures: list[str] = field(default_factory=list)

    def spread(self, name: str) -> Spread | None:
        """A figure over all rounds; None if every round failed."""
        values = [getattr(figures, name) for figures in self.rounds if figures is not None]
        return Spread.of(values) if values else None


@dataclass
class Comparison:
    """All of it."""

    command: str
    machine: dict[str, str]
    viewers: int
    publishes: int
    rate: float
    at: str
    entrants: list[Entrant] = field(default_factory=list)

    @property
    def failed(self) -> list[str]:
        """What went wrong; runs with losses are failures."""
        return [
            f"{entrant.name} ({entrant.discipline}): {why}" for entrant in self.entrants for why in entrant.failures
        ]

    @property
    def overtaken(self) -> list[str]:
        """Entrants not done with a message when the next one was due, in some round; liveserver bundles them then."""
        return [
            f"{entrant.name} ({entrant.discipline})"
            for entrant in self.entrants
            if any(figures is not None and figures.p99_ms > 1000 / self.rate for figures in entrant.rounds)
        ]

    def ratio(self, entrant: Entrant, name: str) -> Spread | None:
        """A figure as a multiple of the floor's in the same round and discipline; None without both."""
        floor = next((e for e in self.entrants if e.is_floor and e.discipline == entrant.discipline), None)
        if floor is None:
            return None
        pairs = zip(entrant.rounds, floor.rounds, strict=False)
        ratios = [
            getattr(own, name) / getattr(least, name) for own, least in pairs if own is not None and least is not None
        ]
        return Spread.of(ratios) if ratios else None

    def as_json(self) -> dict[str, Any]:
        """Everything, with the ratios."""
        values = asdict(self)
        for entrant, shown in zip(self.entrants, values["entrants"], strict=True):
            for name in ("delivery_us", "connect_us"):
                ratio = self.ratio(entrant, name)
                shown[name.replace("_us", "_ratio")] = None if ratio is None else ratio._asdict()
        return values
