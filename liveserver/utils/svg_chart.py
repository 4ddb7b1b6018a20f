"""Charts as SVG: scales, lines and text, without scripts, for light and dark pages. The functions only return text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STYLE = """
svg { --paper: #ffffff; --ink: #1c2128; --dim: #656d76; --grid: #e2e6ea;
  --one: #0969da; --two: #bf6a02; --three: #cf222e;
  font: 13px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { svg { --paper: #14181d; --ink: #e6e9ec; --dim: #97a0aa; --grid: #2b323a;
  --one: #58a6ff; --two: #e3a23c; --three: #ff7b72; } }
.paper { fill: var(--paper); } text { fill: var(--ink); font-variant-numeric: tabular-nums; }
.title { font-size: 17px; font-weight: 600; } .label { font-weight: 600; } .dim { fill: var(--dim); font-size: 12px; }
.grid { stroke: var(--grid); fill: none; } .line { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
.mark { stroke: var(--ink); stroke-width: 1.5; fill: none; } .floor { stroke: var(--dim); stroke-dasharray: 4 4; }
.one { stroke: var(--one); } .fill-one { fill: var(--one); }
.two { stroke: var(--two); } .fill-two { fill: var(--two); }
.three { stroke: var(--three); } .fill-three { fill: var(--three); } .soft { opacity: 0.25; } .half { opacity: 0.6; }
"""


class Scale(NamedTuple):
    """A conversion of values to coordinates, linear or logarithmic."""

    low: float
    high: float
    start: float
    """The coordinate of `low`."""
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the coordinate of a value: `start` for a value below `low`, and `end` for a value above `high`."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int = 4) -> list[float]:
        """Return some round values between `low` and `high`, for the axis.

        On a linear scale, there are about `count` values. A logarithmic scale ignores `count`.
        """
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1,) if len(powers) > 4 else (1, 2, 5) if len(powers) < 3 else (1, 3)
            values = [step * 10.0**power for power in powers for step in steps]
            return [value for value in values if self.low * 0.999 <= value <= self.high * 1.001]
        step = round_up((self.high - self.low) / count)
        first = math.ceil(self.low / step)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def round_up(value: float) -> float:
    """Return the smallest of the numbers … 0.5, 1, 2, 2.5, 5, 10, 20, 25 … that isn't less than `value`.

    Returns 1 if `value` isn't positive.
    """
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * (1 - 1e-9))


def text(x: float, y: float, content: str, *, css: str = "", anchor: str = "start") -> str:
    """Return the SVG of one line of text.

    `x`, `y`: a point on the text's baseline. `css`: the text's CSS classes. `anchor`: the part of the text that is at
    this point (`start`, `middle` or `end`).
    """
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """Return the SVG of a straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>'


def rectangle(x: float, y: float, width: float, height: float, css: str) -> str:
    """Return the SVG of a rectangle. A negative width or height is replaced by 0."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" class="{css}"/>'


def path(points: Sequence[tuple[float, float]], css: str) -> str:
    """Return the SVG of a line through some points. A single point is drawn as a dot."""
    if len(points) == 1:
        ((x, y),) = points
        # A line without length, but with round ends.
        return f'<path d="M{x:.1f} {y:.1f}h0" class="{css}" stroke-linecap="round" stroke-width="4"/>'
    return f'<path d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in points)}" class="{css}"/>'


def area(points: Sequence[tuple[float, float]], bottom: float, css: str) -> str:
    """Return the SVG of the area below a line through some points; "" if there are no points.

    `bottom`: the y-coordinate of the area's lower edge.
    """
    if not points:
        return ""
    outline = [(points[0][0], bottom), *points, (points[-1][0], bottom)]
    return f'<path d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in outline)}Z" class="{css}"/>'


def document(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """Return a whole SVG document with a title. `parts`: the SVG of its shapes."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title, {chr(34): "&quot;"})}" style="max-width:100%;height:auto">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        f'<rect class="paper" width="{width}" height="{height}" rx="8"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )
