"""Bounds, and what this machine allows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from liveserver.cli.bench import machine_limits
from liveserver.cli.bench.errors import Refused
from liveserver.cli.bench.plan import Plan, shares


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"viewers": 0}, "--viewers must be from 1 to 100000, not 0"),
        ({"viewers": 100_001}, "--viewers"),
        ({"rate": -1.0}, "--rate"),
        ({"rate": 101.0}, "--rate must be from 0 to 100, not 101"),
        ({"rate": float("nan")}, "--rate"),
        ({"duration": 3601.0}, "--duration"),
        ({"duration": 0.5}, "--duration"),
        ({"ramp": -1.0}, "--ramp"),
        ({"processes": 65}, "--processes"),
        ({"size": 100}, "--size"),
        ({"rate": 0.01, "duration": 10.0}, "nothing would be published"),
    ],
)
def test_bounds(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Refused, match=complaint):
        replace(Plan(10), **change).check()


def test_entries() -> None:
    Plan(10).check()
    assert Plan(10, rate=2.5, duration=10).entries == 25


def test_shares_are_even_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_limits, "raise_open_files", lambda: 5000)
    ranges = shares(Plan(10_001, processes=3), "127.0.0.1")
    assert [len(numbers) for numbers in ranges] == [3333, 3334, 3334]
    assert [number for numbers in ranges for number in numbers] == list(range(10_001))


def test_processes_as_many_as_the_limit_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_limits, "raise_open_files", lambda: 960)
    assert len(shares(Plan(4000), "127.0.0.1")) == 5


def test_the_limit_of_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal says how many fit, and what would make room for more."""
    monkeypatch.setattr(machine_limits, "raise_open_files", lambda: 960)
    with pytest.raises(Refused, match=r"1,920 viewers fit into 2 processes .* not 4,000: take --processes 5"):
        shares(Plan(4000, processes=2), "127.0.0.1")
    with pytest.raises(Refused, match=r"61,440 viewers fit under the limit of open files, not 100,000: raise it"):
        shares(Plan(100_000), "127.0.0.1")


def test_the_ports_of_one_source_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only on the loopback network are there several source addresses."""
    monkeypatch.setattr(machine_limits, "raise_open_files", lambda: 100_000)
    monkeypatch.setattr(machine_limits, "outgoing_ports", lambda: 28_232)
    with pytest.raises(Refused, match=r"28,232 connections to one port of 192\.0\.2\.1.* not 30,000"):
        shares(Plan(30_000), "192.0.2.1")
    with pytest.raises(Refused, match="28,232"):
        shares(Plan(30_000), "::1")
    assert sum(map(len, shares(Plan(30_000), "127.0.0.1"))) == 30_000


def test_source_addresses() -> None:
    assert machine_limits.source_of(0) == machine_limits.source_of(4999) == "127.0.0.2"
    assert machine_limits.source_of(5000) == "127.0.0.3"
    assert machine_limits.source_of(99_999) == "127.0.0.21"


def test_this_machine() -> None:
    assert machine_limits.raise_open_files() > 0
    assert machine_limits.outgoing_ports() > 1000
