"""The counts and measurements of a run, as a table and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

VIOLATIONS = ("lost", "doubled", "reordered")


@dataclass
class Spread:
    """Durations in seconds."""

    values: list[float] = field(default_factory=list)

    def add(self, value: float) -> None:
        """One more."""
        self.values.append(value)

    def at(self, share: float) -> float:
        """The value that so great a share of them doesn't exceed; 0 if there are none."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    @property
    def worst(self) -> float:
        """The longest."""
        return max(self.values, default=0.0)

    def as_json(self) -> dict[str, float | int]:
        """Its number, median, 99th percentile and worst."""
        return {
            "count": len(self.values),
            "p50": round(self.at(0.5), 3),
            "p99": round(self.at(0.99), 3),
            "max": round(self.worst, 3),
        }


class Spreads(dict[str, Spread]):
    """Spreads by name."""

    def __missing__(self, name: str) -> Spread:
        return self.setdefault(name, Spread())


@dataclass
class Totals:
    """Of one run."""

    setup: str
    seed: int
    seconds: float = 0.0
    rounds: int = 0
    done: Counter[str] = field(default_factory=Counter)
    """Acknowledged: created, edited, deleted, renamed, scheduled … and the requests that stayed open."""
    people: Counter[str] = field(default_factory=Counter)
    """Requests of people at the desk, by the act that they left, and what was compared at the end of rounds."""
    deliveries: int = 0
    """Changes applied by viewers, whichever way they came."""
    resets: int = 0
    resyncs: int = 0
    connections: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    """Connections of viewers that ended, by reason; `unexplained` must stay 0. `not begun`: nothing came on them."""
    faults: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    recovery: Spreads = field(default_factory=Spreads)
    """Seconds from healing, by fault, until a viewer had everything that was acknowledged by then."""
    delay: Spreads = field(default_factory=Spreads)
    """Seconds by which a change came to a connected viewer after its acknowledgement, by the faults of that time."""
    answer: Spreads = field(default_factory=Spreads)
    """Seconds that answers to editors took, by status."""
    ready: Spreads = field(default_factory=Spreads)
    """Seconds from healing, by fault, until the next acknowledgement."""

    def as_json(self) -> dict[str, Any]:
        """Everything, for a machine."""
        return {
            "setup": self.setup,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "rounds": self.rounds,
            **{name: dict(sorted(getattr(self, name).items())) for name in ("done", "people", "ends", "faults")},
            **{name: getattr(self, name) for name in ("deliveries", "connections", "resets", "resyncs")},
            **{name: self.violations[name] for name in VIOLATIONS},
            "violations": dict(self.violations),
            **{
                name: {key: spread.as_json() for key, spread in sorted(getattr(self, name).items())}
                for name in ("recovery", "ready", "delay", "answer")
            },
        }

    def as_table(self) -> str:
        """Everything, for people."""
        lines = [
            f"{self.setup}, seed {self.seed}: {self.seconds:.0f} s in {self.rounds} rounds",
            _row("publishing", self.done),
            _row("at the desk", self.people),
            f"found wrong: {self.violations.total()}",
            _row("connections that ended", self.ends),
            f"{self.deliveries} deliveries on {self.connections} connections, {self.resets} resets, "
            f"{self.resyncs} resyncs",
            ", ".join(f"{name} {self.violations[name]}" for name in VIOLATIONS),
            "",
            f"{'fault':<29} {'times':>5} {'recovery p50':>13} {'p99':>6} {'worst':>6} {'next 2xx':>9} {'late by':>8}",
        ]
        for kind in sorted(self.faults):
            recovery, ready, delay = self.recovery[kind], self.ready[kind], self.delay[kind]
            lines.append(
                f"{kind:<29} {self.faults[kind]:>5} {recovery.at(0.5):>13.2f} {recovery.at(0.99):>6.2f} "
                f"{recovery.worst:>6.2f} {ready.worst:>9.2f} {delay.worst:>8.2f}"
            )
        quiet = self.delay["none"]
        lines.append(f"without a fault a change came {quiet.at(0.5):.3f} s (p50), {quiet.worst:.2f} s (worst) late")
        lines += [f"answers {status}: worst {spread.worst:.2f} s" for status, spread in sorted(self.answer.items())]
        return "\n".join(lines)


def _row(title: str, counts: Counter[str]) -> str:
    return f"{title}: " + (", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none")
