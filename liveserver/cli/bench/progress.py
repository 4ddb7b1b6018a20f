"""The progress of a benchmark on standard error. At a terminal, it is a display that is redrawn; otherwise it is a line
every few seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from liveserver.cli.bench.plan import Plan
    from liveserver.cli.bench.run import Moment, Stage

LINE_EVERY = 5.0
"""Seconds between two lines about the benchmark's progress, if standard error isn't a terminal."""


class Progress(Protocol):
    """A display of a benchmark's progress. It is a context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...
    def show(self, moment: Moment, /) -> None:
        """Show the state of the run."""


class Display:
    """A display at a terminal: bars and figures, redrawn at each call of `show`. `publisher`: True if the benchmark
    publishes entries."""

    def __init__(self, plan: Plan, console: Console, *, publisher: bool) -> None:
        self._plan = plan
        self._publisher = publisher
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, moment: Moment) -> None:
        """Draw the state of the run."""
        plan, measurements = self._plan, moment.measurements
        rows = Table.grid(padding=(0, 2))
        rows.add_column(min_width=11)
        rows.add_column(width=32)
        rows.add_column()
        rows.add_row(
            "viewers",
            ProgressBar(plan.viewers, measurements.opened),
            f"{measurements.following:,} of {plan.viewers:,}"
            + (f", {measurements.failed:,} failed" if measurements.failed else ""),
        )
        if self._publisher:
            rows.add_row(
                "entries",
                ProgressBar(plan.entries, moment.published),
                f"{moment.published:,} of {plan.entries:,}",
            )
        rows.add_row("deliveries", "", f"{measurements.delivered:,}  ({moment.recent.delivered:,} in the last second)")
        rows.add_row("latency", "", _latency(moment))
        trouble = _trouble(moment)
        rows.add_row(str(moment.stage), "", f"[red]{trouble}[/red]" if trouble else f"{moment.elapsed:.0f} s")
        self._live.update(rows, refresh=True)


class Lines:
    """A display for a standard error that is no terminal: it prints a line when a stage begins, and every `LINE_EVERY`
    seconds."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self._plan = plan
        self._console = console
        self._stage: Stage | None = None
        self._printed_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def show(self, moment: Moment) -> None:
        """Print the state of the run as a line, if a stage has begun or the last line is `LINE_EVERY` seconds old."""
        if moment.stage is self._stage and moment.elapsed < self._printed_at + LINE_EVERY:
            return
        self._stage = moment.stage
        self._printed_at = moment.elapsed
        measurements = moment.measurements
        parts = [
            f"{moment.elapsed:5.0f} s  {moment.stage}: {measurements.following:,} of {self._plan.viewers:,} viewers"
        ]
        parts += [f"{moment.published:,} entries", f"{measurements.delivered:,} deliveries"]
        parts += [_latency(moment)] if moment.recent.latency.count else []
        parts += [trouble] if (trouble := _trouble(moment)) else []
        self._console.print(", ".join(parts), soft_wrap=True, highlight=False, markup=False)


def progress_for(plan: Plan, *, publisher: bool) -> Progress:
    """Return the display that suits standard error: `Display` if it is a terminal, otherwise `Lines`."""
    console = Console(stderr=True)
    return Display(plan, console, publisher=publisher) if console.is_terminal else Lines(plan, console)


def _latency(moment: Moment) -> str:
    histogram = moment.recent.latency
    p50, p99 = histogram.percentile(50), histogram.percentile(99)
    if p50 is None or p99 is None:
        return "–"
    return f"p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, max {histogram.max * 1e3:.1f} ms"


def _trouble(moment: Moment) -> str:
    measurements = moment.measurements
    counts = {"lost": measurements.lost, "duplicated": measurements.duplicated, "reconnects": measurements.reconnects}
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
