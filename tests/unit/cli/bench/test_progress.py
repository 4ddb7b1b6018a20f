"""The lines that are shown while a benchmark runs."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from liveserver.cli.bench.measuring.histogram import Measurements, Second
from liveserver.cli.bench.plan import Plan
from liveserver.cli.bench.progress import Display, Lines
from liveserver.cli.bench.run import Moment, Stage

PLAN = Plan(500, rate=10, duration=30)


def moment(stage: Stage, elapsed: float, **measurements: int) -> Moment:
    counts = Measurements(opened=480, following=470)
    for name, count in measurements.items():
        setattr(counts, name, count)
    recent = Second(delivered=4700)
    recent.latency.add(0.0125)
    return Moment(stage, elapsed, counts, 42, recent)


@pytest.mark.parametrize("publisher", [True, False])
def test_at_a_terminal(publisher: bool) -> None:
    """Everything that matters is on the screen, and cleared from it at the end."""
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=120, color_system=None)
    with Display(PLAN, console, publisher=publisher) as display:
        display.show(moment(Stage.PUBLISHING, 12, lost=3, failed=2))
        shown = screen.getvalue()
    for part in ("470 of 500, 2 failed", "4,700 in the last second", "p99 12.5 ms", "publishing", "3 lost"):
        assert part in shown
    assert ("42 of 300" in shown) is publisher
    assert screen.getvalue() != shown


def test_elsewhere() -> None:
    """A line for each stage, and then one every five seconds."""
    output = StringIO()
    with Lines(PLAN, Console(file=output, width=40)) as lines:
        for stage, elapsed in [
            *((Stage.CONNECTING, second) for second in range(4)),
            *((Stage.PUBLISHING, second) for second in range(4, 15)),
        ]:
            lines.show(moment(stage, elapsed, reconnects=1))
    shown = output.getvalue().splitlines()
    assert [line.split()[:2] for line in shown] == [["0", "s"], ["4", "s"], ["9", "s"], ["14", "s"]]
    assert "publishing: 470 of 500 viewers, 42 entries" in shown[1]
    assert shown[1].endswith("1 reconnects")
