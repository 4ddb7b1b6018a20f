"""Ratios, the table and the picture."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import orjson
import pytest

from benchmarks import report
from benchmarks.comparison import Comparison, Entrant, Figures, Spread


def figures(delivery: float, connect: float) -> Figures:
    return Figures(
        delivery_us=delivery,
        publish_us=700,
        connect_us=connect,
        viewer_bytes=2048,
        delivery_bytes=2472,
        p50_ms=12,
        p99_ms=40,
    )


@pytest.fixture
def comparison() -> Comparison:
    floor = Entrant(
        "WebSocket", "floor", "cc 12", is_floor=True, rounds=[figures(8, 20), figures(10, 10), figures(9, 20)]
    )
    other_floor = Entrant("SSE", "floor", "cc 12", is_floor=True, rounds=[figures(1, 1), figures(1, 1), figures(1, 1)])
    ours = Entrant("WebSocket", "liveserver", "1.0", rounds=[figures(8, 100), figures(11, 90), None])
    ours.failures.append("round 3: 2 lost")
    absent = Entrant("WebSocket", "Nchan", "", missing="nginx has no module nchan")
    return Comparison(
        "python -m benchmarks --rounds 3",
        {"processor": "2 cores", "kernel": "Linux 6"},
        5000,
        50,
        10,
        "2026-11-22T12:00:00+00:00",
        [floor, ours, absent, other_floor],
    )


def test_ratios_are_those_of_the_same_round(comparison: Comparison) -> None:
    """To the floor of its own discipline; a round that failed counts for nothing."""
    ours = comparison.entrants[1]
    assert comparison.ratio(ours, "delivery_us") == pytest.approx((1.05, 1.0, 1.1))
    assert comparison.ratio(ours, "connect_us") == pytest.approx((7.0, 5.0, 9.0))
    assert comparison.ratio(comparison.entrants[2], "delivery_us") is None
    assert ours.spread("connect_us") == Spread(95, 90, 100)
    assert comparison.failed == ["liveserver (WebSocket): round 3: 2 lost"]


def test_table(comparison: Comparison) -> None:
    """Every row has the head's cells; what is missing and what failed is said."""
    table = report.as_markdown(comparison)
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    assert any(row.startswith("| liveserver | 1.05 (1.00–1.10) | 9.5 (8.0–11.0) | 7.0 (5.0–9.0) | 95") for row in rows)
    assert "| Nchan | not measured |" in table
    assert "Nchan: nginx has no module nchan" in table
    assert "**Failed:** liveserver (WebSocket): round 3: 2 lost" in table
    assert "Machine: 2 cores; Linux 6. 2026-11-22, by `python -m benchmarks --rounds 3`." in table


def test_messages_that_overtake(comparison: Comparison) -> None:
    """When the next message was due before all had the last one, the cost of a delivery means something else."""
    assert comparison.overtaken == []
    assert "Overtaken" not in report.as_markdown(comparison)
    ours = comparison.entrants[1]
    ours.rounds[0] = replace(figures(8, 100), p99_ms=101)
    assert comparison.overtaken == ["liveserver (WebSocket)"]
    assert "**Overtaken:** liveserver (WebSocket)." in report.as_markdown(comparison)


def test_picture(comparison: Comparison) -> None:
    root = ElementTree.fromstring(report.as_svg(comparison))
    classes = [element.get("class") for element in root.iter()]
    assert classes.count("fill-one") == 2
    assert classes.count("mark") == 6
    assert classes.count("floor") == 2


def test_without_the_floor(comparison: Comparison) -> None:
    """Where there is no compiler, there are figures and no ratios."""
    del comparison.entrants[0]
    assert "| liveserver | – | 9.5" in report.as_markdown(comparison)
    ElementTree.fromstring(report.as_svg(comparison))


def test_json(comparison: Comparison) -> None:
    values = orjson.loads(orjson.dumps(comparison.as_json()))
    assert values["entrants"][1]["delivery_ratio"]["median"] == pytest.approx(1.05)
    assert values["entrants"][1]["rounds"][2] is None
    assert values["machine"]["processor"] == "2 cores"
