"""The comparison as a Markdown table, ready for docs/performance.md, and as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.utils import svg_chart
from liveserver.utils.svg_chart import Scale

if TYPE_CHECKING:
    from benchmarks.comparison import Comparison, Entrant, Spread

WIDTH = 960
LEFT, RIGHT = 300, 860
ROW = 26


def as_markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown: a table, and paragraphs about how it was measured."""
    lines = [
        f"{comparison.viewers:,} viewers, {comparison.publishes} messages at {comparison.rate:g} a second, one server "
        f"process each, run in turn; medians of {_rounds(comparison)} rounds (lowest–highest). × floor is the ratio to "
        "`benchmarks/servers/floor.c` sending the same bytes in the same round.",
        "",
        "| server | CPU a delivery, × floor | µs | CPU a connection, × floor | µs | KiB a viewer (PSS) "
        "| CPU a publish to nobody, µs | bytes a delivery | latency p50, p99, ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    before = ""
    for entrant in comparison.entrants:
        if entrant.discipline != before:
            lines.append(f"| *{entrant.discipline}* | | | | | | | | |")
        before = entrant.discipline
        lines.append(_row(comparison, entrant))
    machine = "; ".join(comparison.machine.values())
    lines += ["", f"Machine: {machine}. {comparison.at[:10]}, by `{comparison.command}`."]
    versions = dict.fromkeys(f"{e.name}: {e.version}" for e in comparison.entrants if e.version)
    lines += ["", "Versions: " + "; ".join(versions) + "."]
    absent = dict.fromkeys(f"{e.name}: {e.missing}" for e in comparison.entrants if e.missing)
    lines += ["", "Not measured: " + "; ".join(absent) + "."] if absent else []
    if comparison.overtaken:
        lines += [
            "",
            f"**Overtaken:** {'; '.join(comparison.overtaken)}. More than 1 % of the deliveries came after the next "
            "message was due. liveserver then writes several at once, which is cheaper than one by one: compare on a "
            "machine with more time to spare, or with fewer viewers.",
        ]
    lines += ["", "**Failed:** " + "; ".join(comparison.failed) + "."] if comparison.failed else []
    return "\n".join(lines) + "\n"


def as_svg(comparison: Comparison) -> str:
    """Return an SVG chart: each server's median ratio to the floor is a bar.

    A line on the bar reaches from the ratio of the lowest round to that of the highest.
    """
    parts: list[str] = [
        svg_chart.text(24, 34, "Processor time of the server, as a multiple of the floor's", css="title"),
        svg_chart.text(
            24,
            54,
            f"{comparison.viewers:,} viewers, {comparison.publishes} messages; median, lowest and highest "
            f"of {_rounds(comparison)} rounds",
            css="dim",
        ),
    ]
    y = 92.0
    for name, label in (("delivery_us", "for each delivery"), ("connect_us", "for each connection")):
        y = _panel(comparison, name, label, y, parts) + 34
    return svg_chart.document(WIDTH, round(y), "Comparison with the floor", parts)


def _panel(comparison: Comparison, name: str, label: str, top: float, parts: list[str]) -> float:
    shown = [
        (entrant, ratio)
        for entrant in comparison.entrants
        if not entrant.is_floor and (ratio := comparison.ratio(entrant, name)) is not None
    ]
    bottom = top + 10 + ROW * len(shown)
    across = Scale(0, max([1.2, *(ratio.high for _, ratio in shown)]) * 1.02, LEFT, RIGHT)
    parts.append(svg_chart.text(24, top, label, css="label"))
    for tick in across.ticks(6):
        parts.append(svg_chart.line(across(tick), top + 6, across(tick), bottom, "grid"))
        parts.append(svg_chart.text(across(tick), bottom + 16, f"{tick:g}", css="dim", anchor="middle"))
    for number, (entrant, ratio) in enumerate(shown):
        parts += _bar(entrant, ratio, across, top + 12 + ROW * number)
    parts.append(svg_chart.line(across(1), top + 2, across(1), bottom, "floor"))
    parts.append(svg_chart.text(across(1), top - 4, "floor", css="dim", anchor="middle"))
    return bottom + 16


def _bar(entrant: Entrant, ratio: Spread, across: Scale, y: float) -> list[str]:
    css = "fill-one" if entrant.name == "liveserver" else "fill-two half"
    middle = y + (ROW - 8) / 2
    name = f"{entrant.name.replace('`', '')}, {entrant.discipline}"
    return [
        svg_chart.text(LEFT - 10, middle + 4, name, anchor="end"),
        svg_chart.rectangle(LEFT, y, across(ratio.median) - LEFT, ROW - 8, css),
        svg_chart.line(across(ratio.low), middle, across(ratio.high), middle, "mark"),
        svg_chart.line(across(ratio.low), middle - 5, across(ratio.low), middle + 5, "mark"),
        svg_chart.line(across(ratio.high), middle - 5, across(ratio.high), middle + 5, "mark"),
        svg_chart.text(RIGHT + 12, middle + 4, f"{ratio.median:.{2 if ratio.median < 10 else 1}f} ×"),
    ]


def _row(comparison: Comparison, entrant: Entrant) -> str:
    if entrant.missing:
        return f"| {entrant.name} | not measured | | | | | | | |"
    memory = entrant.spread("viewer_bytes")
    size = entrant.spread("delivery_bytes")
    p50, p99 = entrant.spread("p50_ms"), entrant.spread("p99_ms")
    if memory is None or size is None or p50 is None or p99 is None:
        return f"| {entrant.name} | failed | | | | | | | |"
    cells = [
        entrant.name,
        "1" if entrant.is_floor else _spread(comparison.ratio(entrant, "delivery_us"), 2),
        _spread(entrant.spread("delivery_us"), 1),
        "1" if entrant.is_floor else _spread(comparison.ratio(entrant, "connect_us"), 1),
        _spread(entrant.spread("connect_us"), 0),
        f"{memory.median / 1024:.1f} ({memory.low / 1024:.1f}–{memory.high / 1024:.1f})",
        _spread(entrant.spread("publish_us"), 0),
        f"{size.median:.0f}",
        f"{p50.median:.0f}, {p99.median:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _spread(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return "–"
    return f"{spread.median:.{digits}f} ({spread.low:.{digits}f}–{spread.high:.{digits}f})"


def _rounds(comparison: Comparison) -> int:
    return max((len(entrant.rounds) for entrant in comparison.entrants), default=0)
