"""Streams held from one address: as many as may, and each leaves once."""

from __future__ import annotations

from liveserver.utils.limits.concurrency_limiter import ConcurrencyLimiter


def test_there_are_no_more_until_one_leaves() -> None:
    limiter = ConcurrencyLimiter(2)
    first, second = limiter.acquire("a"), limiter.acquire("a")
    assert first is not None
    assert first is second
    assert limiter.acquire("a") is None
    assert limiter.acquire("b") is not None
    first.release()
    assert limiter.acquire("a") is first
    assert limiter.acquire("a") is None


def test_nothing_is_kept_of_holders_that_have_gone() -> None:
    limiter = ConcurrencyLimiter(9)
    permit = limiter.acquire("a")
    assert permit is not None
    limiter.acquire("a")
    permit.release()
    assert len(limiter) == 1
    permit.release()
    assert len(limiter) == 0
    assert limiter.acquire("a") is not permit
