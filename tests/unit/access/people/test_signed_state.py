"""States of sign-ins under way: signed, for one purpose and person, and used once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from liveserver.access.people import signed_state
from liveserver.access.people.signed_state import Purpose, SignedStates
from liveserver.domain.errors import Unauthorized
from liveserver.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from liveserver.settings import Settings

TIME = timedelta(minutes=5)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    store = await Store.open(settings.database_url)
    yield store
    await store.close()


async def test_a_state_is_used_once_for_the_very_purpose_and_person(store: Store) -> None:
    states = SignedStates(store, "passkey", TIME)
    state = await states.issue(Purpose.ADD, "ada", challenge="x")
    for purpose, who in ((Purpose.CONFIRM, "ada"), (Purpose.ADD, "bob"), (Purpose.ADD, "")):
        with pytest.raises(Unauthorized):
            await states.use(state, purpose, who)
    assert await states.use(state, Purpose.ADD, "ada") == {"challenge": "x"}
    with pytest.raises(Unauthorized):
        await states.use(state, Purpose.ADD, "ada")
    with pytest.raises(Unauthorized):
        await states.peek(state)


async def test_another_process_of_the_site_takes_it_and_another_kind_of_sign_in_does_not(store: Store) -> None:
    state = await SignedStates(store, "passkey", TIME).issue(Purpose.SIGN_IN)
    await SignedStates(store, "passkey", TIME).use(state, Purpose.SIGN_IN)
    with pytest.raises(Unauthorized):
        await SignedStates(store, "provider", TIME).use(state, Purpose.SIGN_IN)


async def test_what_was_used_takes_so_much_memory_and_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signed_state, "USED_MAX", 3)
    states = SignedStates(store, "passkey", TIME)
    used = [await states.issue(Purpose.SIGN_IN) for _ in range(4)]
    for state in used:
        await states.use(state, Purpose.SIGN_IN)
    for state in used[1:]:
        with pytest.raises(Unauthorized):
            await states.use(state, Purpose.SIGN_IN)
