"""A live blog's reach as a page without a script. It shows each partner's figures, a plot by the hour, and a table."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from liveserver.rendering.template import template
from liveserver.utils import svg_chart
from liveserver.utils.svg_chart import Scale

if TYPE_CHECKING:
    from liveserver.domain.reach_report import PartnerReach, ReachReport

WIDTH = 960
LEFT, RIGHT = 72, 936
PANELS = ((64, 184), (236, 356), (408, 528))
"""The top and the bottom, in pixels, of each of the plot's three panels: most viewers at once, views, hours read."""
HEIGHT = 572
DAYS_LABELLED = 10
"""The greatest number of days with a label below the plot. In a longer report, only every n-th day has a label."""


def page(report: ReachReport) -> str:
    """Return the HTML of the page that shows a report."""
    days = f"{report.since.isoformat()} to {report.until.isoformat()}, {report.liveblog.timezone}"
    sections = [_section(report, reach) for reach in report.partners]
    return _page(f"Reach of {report.liveblog.title}", days=days, sections=sections)


def refusal(reason: str) -> str:
    """Return the HTML of the page for a link that isn't valid. `reason`: a sentence that tells the reader why."""
    return _page("This link isn’t good (any more)", reason=reason)


def _page(title: str, **values: Any) -> str:
    return template("reach.html").render(title=title, **values) + "\n"


def _plot(report: ReachReport, reach: PartnerReach) -> str:
    """Return the plot of one partner's figures by the hour, as SVG."""
    zone = ZoneInfo(report.liveblog.timezone)
    begin = datetime.combine(report.since, time(), zone).timestamp()
    end = datetime.combine(report.until + timedelta(days=1), time(), zone).timestamp()
    across = Scale(begin, end, LEFT, RIGHT)
    name = _name(reach)
    shapes = [svg_chart.text(24, 34, name, css="title")]
    rows = [(hour.hour.timestamp(), hour.peak, hour.views, hour.seconds / 3600) for hour in reach.hours]
    panels = (("most viewers at once", "one"), ("views an hour", "two"), ("hours read in an hour", "three"))
    for column, ((top, bottom), (label, css)) in enumerate(zip(PANELS, panels, strict=True), 1):
        values = [(row[0], float(row[column])) for row in rows]
        shapes += _bars(values, across, top, bottom, label, css)
    days = (report.until - report.since).days + 1
    step = -(-days // DAYS_LABELLED)
    for number in range(0, days, step):
        day = report.since + timedelta(days=number)
        x = across(datetime.combine(day, time(), zone).timestamp())
        shapes.append(svg_chart.text(x, PANELS[-1][1] + 18, f"{day:%d %b}", css="dim"))
    return svg_chart.document(WIDTH, HEIGHT, f"Reach, {name}, by the hour", shapes)


def _bars(values: list[tuple[float, float]], across: Scale, top: int, bottom: int, label: str, css: str) -> list[str]:
    highest = svg_chart.round_up(max((value for _, value in values), default=0))
    up = Scale(0, highest, bottom, top)
    shapes = [svg_chart.text(LEFT, top - 10, label, css="label")]
    for tick in up.ticks():
        shapes.append(svg_chart.line(LEFT, up(tick), RIGHT, up(tick), "grid"))
        shapes.append(svg_chart.text(LEFT - 8, up(tick) + 4, f"{tick:,g}", css="dim", anchor="end"))
    for hour, value in values:
        x, width = across(hour), across(hour + 3600) - across(hour)
        shapes.append(svg_chart.rectangle(x, up(value), max(width - 0.3, 0.7), bottom - up(value), f"fill-{css}"))
    return shapes


def _section(report: ReachReport, reach: PartnerReach) -> dict[str, Any]:
    """Return the template's values for one partner: figures, plot, and a table by the day."""
    return {
        "name": _name(reach),
        "figures": [
            ("viewers now", f"{reach.viewers:,}"),
            ("most at once", f"{reach.peak:,}"),
            ("views", f"{reach.views:,}"),
            ("hours read", _hours(reach.seconds)),
        ],
        "picture": Markup(_plot(report, reach)),
        "days": [
            (day.day.isoformat(), f"{day.peak:,}", f"{day.views:,}", _hours(day.seconds))
            for day in reversed(reach.days)
        ],
    }


def _name(reach: PartnerReach) -> str:
    return reach.partner or "no partner"


def _hours(seconds: int) -> str:
    return f"{seconds / 3600:,.1f}"
