"""A live blog's reach as a page: for each partner the figures, and a plot of its hours. Pure; no script."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from html import escape
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from liveserver.utils import svg_chart
from liveserver.utils.svg_chart import Scale

if TYPE_CHECKING:
    from liveserver.newsroom.reach import PartnerReach, Report

WIDTH = 960
LEFT, RIGHT = 72, 936
PANELS = ((64, 184), (236, 356), (408, 528))
"""Top and bottom of each: peak, views, hours read."""
HEIGHT = 572
DAYS_LABELLED = 10


def page(report: Report) -> str:
    """The whole page."""
    liveblog = report.liveblog
    sections = "\n".join(_section(report, found) for found in report.partners)
    days = f"{report.since.isoformat()} to {report.until.isoformat()}, {escape(liveblog.timezone)}"
    content = INTRODUCTION.format(days=days) + (sections or "<p>Nobody has read it in this time.</p>")
    return PAGE.format(title=escape(f"Reach of {liveblog.title}"), content=content)


def refusal(reason: str) -> str:
    """What one sees with a link that isn't good."""
    return PAGE.format(title="This link isn’t good (any more)", content=f"<p>{escape(reason)}.</p>")


def picture(report: Report, found: PartnerReach) -> str:
    """The plot of one partner's hours."""
    zone = ZoneInfo(report.liveblog.timezone)
    begin = datetime.combine(report.since, time(), zone).timestamp()
    end = datetime.combine(report.until + timedelta(days=1), time(), zone).timestamp()
    across = Scale(begin, end, LEFT, RIGHT)
    name = found.partner or "no partner"
    parts = [svg_chart.text(24, 34, name, css="title")]
    rows = [(hour.hour.timestamp(), hour.peak, hour.views, hour.seconds / 3600) for hour in found.hours]
    panels = (("most viewers at once", "one"), ("views an hour", "two"), ("hours read in an hour", "three"))
    for column, ((top, bottom), (label, css)) in enumerate(zip(PANELS, panels, strict=True), 1):
        values = [(row[0], float(row[column])) for row in rows]
        parts += _bars(values, across, top, bottom, label, css)
    days = (report.until - report.since).days + 1
    step = -(-days // DAYS_LABELLED)
    for number in range(0, days, step):
        day = report.since + timedelta(days=number)
        x = across(datetime.combine(day, time(), zone).timestamp())
        parts.append(svg_chart.text(x, PANELS[-1][1] + 18, f"{day:%d %b}", css="dim"))
    return svg_chart.document(WIDTH, HEIGHT, f"Reach, {name}, by the hour", parts)


def _bars(values: list[tuple[float, float]], across: Scale, top: int, bottom: int, label: str, css: str) -> list[str]:
    highest = svg_chart.round_up(max((value for _, value in values), default=0))
    up = Scale(0, highest, bottom, top)
    parts = [svg_chart.text(LEFT, top - 10, label, css="label")]
    for tick in up.ticks():
        parts.append(svg_chart.line(LEFT, up(tick), RIGHT, up(tick), "grid"))
        parts.append(svg_chart.text(LEFT - 8, up(tick) + 4, f"{tick:,g}", css="dim", anchor="end"))
    for at, value in values:
        x, width = across(at), across(at + 3600) - across(at)
        parts.append(svg_chart.rectangle(x, up(value), max(width - 0.3, 0.7), bottom - up(value), f"fill-{css}"))
    return parts


def _section(report: Report, found: PartnerReach) -> str:
    figures = (
        ("viewers now", f"{found.viewers:,}"),
        ("most at once", f"{found.peak:,}"),
        ("views", f"{found.views:,}"),
        ("hours read", f"{found.seconds / 3600:,.1f}"),
    )
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures)
    days = "\n".join(
        f"<tr><th>{day.day.isoformat()}</th><td>{day.peak:,}</td><td>{day.views:,}</td>"
        f"<td>{day.seconds / 3600:,.1f}</td></tr>"
        for day in reversed(found.days)
    )
    name = escape(found.partner or "no partner")
    return SECTION.format(name=name, figures=cells, picture=picture(report, found), days=days)


SECTION = """<section aria-label="{name}">
<dl>{figures}</dl>
<div class="wide" role="group" tabindex="0" aria-label="{name}, by the hour">
{picture}
</div>
<div class="wide" role="group" tabindex="0" aria-label="{name}, by the day">
<table>
<caption>{name}, by the day</caption>
<thead><tr><th>day</th><th>most at once</th><th>views</th><th>hours read</th></tr></thead>
<tbody>
{days}
</tbody>
</table>
</div>
</section>"""

INTRODUCTION = """<p>{days}. Views are streams that were opened: a page that lost its connection and came back counts
again. What was counted in the last minute is missing. Nothing is kept of any single reader.</p>
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ overflow-wrap: anywhere; }} .wide {{ overflow-x: auto; }} .wide svg {{ min-width: 40rem; }}
dl {{ display: flex; flex-wrap: wrap; gap: 0.5rem 2.5rem; }} dt {{ opacity: 0.75; }}
dd {{ margin: 0; font-size: 1.6rem; font-weight: 600; font-variant-numeric: tabular-nums; }}
table {{ border-collapse: collapse; margin: 1rem 0 3rem; font-variant-numeric: tabular-nums; }}
caption {{ text-align: start; font-weight: 600; }} th, td {{ padding: 0.15rem 1rem 0.15rem 0; text-align: end; }}
th:first-child {{ text-align: start; font-weight: inherit; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{content}
</main>
</body>
</html>
"""
