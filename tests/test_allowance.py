"""So much at once, and so much a second."""

from __future__ import annotations

from liveserver.allowance import Allowance


def test_it_is_spent_and_fills_again() -> None:
    now = 100.0
    allowance = Allowance(10, 2, clock=lambda: now)
    assert [allowance.spend(5) for _ in range(4)] == [0, 0, 2.5, 5]
    now += 5
    assert allowance.spend(0) == 0
    assert allowance.spend(1) == 0.5
    now += 1_000
    assert [allowance.spend(10), allowance.spend(1)] == [0, 0.5]
