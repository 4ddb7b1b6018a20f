"""Plots of a run: latency, viewers, deliveries and published entries over time, as SVG or an HTML page. No I/O."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from liveserver.cli.bench.measuring import report
from liveserver.utils import svg_chart
from liveserver.utils.svg_chart import Scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from liveserver.cli.bench.measuring.result import Result

WIDTH = 960
LEFT, RIGHT = 72, 936
PANELS = ((104, 320), (372, 448), (500, 576), (628, 688))
"""The top and the bottom of each of the four plots, in pixels from the top of the picture."""
HEIGHT = 736
GAP = 3
"""The greatest number of seconds from one value of a line to the next. If the next value is later, the line is
interrupted."""

Row = dict[str, Any]


def as_svg(result: Result) -> str:
    """Return the plots of a result as one SVG picture."""
    values = report.as_json(result)
    timeline: list[Row] = values["timeline"]
    across = Scale(0, max((row["second"] for row in timeline), default=0) + 1, LEFT, RIGHT)
    title = f"{result.measurements.opened:,} viewers, {report.transport_of(result)}"
    parts = [
        svg_chart.text(24, 34, title, css="title"),
        svg_chart.text(24, 54, _subtitle(result), css="dim"),
        *_latency(timeline, across),
        *_viewers(timeline, across),
        *_bars(timeline, across, PANELS[2], "delivered", "deliveries a second", "one"),
        *_bars(timeline, across, PANELS[3], "published", "entries published a second", "two"),
    ]
    bottom = PANELS[-1][1]
    parts += [
        svg_chart.text(across(tick), bottom + 18, f"{tick:g}", css="dim", anchor="middle") for tick in across.ticks(10)
    ]
    parts.append(svg_chart.text((LEFT + RIGHT) / 2, bottom + 36, "seconds", css="dim", anchor="middle"))
    return svg_chart.document(WIDTH, HEIGHT, f"Benchmark: {title}", parts)


def as_html(result: Result) -> str:
    """Return an HTML page with the plots and the figures of a result. The page loads no other files."""
    rows = "\n".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in report.as_rows(result)
    )
    remarks = "\n".join(f"<li>{escape(note)}</li>" for note in report.notes(result))
    verdict = "Every viewer connected, and nothing was lost." if result.ok else "Not everything went well: see below."
    return _PAGE.format(
        title=escape(f"Benchmark of {result.url}"),
        verdict=verdict,
        picture=as_svg(result),
        rows=rows,
        remarks=f"<ul>\n{remarks}\n</ul>" if remarks else "",
        at=escape(f"{result.started_at:%Y-%m-%d %H:%M} UTC"),
    )


def _subtitle(result: Result) -> str:
    histogram = result.latency
    p50, p99 = histogram.percentile(50), histogram.percentile(99)
    parts = [result.url]
    if result.plan.rate:
        parts.append(f"{result.published:,} entries at {result.plan.rate:g} a second")
    if p50 is not None and p99 is not None:
        parts.append(f"latency p50 {p50 * 1e3:.1f}, p99 {p99 * 1e3:.1f}, max {histogram.max * 1e3:.1f} ms")
    parts.append(f"{result.measurements.lost:,} lost")
    return "  ·  ".join(parts)


def _latency(timeline: Sequence[Row], across: Scale) -> list[str]:
    top, bottom = PANELS[0]
    latencies = [row[name] for row in timeline for name in ("p50_ms", "max_ms") if row[name]]
    low = 10.0 ** math.floor(math.log10(min(latencies, default=1.0)))
    down = Scale(low, max([low * 10, *latencies]) * 1.15, bottom, top, logarithmic=True)
    parts = _frame(top, "latency, ms (logarithmic)", down)
    names = (("max_ms", "three", "max"), ("p99_ms", "two", "p99"), ("p50_ms", "one", "p50"))
    for name, css, _ in names:
        parts += _line(timeline, name, across, down, css)
    return parts + _legend(top, [(label, css) for _, css, label in reversed(names)])


def _viewers(timeline: Sequence[Row], across: Scale) -> list[str]:
    top, bottom = PANELS[1]
    down = Scale(0, _room(timeline, "viewers"), bottom, top)
    points = [(across(row["second"] + 1), down(row["viewers"])) for row in timeline]
    points = [(across(0), bottom), *points]
    return [
        *_frame(top, "viewers following", down, tick_count=2),
        svg_chart.area(points, bottom, "fill-one soft"),
        svg_chart.path(points, "line one"),
    ]


def _bars(timeline: Sequence[Row], across: Scale, panel: tuple[int, int], name: str, label: str, css: str) -> list[str]:
    top, bottom = panel
    down = Scale(0, _room(timeline, name), bottom, top)
    width = across(1) - across(0)
    gap = min(width / 5, 2)
    return _frame(top, label, down, tick_count=2) + [
        svg_chart.rectangle(
            across(row["second"]), down(row[name]), width - gap, bottom - down(row[name]), f"fill-{css} half"
        )
        for row in timeline
        if row[name]
    ]


def _line(timeline: Sequence[Row], name: str, across: Scale, down: Scale, css: str) -> list[str]:
    """Return a line through the values of the column `name`, as SVG paths: one path for each uninterrupted piece.

    Each value is drawn in the middle of its second. The line is interrupted between two values that are more than `GAP`
    seconds apart. `across`, `down`: the scales of the two axes. `css`: the line's class.
    """
    pieces: list[list[tuple[float, float]]] = []
    previous_second = -GAP - 1
    for row in timeline:
        if row[name] is None:
            continue
        if row["second"] - previous_second > GAP:
            pieces.append([])
        pieces[-1].append((across(row["second"] + 0.5), down(row[name])))
        previous_second = row["second"]
    return [svg_chart.path(points, f"line {css}") for points in pieces]


def _frame(top: int, label: str, down: Scale, *, tick_count: int = 4) -> list[str]:
    parts = [svg_chart.text(LEFT, top - 12, label, css="label")]
    for tick in down.ticks(tick_count):
        y = down(tick)
        parts.append(svg_chart.line(LEFT, y, RIGHT, y, "grid"))
        parts.append(svg_chart.text(LEFT - 8, y + 4, f"{tick:,.10g}", css="dim", anchor="end"))
    return parts


def _legend(top: int, names: Sequence[tuple[str, str]]) -> list[str]:
    parts = []
    x = float(RIGHT)
    for name, css in reversed(names):
        x -= 7 * len(name) + 4
        parts.append(svg_chart.text(x, top - 12, name, css="dim"))
        parts.append(svg_chart.line(x - 22, top - 16, x - 6, top - 16, f"line {css}"))
        x -= 36
    return parts


def _room(timeline: Sequence[Row], name: str) -> float:
    return 1.08 * max([1.0, *(float(row[name]) for row in timeline)])


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --paper: #f6f8fa; --ink: #1c2128; --line: #d8dee4; }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper: #0d1014; --ink: #e6e9ec; --line: #2b323a; }} }}
body {{ margin: 0 auto; padding: 1.5rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }}
h1 {{ font-size: 1.4rem; margin: 0 0 0.25rem; overflow-wrap: anywhere; }}
p {{ margin: 0 0 1rem; }}
svg {{ display: block; border: 1px solid var(--line); border-radius: 8px; }}
table {{ border-collapse: collapse; margin: 1.5rem 0; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ border-bottom: 1px solid var(--line); padding: 0.35rem 0.75rem 0.35rem 0; text-align: left; }}
th {{ font-weight: 600; width: 11rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{at}. {verdict}</p>
{picture}
<table>
{rows}
</table>
{remarks}
</body>
</html>
"""
