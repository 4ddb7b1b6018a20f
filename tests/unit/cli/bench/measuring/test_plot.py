"""Results as pictures, pages, JSON and rows."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from xml.etree import ElementTree

import orjson
import pytest

from liveserver.cli.bench.measuring import plot, report
from liveserver.cli.bench.measuring.histogram import Measurements, Second
from liveserver.cli.bench.measuring.result import Result, Usage
from liveserver.cli.bench.plan import Plan
from liveserver.utils import svg_chart

SVG = "{http://www.w3.org/2000/svg}"


def result_of(seconds: int = 12, **measurements: int) -> Result:
    """A run of so many seconds: two of connecting, then publishing."""
    result = Result(
        Plan(500, rate=2), "https://live.example.org/<&\"'>", "benchmark", datetime(2026, 11, 22, tzinfo=UTC)
    )
    result.measurements = Measurements(opened=500, following=500, tries=501, deflated=500)
    for name, count in measurements.items():
        setattr(result.measurements, name, count)
    for number in range(seconds):
        second = result.seconds[number] = Second(following=min(number * 250, 500))
        if number >= 2:
            second.delivered = 1000
            result.publishes[number] = 2
            for latency in (0.002, 0.004, 0.03 * number):
                second.latency.add(latency)
    result.published = 2 * max(seconds - 2, 0)
    result.connect_seconds, result.deliver_seconds = 2.0, 10.0
    return result


@pytest.mark.parametrize("seconds", [0, 1, 3, 12, 900])
def test_the_picture_is_well_formed(seconds: int) -> None:
    """The picture is well formed whatever there is to draw, and whatever the server is called."""
    root = ElementTree.fromstring(plot.as_svg(result_of(seconds)))
    assert root.tag == f"{SVG}svg"
    width, height = plot.WIDTH, plot.HEIGHT
    for element in root.iter(f"{SVG}text"):
        assert 0 <= float(element.get("x", "")) <= width
        assert 0 <= float(element.get("y", "")) <= height
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "500 viewers, WebSocket, deflated" in texts
    assert not list(root.iter(f"{SVG}script"))


def test_the_picture_shows_the_figures() -> None:
    """A bar for each second with deliveries, a line for each latency."""
    root = ElementTree.fromstring(plot.as_svg(result_of(12)))
    classes = Counter(element.get("class") for element in root.iter())
    assert classes["fill-one half"] == 10
    assert classes["fill-two half"] == 10
    assert {name: classes[f"line {name}"] for name in ("two", "three")} == {"two": 2, "three": 2}


def test_lines_break_where_nothing_came() -> None:
    result = result_of(30)
    for number in range(10, 20):
        result.seconds[number] = Second()
    root = ElementTree.fromstring(plot.as_svg(result))
    lines = [element for element in root.iter(f"{SVG}path") if element.get("class") == "line three"]
    assert len(lines) == 2


def test_the_page_is_complete() -> None:
    page = plot.as_html(result_of(lost=3))
    assert "<script" not in page
    assert "https://live.example.org/&lt;&amp;" in page
    assert "Not everything went well" in page
    assert page.count("<svg") == 1
    assert "Every viewer connected" in plot.as_html(result_of())


@pytest.mark.parametrize(
    ("change", "ok"),
    [({}, True), ({"lost": 1}, False), ({"duplicated": 1}, False), ({"reconnects": 1}, True), ({"failed": 1}, False)],
)
def test_verdict(change: dict[str, int], ok: bool) -> None:
    assert result_of(**change).ok is ok


def test_json() -> None:
    """Plain values, with the keys that docs/performance.md promises."""
    result = result_of()
    result.usage = Usage((7,), 150.0, 9.5, 3000.0)
    values = orjson.loads(orjson.dumps(report.as_json(result)))
    assert values["format"] == 1
    assert values["plan"]["viewers"] == 500
    assert values["latency_ms"]["max"] == 330
    assert values["server"]["cpu_us_per_delivery"] == 9.5
    assert [row["second"] for row in values["timeline"]] == list(range(12))
    assert values["timeline"][0]["p50_ms"] is None
    assert report.as_json(result_of(0))["latency_ms"] == {"p50": None, "p90": None, "p99": None, "max": None}


def test_remarks() -> None:
    """Doubts about the figures are told with them."""
    result = result_of()
    assert report.notes(result) == []
    result.busiest = 0.97
    result.measurements.errors["closed with 4000"] = 3
    result.interrupted = True
    notes = "\n".join(report.notes(result))
    assert "3 × closed with 4000" in notes
    assert "97%" in notes
    assert "interrupted" in notes


def test_round_values() -> None:
    assert [svg_chart.round_up(value) for value in (0, 0.9, 1, 1.1, 2.2, 30, 101)] == [1, 1, 1, 2, 2.5, 50, 200]
    assert svg_chart.Scale(0, 10, 0, 100).ticks(5) == [0, 2, 4, 6, 8, 10]
    assert svg_chart.Scale(1, 1000, 0, 300, logarithmic=True)(100) == pytest.approx(200)
    assert svg_chart.Scale(1, 50, 0, 300, logarithmic=True).ticks() == [1, 3, 10, 30]
