"""Which tries of passwords count, for whom, and when they are forgotten."""

from __future__ import annotations

import pytest

from liveserver.access.people import sign_in_tries
from liveserver.access.people.sign_in_tries import TRIES, TRIES_OF_ALL, TRIES_SECONDS, SignInTries
from liveserver.domain.errors import Busy, TooManyRequests, Unauthorized


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tries(clock: Clock) -> SignInTries:
    return SignInTries(clock)


def wrong(tries: SignInTries, name: str, address: object, number: int = 1) -> int:
    """How many of so many wrong tries are checked."""
    checked = 0
    for _ in range(number):
        with pytest.raises((Unauthorized, TooManyRequests)) as caught, tries.of_name(name, address):
            raise Unauthorized("wrong")
        checked += caught.type is Unauthorized
    return checked


def right(tries: SignInTries, name: str, address: object) -> bool:
    """Whether a right try is let in."""
    try:
        with tries.of_name(name, address):
            return True
    except TooManyRequests:
        return False


def test_wrong_tries_count_by_name_and_address(tries: SignInTries, clock: Clock) -> None:
    assert wrong(tries, "ada", b"here", 50) == TRIES
    assert not right(tries, "ada", b"here")
    assert right(tries, "ada", b"there")
    assert right(tries, "bo", b"here")
    clock.now += TRIES_SECONDS / TRIES
    assert wrong(tries, "ada", b"here", 50) == 1
    clock.now += TRIES_SECONDS
    assert wrong(tries, "ada", b"here", 50) == TRIES


def test_exempt_addresses_have_tries_of_their_own(tries: SignInTries) -> None:
    """They are told apart by the whole address."""
    assert wrong(tries, "ada", "10.0.0.1", 50) == TRIES
    assert wrong(tries, "ada", "10.0.0.2", 50) == TRIES


def test_clients_without_an_address_are_counted_all_together(tries: SignInTries) -> None:
    assert wrong(tries, "ada", None, TRIES_OF_ALL + 50) == TRIES_OF_ALL


def test_all_addresses_together_have_so_many(tries: SignInTries) -> None:
    assert sum(wrong(tries, "ada", number, TRIES) for number in range(50)) == TRIES_OF_ALL
    assert not right(tries, "ada", b"new")


def test_somebody_signs_in_where_they_have_done_so_before_whatever_strangers_try(tries: SignInTries) -> None:
    assert right(tries, "ada", b"home")
    assert sum(wrong(tries, "ada", number, TRIES) for number in range(50)) == TRIES_OF_ALL
    assert not right(tries, "ada", b"elsewhere")
    assert right(tries, "ada", b"home")
    assert wrong(tries, "ada", b"home", 50) == TRIES, "a neighbour has no more than before"


def test_few_such_addresses_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_tries, "KNOWN_MAX", 3)
    tries = SignInTries(Clock())
    for number in range(10):
        assert right(tries, "ada", number)
    assert len(tries._known) == 3


def test_right_tries_and_those_that_could_not_be_checked_do_not_count(tries: SignInTries) -> None:
    for _ in range(3 * TRIES_OF_ALL):
        assert right(tries, "ada", b"here")
        with pytest.raises(Busy), tries.of_name("bo", b"here"):
            raise Busy("later")
        with tries.of_session("session"):
            pass
    assert wrong(tries, "ada", b"here", 50) == TRIES
    assert wrong(tries, "bo", b"here", 50) == TRIES


def test_a_try_counts_while_it_is_checked(tries: SignInTries) -> None:
    """Else one could have many more passwords checked at once."""
    begun = [tries.of_name("ada", b"here") for _ in range(TRIES)]
    for each in begun:
        each.__enter__()
    assert not right(tries, "ada", b"here")
    for each in begun:
        each.__exit__(None, None, None)
    assert right(tries, "ada", b"here")


def test_sessions_have_tries_of_their_own(tries: SignInTries) -> None:
    for _ in range(TRIES):
        with pytest.raises(Unauthorized), tries.of_session("one"):
            raise Unauthorized("wrong")
    with pytest.raises(TooManyRequests, match="in this session"), tries.of_session("one"):
        pytest.fail("it isn't checked")
    with tries.of_session("two"):
        pass
