"""Which limits there are, who is held to them, and what they say."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.access.request_limits import (
    BURST_SECONDS,
    FULL_AGAIN,
    REFUSAL_REST_MAX,
    REFUSALS,
    REFUSALS_AT_ONCE,
    RequestLimits,
)
from liveserver.domain.errors import Quota, TooManyRequests
from liveserver.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable

READER = ("203.0.113.7", 50_000)
OTHER = ("203.0.113.8", 50_000)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def limits(clock: Clock | None = None, **settings: Any) -> RequestLimits:
    """With these settings."""
    return RequestLimits(load(**settings), clock or Clock())


def allowed(ask: Callable[[], object], tries: int) -> int:
    """How many of so many tries are allowed until one isn't."""
    for number in range(tries):
        try:
            ask()
        except TooManyRequests:
            return number
    return tries


@pytest.mark.parametrize(
    ("setting", "kind", "policy"),
    [
        ("limit_streams", "stream", "streams"),
        ("limit_reads", "read", "reads"),
        ("limit_pages", "page", "pages"),
        ("limit_by_key", "by_principal", "key"),
    ],
)
def test_a_rate(setting: str, kind: str, policy: str) -> None:
    """Twenty seconds' worth at once, then the rate; another address, or key, has its own; 0 is no limit."""
    clock = Clock()
    who: tuple[Any, Any] = ("2zgpnh3zf4od", "another") if kind == "by_principal" else (READER, OTHER)
    some = limits(clock, **{setting: 3})
    first, second = (partial(getattr(some, kind), one) for one in who)
    assert allowed(first, 100) == 3 * BURST_SECONDS
    assert allowed(second, 100) == 3 * BURST_SECONDS
    with pytest.raises(TooManyRequests, match="than 3 a second: try again in 1 s") as caught:
        first()
    assert (caught.value.quota, caught.value.retry_after) == (Quota(policy, 60, window=20), 1)
    clock.now += 1
    assert allowed(first, 100) == 3
    endless: dict[str, Any] = {"limit_streams_held": 0, setting: 0}
    assert allowed(partial(getattr(limits(clock, **endless), kind), who[0]), 3_000) == 3_000


def test_failed_keys() -> None:
    """Twenty, then one each three seconds; nothing else of that address is limited by it."""
    clock = Clock()
    some = limits(clock)
    assert allowed(partial(some.failed_key, READER), 100) == 20
    with pytest.raises(TooManyRequests, match=r"20 a minute: try again in 3 s") as caught:
        some.failed_key(READER)
    assert caught.value.quota == Quota("failed-keys", 20, window=60)
    some.read(READER)
    some.by_principal("2zgpnh3zf4od")
    clock.now += 3
    assert allowed(partial(some.failed_key, READER), 100) == 1


def test_streams_held() -> None:
    some = limits(limit_streams_held=2)
    held = [some.stream(READER), some.stream(READER)]
    with pytest.raises(TooManyRequests, match="holds 2 streams, as many as it may") as caught:
        some.stream(READER)
    assert caught.value.quota == Quota("streams-held", 2, unit="concurrent-requests")
    assert caught.value.retry_after == FULL_AGAIN
    some.stream(OTHER)
    permit = held.pop()
    assert permit is not None
    permit.release()
    some.stream(READER)


def test_what_a_school_does_is_allowed() -> None:
    """Two thousand readers behind one address read a partner's page, and come back all at once."""
    some = limits()
    for _ in range(2_000):
        some.page(READER)
        some.read(READER)
        assert some.stream(READER) is not None


def test_clients_that_are_not_limited() -> None:
    """Trusted proxies, exempt networks and clients without an address."""
    some = limits(limit_reads=1, forwarded_allow_ips="172.30.81.0/24,*", limit_exempt="192.0.2.0/24")
    free = [
        ("172.30.81.5", 1),
        ("192.0.2.9", 1),
        ("::ffff:192.0.2.9", 1),
        ("testclient", 1),
        ("unix:", 0),
        ("", 0),
        None,
    ]
    held = [("127.0.0.1", 1), ("203.0.113.7", 0), ("2001:db8::1", 1)]
    assert [allowed(partial(some.read, peer), 30) for peer in free] == [30] * len(free)
    assert [allowed(partial(some.read, peer), 30) for peer in held] == [20] * len(held)
    assert allowed(partial(limits(limit_reads=1).read, ("127.0.0.9", 1)), 30) == 30


def test_addresses_are_told_apart_even_if_they_are_not_limited() -> None:
    """Those that are by their network, the others by all of it."""
    some = limits(forwarded_allow_ips="2001:db8::/32", limit_exempt="192.0.2.0/24")
    assert some.key_of(("2001:db9::1", 1)) == some.key_of(("2001:db9::2", 2))
    assert some.key_of(("2001:db8::1", 1)) != some.key_of(("2001:db8::2", 1))
    assert some.key_of(("192.0.2.1", 1)) == some.key_of(("192.0.2.1", 2)) != some.key_of(("192.0.2.2", 1))
    assert some.key_of(None) is None


def test_refusals_follow_one_another() -> None:
    """Some at once, then so many a second, for each address; a client that no limit holds waits for nothing."""
    some = limits(limit_exempt="198.51.100.0/24")
    waits = [some.refusal_wait(READER) for _ in range(REFUSALS_AT_ONCE + 2 * REFUSALS)]
    assert waits[:REFUSALS_AT_ONCE] == [0] * REFUSALS_AT_ONCE
    assert waits[REFUSALS_AT_ONCE:] == pytest.approx([number / REFUSALS for number in range(1, 2 * REFUSALS + 1)])
    for _ in range(500):
        some.refusal_wait(READER)
    rests = [some.refusal_wait(READER) for _ in range(100)]
    assert REFUSAL_REST_MAX / 2 <= min(rests) < max(rests) <= REFUSAL_REST_MAX, "they don't end all at once"
    assert some.refusal_wait(OTHER) == 0
    assert {some.refusal_wait(("198.51.100.7", 1)) for _ in range(1_000)} == {some.refusal_wait(None)} == {0}
