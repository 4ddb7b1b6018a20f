"""Refusals: all of them are counted, some of them are logged."""

from __future__ import annotations

from structlog.testing import capture_logs

from liveserver.utils.limits.refusals import INTERVAL, LogInterval, Reason, Refusals


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_counted_by_reason() -> None:
    """Each reason has a count of its own, and one that never happened has 0."""
    refusals = Refusals(Clock())
    for _ in range(3):
        refusals.note(Reason.RATE)
    refusals.note(Reason.KEY)
    assert refusals.counts[Reason.RATE] == 3
    assert refusals.counts[Reason.KEY] == 1
    assert refusals.counts[Reason.HOST] == 0
    assert set(refusals.counts) == set(Reason)


def test_an_interval_tells_how_many_events_a_line_stands_for() -> None:
    clock = Clock()
    interval = LogInterval(clock)
    assert [interval.count() for _ in range(5)] == [1, 0, 0, 0, 0]
    clock.now += INTERVAL - 0.1
    assert interval.count() == 0
    clock.now += 0.1
    assert [interval.count(), interval.count()] == [6, 0]


def test_logged_once_in_a_while() -> None:
    """A thousand refusals within the interval are one line; the next line says how many went unlogged."""
    clock = Clock()
    refusals = Refusals(clock)
    with capture_logs() as lines:
        for _ in range(1_000):
            refusals.note(Reason.RATE, address="192.0.2.7")
        refusals.note(Reason.KEY, key="abc")
        clock.now += INTERVAL
        refusals.note(Reason.RATE, address="192.0.2.9")
    assert [(line["event"], line["reason"], line["count"]) for line in lines] == [
        ("refused", "rate", 1),
        ("refused", "key", 1),
        ("refused", "rate", 1_000),
    ]
    assert [line.get("address") for line in lines] == ["192.0.2.7", None, "192.0.2.9"]
