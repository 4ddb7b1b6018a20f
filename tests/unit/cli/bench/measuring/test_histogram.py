"""Histograms and sums."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from liveserver.cli.bench.measuring.histogram import Histogram, Measurements


def test_an_empty_histogram_has_no_percentile() -> None:
    assert Histogram().percentile(50) is None


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=200), st.sampled_from([1, 50, 90, 99, 100]))
def test_percentiles(latencies: list[float], percent: float) -> None:
    """Never below the true one (nearest rank), and at most 1/64 or a microsecond above it."""
    histogram = Histogram()
    for latency in latencies:
        histogram.add(latency)
    true = sorted(latencies)[math.ceil(percent / 100 * len(latencies)) - 1]
    found = histogram.percentile(percent)
    assert found is not None
    assert true - 1e-9 <= found <= true * (1 + 1 / 64) + 1.001e-6
    assert histogram.max == max(latencies)
    assert histogram.count == len(latencies)


def test_histograms_are_merged() -> None:
    one, other = Histogram(), Histogram()
    for number in range(100):
        (one if number % 2 else other).add(number / 1000)
    one.merge(other)
    assert one.count == 100
    assert one.max == 0.099
    median = one.percentile(50)
    assert median is not None
    assert 0.049 <= median < 0.05


def test_a_latency_below_zero_counts_as_none() -> None:
    histogram = Histogram()
    histogram.add(-0.5)
    assert (histogram.count, histogram.max) == (1, 0)


def test_tallies_are_merged() -> None:
    """Counts are added; of times, the later one holds."""
    one = Measurements(opened=2, lost=1, opened_at=5.0, errors=Counter({"x": 1}))
    other = Measurements(opened=3, opened_at=4.0, cpu=0.5, errors=Counter({"x": 2, "y": 1}))
    other.lateness.add(0.25)
    one.merge(other)
    assert (one.opened, one.lost, one.opened_at, one.cpu) == (5, 1, 5.0, 0.5)
    assert one.errors == {"x": 3, "y": 1}
    assert one.lateness.max == 0.25
