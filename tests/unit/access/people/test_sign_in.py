"""Signing in and confirming by password, while the password or its user changes."""

from __future__ import annotations

import asyncio
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from liveserver.access.people.desk_sessions import DeskActor, DeskSessions
from liveserver.access.people.passwords import BadPassword, Passwords, check_new
from liveserver.access.people.sign_in import Client, SignedIn, SignIn, SignInWay, WrongPassword
from liveserver.access.request_limits import RequestLimits
from liveserver.domain.errors import StoreUnavailable, Unauthorized
from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import LinkKind
from liveserver.store import Store
from liveserver.store.repositories.people.credentials import Credential
from liveserver.store.repositories.people.proofs import Proof
from liveserver.store.repositories.people.sessions import SEEN_EVERY
from liveserver.store.repositories.people.users import UserChange
from tests.support.people_samples import a_link, a_user, invited
from tests.support.principals import NEWSROOM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from liveserver.settings import Settings

CLIENT = Client(("192.0.2.7", 50_000), "Firefox")
PASSWORD = "été brûlé à l’aube"
OTHER = "correct horse battery staple"


class Desk(NamedTuple):
    """The parts of a site that let people in by password."""

    store: Store
    sign_in: SignIn
    sessions: DeskSessions

    async def joined(self, name: str, password: str = PASSWORD) -> SignedIn:
        await invited(self.store, a_user(name, Role.EDITOR), name)
        return await self.sign_in.join_with_password(name, password, CLIENT)

    async def actor(self, who: SignedIn) -> DeskActor:
        found = await self.sessions.authenticate(f"{self.sessions.cookie}={who.token}", None)
        assert found is not None
        return found

    async def reset(self, who: SignedIn) -> None:
        await self.store.credentials.reset(who.user.id, "r", a_link(who.user, LinkKind.RESET), NEWSROOM)


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[Desk]:
    store = await Store.open(settings.database_url)
    sessions = DeskSessions(store, secure=True)
    yield Desk(store, SignIn(store, RequestLimits(settings)), sessions)
    await sessions.close()
    await store.close()


def meanwhile(monkeypatch: pytest.MonkeyPatch, desk: Desk, happens: Callable[[], Awaitable[object]]) -> None:
    """Let something happen after the next password was verified, before it is used."""
    verify = desk.sign_in.passwords._hasher.verify

    async def verify_first(password: str, hashed: str | None) -> bool:
        right = await verify(password, hashed)
        monkeypatch.setattr(desk.sign_in.passwords._hasher, "verify", verify)
        await happens()
        return right

    monkeypatch.setattr(desk.sign_in.passwords._hasher, "verify", verify_first)


async def test_a_password_that_is_reset_while_it_is_verified_lets_nobody_in(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is the same as to a wrong one, and the refusal is counted."""
    ada = await desk.joined("Ada")
    meanwhile(monkeypatch, desk, lambda: desk.reset(ada))
    with pytest.raises(WrongPassword):
        await desk.sign_in.with_password("Ada", PASSWORD, CLIENT)
    assert await desk.store.sessions.of_user(ada.user.id) == []
    assert desk.sign_in.outcomes[SignInWay.PASSWORD, False] == 1
    assert desk.sign_in.outcomes[SignInWay.PASSWORD, True] == 0


async def test_a_password_that_is_changed_while_it_is_verified_confirms_and_changes_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await desk.joined("Ada")
    actor = await desk.actor(ada)
    hashed = await desk.sign_in.passwords._hasher.hash(OTHER)

    async def change() -> None:
        present = await desk.store.credentials.own_password(ada.user.id)
        credential = Credential(
            password=hashed if present != hashed else await desk.sign_in.passwords._hasher.hash(PASSWORD)
        )
        await desk.store.credentials.change(actor.actor.principal, credential, now(), proof=Proof(password=present))

    meanwhile(monkeypatch, desk, change)
    with pytest.raises(WrongPassword):
        await desk.sign_in.confirm_with_password(actor, PASSWORD, CLIENT)
    meanwhile(monkeypatch, desk, change)
    with pytest.raises(WrongPassword):
        await desk.sign_in.set_password(actor, OTHER, "an entirely new one", CLIENT)
    await desk.sign_in.confirm_with_password(actor, PASSWORD, CLIENT)


async def test_a_session_that_ends_meanwhile_isn_t_confirmed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer says so, and not that the password is wrong."""
    actor = await desk.actor(await desk.joined("Ada"))
    meanwhile(monkeypatch, desk, lambda: desk.store.sessions.end_all(actor.actor.principal, now()))
    with pytest.raises(Unauthorized, match="has ended"):
        await desk.sign_in.confirm_with_password(actor, PASSWORD, CLIENT)


async def test_the_password_of_who_has_the_name_now_confirms_nobody_else(desk: Desk) -> None:
    """A user is known by the id, though tries are counted by name."""
    actor, bob = await desk.actor(await desk.joined("Ada")), await desk.joined("Bob", OTHER)
    for user_id, name in ((actor.actor.principal.id, "Alma"), (bob.user.id, "Ada")):
        await desk.store.users.edit(user_id, UserChange(name=name), NEWSROOM, now())
    with pytest.raises(WrongPassword):
        await desk.sign_in.confirm_with_password(actor, OTHER, CLIENT)
    with pytest.raises(WrongPassword):
        await desk.sign_in.set_password(actor, OTHER, "an entirely new one", CLIENT)
    await desk.sign_in.confirm_with_password(actor, PASSWORD, CLIENT)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
async def test_accents_may_be_typed_in_either_way(desk: Desk, form: Any) -> None:
    """As one character, or as a letter and an accent: it depends on the keyboard."""
    other: Any = {"NFC": "NFD", "NFD": "NFC"}[form]
    await desk.joined("Ada", unicodedata.normalize(form, PASSWORD))
    await desk.sign_in.with_password("Ada", unicodedata.normalize(other, PASSWORD), CLIENT)
    with pytest.raises(WrongPassword):
        await desk.sign_in.with_password("Ada", "ete brule a l’aube", CLIENT)


async def test_a_password_that_was_hashed_as_typed_goes_on_working() -> None:
    """Earlier versions did so; whoever typed it goes on typing it in the same way."""
    typed, passwords = unicodedata.normalize("NFD", PASSWORD), Passwords()
    hashed = passwords._hasher._hasher.hash(typed)
    with passwords.place_of_user("u") as place:
        assert await place.verify(typed, hashed)
        assert not await place.verify(typed + "!", hashed)
        assert not await place.verify(typed, None)


def test_the_length_of_a_password_is_that_of_its_one_form() -> None:
    """Five letters with accents aren't ten characters."""
    with pytest.raises(BadPassword):
        check_new(unicodedata.normalize("NFD", "éàüôï"), "Ada")


async def test_the_use_of_a_session_is_noted_by_one_of_many_requests(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page sends many at once. If noting it fails, the next request does."""
    who = await desk.joined("Ada")
    monkeypatch.setattr("liveserver.access.people.desk_sessions.SEEN_EVERY", -SEEN_EVERY)
    calls: list[object] = []
    answer = asyncio.Event()

    async def seen(*args: object) -> None:
        calls.append(args)
        await answer.wait()
        raise StoreUnavailable("away")

    monkeypatch.setattr(desk.store.sessions, "seen", seen)
    for _ in range(3):
        await desk.actor(who)
    [noting] = desk.sessions._noting
    answer.set()
    await noting
    assert len(calls) == 1
    await desk.actor(who)
    [noting] = desk.sessions._noting
    await noting
    assert len(calls) == 2
