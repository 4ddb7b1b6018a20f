"""How often something may happen: what is allowed, what is refused until when, and what is remembered of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from liveserver.utils.limits.rate_limiter import DEBTORS_MAX, INEXACT, RateLimiter, Throttle


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def allowed(limiter: RateLimiter, key: str, tries: int) -> int:
    """How many of so many tries at once are allowed."""
    return sum(limiter.take(key) == 0 for _ in range(tries))


def test_a_burst_and_then_the_rate() -> None:
    """As many as the burst at once; then one for each step of the clock, which is what a refusal says."""
    clock = Clock()
    limiter = RateLimiter(10, 5, clock)
    assert allowed(limiter, "a", 9) == 5
    wait = limiter.take("a")
    assert 0 < wait <= 0.1 + INEXACT
    clock.now += wait
    assert allowed(limiter, "a", 3) == 1
    clock.now += 0.35
    assert allowed(limiter, "a", 9) == 3
    clock.now += 1_000
    assert allowed(limiter, "a", 9) == 5


def test_an_event_that_is_given_back_has_not_counted() -> None:
    """Also if it is given back later; nothing is owed to a key that isn't known."""
    clock = Clock()
    limiter = RateLimiter(10, 5, clock)
    assert allowed(limiter, "a", 9) == 5
    limiter.give_back("a")
    assert allowed(limiter, "a", 9) == 1
    clock.now += 1_000
    limiter.give_back("a")
    limiter.give_back("b")
    assert len(limiter) == 1
    assert allowed(limiter, "a", 9) == 5
    assert allowed(limiter, "b", 9) == 5


def test_to_ask_counts_nothing() -> None:
    """Whether one more would be allowed, and when."""
    clock = Clock()
    limiter = RateLimiter(10, 5, clock)
    assert [limiter.wait("a") for _ in range(9)] == [0.0] * 9
    assert len(limiter) == 0
    assert allowed(limiter, "a", 5) == 5
    wait = limiter.wait("a")
    assert wait == limiter.take("a") > 0
    clock.now += wait
    assert limiter.wait("a") == 0.0
    assert allowed(limiter, "a", 2) == 1


def test_reserved_events_follow_one_another() -> None:
    """The burst at once, then one each step, until they wait for the longest; nobody's debt grows beyond that."""
    clock = Clock()
    limiter = RateLimiter(10, 5, clock)
    waits = [round(limiter.reserve("a", 1.0), 3) for _ in range(40)]
    assert waits == [0.0] * 5 + [step / 10 for step in range(1, 10)] + [1.0] * 26
    assert limiter.reserve("b", 1.0) == 0
    clock.now += 0.55
    assert round(limiter.reserve("a", 1.0), 3) == 0.45
    clock.now += 1.0
    assert limiter.reserve("a", 1.0) == 0


def test_keys_are_counted_apart() -> None:
    limiter = RateLimiter(1, 2, Clock())
    assert [allowed(limiter, key, 3) for key in "ab"] == [2, 2]


def test_what_has_happened_already_delays_what_comes() -> None:
    """Also beyond the burst; of somebody who has done nothing here nothing is known."""
    clock = Clock()
    limiter = RateLimiter(10, 5, clock)
    limiter.owe("a", 100)
    assert len(limiter) == 0
    assert limiter.take("a") == 0
    limiter.owe("a", 20)
    assert abs(limiter.take("a") - 1.7) < INEXACT
    clock.now += 1.7
    assert limiter.take("a") == 0


def test_what_is_refused_costs_nothing() -> None:
    """A client that goes on asking isn't punished for it."""
    clock = Clock()
    limiter = RateLimiter(1, 1, clock)
    assert allowed(limiter, "a", 1_000) == 1
    clock.now += 1
    assert allowed(limiter, "a", 1) == 1


@given(
    st.integers(1, 50),
    st.integers(1, 20),
    st.lists(st.floats(0, 3, allow_nan=False, width=32), min_size=1, max_size=80),
)
def test_never_more_than_the_burst_and_what_time_has_given(rate: int, burst: int, pauses: list[float]) -> None:
    """Whenever it is asked; and after the wait that a refusal names, one is allowed."""
    clock = Clock()
    limiter = RateLimiter(rate, burst, clock)
    taken = 0
    began = clock.now
    for pause in pauses:
        clock.now += pause
        wait = limiter.take("a")
        taken += not wait
        assert taken <= burst + rate * (clock.now - began) + 1e-6
        if wait:
            assert wait <= 1 / rate + 1e-6
    wait = limiter.take("a")
    clock.now += wait
    assert not wait or limiter.take("a") == 0


def test_many_keys_take_bounded_memory_and_push_no_debt_out() -> None:
    """An attacker with ten times as many addresses as are remembered, each used once, neither grows the memory nor gets
    an address forgotten that owes more."""
    limiter = RateLimiter(1, 100, Clock())
    allowed(limiter, "debtor", 100)
    for number in range(10 * DEBTORS_MAX):
        assert limiter.take(number) == 0
        assert len(limiter) <= DEBTORS_MAX
    assert limiter.take("debtor") > 0


def test_keys_that_owe_nothing_are_forgotten_first() -> None:
    clock = Clock()
    limiter = RateLimiter(1, 2, clock)
    for number in range(DEBTORS_MAX - 1):
        limiter.take(number)
    clock.now += 10
    allowed(limiter, "debtor", 2)
    limiter.take("new")
    assert len(limiter) == 2
    assert limiter.take("debtor") > 0


def test_room_is_made_for_many_at_a_time() -> None:
    """Going through all of them for each new one would be an attack of its own."""
    limiter = RateLimiter(1, 1_000, Clock())
    for number in range(DEBTORS_MAX):
        for _ in range(1 + number % 7):
            limiter.take(number)
    limiter.take("new")
    assert len(limiter) <= DEBTORS_MAX // 2 + 1


def test_what_is_spent_fills_again() -> None:
    """A caller that spends more than there is waits, and the next one longer."""
    now = 100.0
    throttle = Throttle(10, 2, clock=lambda: now)
    assert [throttle.spend(5) for _ in range(4)] == [0, 0, 2.5, 5]
    now += 5
    assert throttle.spend(0) == 0
    assert throttle.spend(1) == 0.5
    now += 1_000
    assert [throttle.spend(10), throttle.spend(1)] == [0, 0.5]
