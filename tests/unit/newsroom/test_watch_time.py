"""Viewers and their seconds, by the hour."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from liveserver.domain.audience import ReachHour
from liveserver.newsroom import watch_time
from liveserver.newsroom.watch_time import HOUR, Key, WatchTimeMeter

if TYPE_CHECKING:
    import pytest

MATCH = Key("match", "")
PARTNER = Key("match", "p_a")
NOON = 1_800_000_000 // HOUR * HOUR


def hour(number: int, views: int, seconds: int, peak: int, *, key: Key = MATCH) -> tuple[str, ReachHour]:
    return key.slug, ReachHour(key.partner, datetime.fromtimestamp(NOON + number * HOUR, UTC), views, seconds, peak)


def test_views_seconds_and_the_peak() -> None:
    meter = WatchTimeMeter()
    meter.came(MATCH, NOON)
    meter.came(MATCH, NOON + 10)
    meter.left(MATCH, NOON + 15)
    meter.came(MATCH, NOON + 20)
    meter.left(MATCH, NOON + 30)
    assert meter.viewers() == {MATCH: 1}
    meter.left(MATCH, NOON + 60)
    assert meter.viewers() == {}
    assert meter.take(NOON + 99) == [hour(0, 3, 75, 2)]
    assert meter.take(NOON + 99) == []


def test_by_live_blog_and_partner() -> None:
    meter = WatchTimeMeter()
    for key, seconds in ((MATCH, 1), (PARTNER, 2), (Key("vote", ""), 3)):
        meter.came(key, NOON)
        meter.left(key, NOON + seconds)
    assert sorted(meter.take(NOON)) == sorted(
        [hour(0, 1, 1, 1), hour(0, 1, 2, 1, key=PARTNER), hour(0, 1, 3, 1, key=Key("vote", ""))]
    )


def test_a_viewer_that_stays_counts_in_every_hour() -> None:
    """A view where it came, its seconds where they went by, and each hour has its peak."""
    meter = WatchTimeMeter()
    meter.came(MATCH, NOON + HOUR - 10)
    meter.came(MATCH, NOON + HOUR - 5)
    assert meter.take(NOON + 2 * HOUR + 5) == [hour(0, 2, 15, 2), hour(1, 0, 2 * HOUR, 2), hour(2, 0, 10, 2)]


def test_seconds_are_whole_and_none_is_lost() -> None:
    meter = WatchTimeMeter()
    meter.came(MATCH, NOON)
    taken = [row for number in range(1, 12) for row in meter.take(NOON + number * 0.75)]
    assert sum(row.seconds for _, row in taken) == 8
    assert sum(row.views for _, row in taken) == 1


def test_the_peak_is_of_all_nodes() -> None:
    meter = WatchTimeMeter()
    meter.came(MATCH, NOON, elsewhere=40)
    meter.came(MATCH, NOON, elsewhere=7)
    assert meter.take(NOON) == [hour(0, 2, 0, 41)]


def test_what_could_not_be_written_counts_the_next_time() -> None:
    meter = WatchTimeMeter()
    meter.came(MATCH, NOON)
    rows = meter.take(NOON + 30)
    meter.came(MATCH, NOON + 30)
    meter.give_back(rows)
    assert meter.take(NOON + 40) == [hour(0, 2, 50, 2)]


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_time, "KEPT_MAX", 3)
    meter = WatchTimeMeter()
    meter.give_back([hour(number, 1, 1, 1) for number in range(9)])
    assert meter.take(NOON) == [hour(number, 1, 1, 1) for number in (6, 7, 8)]


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    meter = WatchTimeMeter()
    meter.came(MATCH, NOON + 100)
    meter.came(MATCH, NOON + 50)
    meter.left(MATCH, NOON + 60)
    meter.left(MATCH, NOON + 70)
    assert meter.take(NOON + 70) == [hour(0, 2, 30, 2)]


@given(st.lists(st.tuples(st.integers(0, 4 * HOUR), st.integers(0, 4 * HOUR)), max_size=20), st.integers(60, 3 * HOUR))
def test_it_adds_up_whenever_it_is_taken(stays: list[tuple[int, int]], interval: int) -> None:
    """Against each viewer counted by itself."""
    events = sorted(
        [(start, True) for start, _ in stays] + [(start + length, False) for start, length in stays],
        key=lambda event: (event[0], not event[1]),
    )
    meter, rows, taken_at = WatchTimeMeter(), [], 0
    for at, comes in events:
        while taken_at + interval <= at:
            taken_at += interval
            rows += meter.take(NOON + taken_at)
        if comes:
            meter.came(MATCH, NOON + at)
        else:
            meter.left(MATCH, NOON + at)
    rows += meter.take(NOON + 9 * HOUR)
    found: dict[int, tuple[int, int]] = {}
    for _, row in rows:
        number = int(row.hour.timestamp() - NOON) // HOUR
        views, seconds = found.get(number, (0, 0))
        found[number] = (views + row.views, seconds + row.seconds)
    for number in range(9):
        begin, end = number * HOUR, (number + 1) * HOUR
        views = sum(begin <= start < end for start, _ in stays)
        seconds = sum(max(0, min(end, start + length) - max(begin, start)) for start, length in stays)
        assert found.get(number, (0, 0)) == (views, seconds)
