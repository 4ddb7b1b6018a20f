"""Bodies on their way: so much of one key, so much of all."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from liveserver.access.body_budget import (
    JSON_MOST,
    JSON_PER_SENDER,
    UPLOADS_MOST,
    UPLOADS_PER_SENDER,
    BodyBudget,
    json_budget,
    upload_budget,
)
from liveserver.domain.errors import Busy, TooManyRequests
from liveserver.utils.limits.refusals import Reason, refusals


def test_a_key_has_its_share() -> None:
    body_budget = BodyBudget("x-held", most=100, per_sender=10)
    with body_budget.room("a", 6):
        with body_budget.room("a", 4):
            with pytest.raises(TooManyRequests) as refused, body_budget.room("a", 1):
                pass
            assert refused.value.quota == ("x-held", 10, "content-bytes", None)
            assert refused.value.retry_after > 0
            with body_budget.room("b", 10):
                assert body_budget.held == 20
        with body_budget.room("a", 4):
            assert body_budget.held == 10
    assert len(body_budget) == body_budget.held == 0


def test_what_fails_leaves() -> None:
    body_budget = BodyBudget("x-held", most=100, per_sender=10)
    with pytest.raises(RuntimeError), body_budget.room("a", 10):
        raise RuntimeError
    assert len(body_budget) == body_budget.held == 0


def test_a_few_leave_room_for_others() -> None:
    """However many keys come, each has something; the last of it nobody has for themselves."""
    body_budget = BodyBudget("x-held", most=24, per_sender=8)
    had = []
    before = refusals.counts[Reason.BODIES]
    with ExitStack() as held:
        for key in "abcde":
            for n in range(9):
                try:
                    held.enter_context(body_budget.room(key, 1))
                except (TooManyRequests, Busy):
                    had.append(n)
                    break
        assert had == [8, 8, 4, 2, 1]
        assert body_budget.held == 23
        assert refusals.counts[Reason.BODIES] == before + 3
        with body_budget.room("f", 1), pytest.raises(Busy), body_budget.room("g", 1):
            pass
    assert len(body_budget) == body_budget.held == 0


def test_what_they_hold_goes_by_the_largest() -> None:
    for body_budget, most, per_sender in (
        (json_budget(1_000), JSON_MOST, JSON_PER_SENDER),
        (upload_budget(1_000), UPLOADS_MOST, UPLOADS_PER_SENDER),
    ):
        with body_budget.room("a", per_sender * 1_000), pytest.raises(TooManyRequests), body_budget.room("a", 1):
            pass
        with pytest.raises(TooManyRequests), body_budget.room("a", most * 1_000):
            pass
