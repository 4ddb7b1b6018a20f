"""Hashing: who has a place, and what comes of it. `test_turns.py` has the order of the turns."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from liveserver.access.people.passwords import (
    ADDRESSES_MAX,
    PER_ADDRESS,
    PER_USER,
    USERS_MAX,
    WAITING_MAX,
    Passwords,
)
from liveserver.domain.errors import Busy
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from liveserver.access.people.passwords import PlaceToHash


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def taken(stack: ExitStack, *places: AbstractContextManager[PlaceToHash]) -> int:
    """How many of these places there are."""
    number = 0
    for place in places:
        try:
            stack.enter_context(place)
        except Busy:
            continue
        number += 1
    return number


async def test_a_hash_is_of_one_password() -> None:
    passwords = Passwords()
    with passwords.place_of_user("u") as place:
        hashed = await place.hash("la mer monte")
        assert hashed.startswith("$argon2id$")
        assert await place.verify("la mer monte", hashed)
        assert not await place.verify("la mer descend", hashed)
        assert not await place.verify("nobody", None)
        assert not await place.verify("la mer monte", "no hash")


async def test_one_address_has_few_places(stack: ExitStack) -> None:
    passwords, before = Passwords(), refusals.counts[Reason.BUSY]
    many = [passwords.place_of_address(b"one", crowd=False) for _ in range(50)]
    assert taken(stack, *many) == PER_ADDRESS
    assert refusals.counts[Reason.BUSY] == before + 50 - PER_ADDRESS
    assert taken(stack, passwords.place_of_address(b"two", crowd=False)) == 1


async def test_thirty_addresses_do_not_shut_anybody_out(stack: ExitStack) -> None:
    """Each asks for as much as it may, and there is room for others, and more for those who are signed in."""
    passwords = Passwords()
    many = [passwords.place_of_address(number % 30, crowd=False) for number in range(900)]
    assert taken(stack, *many) <= WAITING_MAX + 30
    assert taken(stack, passwords.place_of_address("new", crowd=False)) == 1
    assert taken(stack, passwords.place_of_user("u")) == 1


async def test_users_who_have_a_session_come_first(stack: ExitStack) -> None:
    """Before strangers who have waited for longer."""
    passwords, done = Passwords(), []

    async def hashed(name: str, place: PlaceToHash) -> None:
        await place.hash(name)
        done.append(name)

    one, two, *strangers = [stack.enter_context(passwords.place_of_address(each, crowd=False)) for each in range(5)]
    user = stack.enter_context(passwords.place_of_user("u"))
    async with one._place.turn():
        async with two._place.turn():
            tasks = [asyncio.create_task(hashed("stranger", place)) for place in strangers]
            await asyncio.sleep(0)
            tasks.append(asyncio.create_task(hashed("user", user)))
            await asyncio.sleep(0)
        # One thread is free now, so they come one after the other.
        await asyncio.gather(*tasks)
    assert done == ["user", *["stranger"] * 3]


async def test_all_places_together_are_bounded(stack: ExitStack) -> None:
    passwords = Passwords()
    many = [passwords.place_of_address(number, crowd=False) for number in range(500)]
    assert taken(stack, *many) == ADDRESSES_MAX
    assert taken(stack, *(passwords.place_of_user("u") for _ in range(50))) == PER_USER
    assert taken(stack, *(passwords.place_of_user(str(number)) for number in range(500))) == USERS_MAX - PER_USER


async def test_clients_of_one_proxy_are_not_taken_for_one(stack: ExitStack) -> None:
    passwords = Passwords()
    many = [passwords.place_of_address("10.0.0.1", crowd=True) for _ in range(500)]
    assert PER_ADDRESS < taken(stack, *many) <= WAITING_MAX
