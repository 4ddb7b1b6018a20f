"""What is and isn't taken of an authenticator. The authenticator is one in software; the rest is the real thing."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from liveserver.access.people import signed_state
from liveserver.access.people.desk_sessions import DeskActor, DeskSessions
from liveserver.access.people.passkeys import CHALLENGE_SECONDS, Passkeys, device_of, is_offered_at
from liveserver.access.people.sign_in import CONFIRMED_FOR, Client, NotConfirmed, SignIn
from liveserver.access.request_limits import RequestLimits
from liveserver.domain.errors import Conflict, LiveserverError, TooManyRequests, Unauthorized
from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from liveserver.store import Store
from liveserver.store.repositories.people import credentials
from liveserver.store.repositories.people.users import UserChange
from liveserver.utils.tokens import digest_of, new_token
from tests.support.effort import examples as effort
from tests.support.people_samples import a_user, invited
from tests.support.principals import NEWSROOM
from tests.support.soft_authenticator import PRESENT, SoftPasskey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from liveserver.access.people.sign_in import SignedIn
    from liveserver.domain.people.user import Session
    from liveserver.settings import Settings

ORIGIN = "https://live.test"
CLIENT = Client(("192.0.2.7", 50_000), "Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0")


class Desk(NamedTuple):
    """The parts of a site that let people in by passkey."""

    store: Store
    passkeys: Passkeys
    sessions: DeskSessions
    limits: RequestLimits

    async def joined(self, name: str) -> tuple[SoftPasskey, SignedIn]:
        """A user who has joined with a passkey."""
        token = await self.link(name)
        options = await self.passkeys.join_options(token, CLIENT)
        passkey = SoftPasskey(ORIGIN, "live.test")
        answer = passkey.made(options.public_key)
        return passkey, await self.passkeys.join(options.state, token, answer, CLIENT)

    async def link(self, name: str) -> str:
        """The token of a new user's link."""
        token = new_token().token
        await invited(self.store, a_user(name, Role.EDITOR), token)
        return token

    async def signed_in(self, passkey: SoftPasskey) -> SignedIn:
        """Sign in with a passkey."""
        options = await self.passkeys.sign_in_options()
        return await self.passkeys.sign_in(options.state, passkey.signed(options.public_key), CLIENT)

    async def actor(self, who: SignedIn) -> DeskActor:
        """The user in the session."""
        found = await self.sessions.authenticate(f"{self.sessions.cookie}={who.token}", None)
        assert found is not None
        return found


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[Desk]:
    store = await Store.open(settings.database_url)
    limits = RequestLimits(settings, lambda: 1_000.0)
    passkeys = Passkeys(store, SignIn(store, limits), base_url=ORIGIN, site_name="Live")
    sessions = DeskSessions(store, secure=True)
    yield Desk(store, passkeys, sessions, limits)
    await sessions.close()
    await store.close()


async def test_a_user_joins_with_a_passkey_and_signs_in_with_it_without_a_name(desk: Desk) -> None:
    passkey, joined = await desk.joined("Ada")
    passkey.count = 7
    options = await desk.passkeys.sign_in_options()
    assert options.public_key["allowCredentials"] == []
    assert options.public_key["userVerification"] == "required"
    assert (await desk.signed_in(passkey)).user.id == joined.user.id
    [stored] = await desk.store.credentials.passkeys(joined.user.id)
    assert (stored.label, stored.sign_count) == ("Linux", 7)
    assert stored.used_at is not None


async def test_the_options_for_a_new_passkey_ask_for_one_that_the_browser_finds_by_itself(desk: Desk) -> None:
    options = (await desk.passkeys.join_options(await desk.link("Ada"), CLIENT)).public_key
    assert options["rp"] == {"id": "live.test", "name": "Live"}
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert options["attestation"] == "none"


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": "https://live.test.evil.example"},
        {"origin": "http://live.test"},
        {"rp_id": "evil.example"},
        {"flags": PRESENT},
        {"cross_origin": True},
        {"user_handle": "dV9zb21lYm9keWVsc2U"},
        {"user_handle": ""},
        {"id": b"another id"},
        {"id": b"x" * 2_000},
    ],
    ids=lambda changed: "=".join(f"{name}-{str(value)[:20]}" for name, value in changed.items()),
)
async def test_an_answer_that_differs_in_one_thing_is_refused(desk: Desk, changed: dict[str, object]) -> None:
    passkey, _ = await desk.joined("Ada")
    for name, value in changed.items():
        setattr(passkey, name, value)
    with pytest.raises(Unauthorized):
        await desk.signed_in(passkey)


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": "https://live.test.evil.example"},
        {"rp_id": "evil.example"},
        {"flags": PRESENT},
        {"cross_origin": True},
        {"id": b"x" * 1_024},
    ],
    ids=str,
)
async def test_a_new_passkey_that_differs_in_one_thing_is_refused(desk: Desk, changed: dict[str, object]) -> None:
    token = await desk.link("Ada")
    options = await desk.passkeys.join_options(token, CLIENT)
    passkey = SoftPasskey(ORIGIN, "live.test")
    for name, value in changed.items():
        setattr(passkey, name, value)
    with pytest.raises(Unauthorized):
        await desk.passkeys.join(options.state, token, passkey.made(options.public_key), CLIENT)
    # The link can still be used.
    await desk.store.credentials.link(digest_of(token))


async def test_a_signature_of_another_key_is_refused(desk: Desk) -> None:
    passkey, _ = await desk.joined("Ada")
    passkey.key = SoftPasskey(ORIGIN, "live.test").key
    with pytest.raises(Unauthorized):
        await desk.signed_in(passkey)


async def test_a_challenge_of_another_browser_is_refused(desk: Desk) -> None:
    passkey, _ = await desk.joined("Ada")
    mine, other = await desk.passkeys.sign_in_options(), await desk.passkeys.sign_in_options()
    with pytest.raises(Unauthorized):
        await desk.passkeys.sign_in(mine.state, passkey.signed(other.public_key), CLIENT)
    with pytest.raises(Unauthorized):
        await desk.passkeys.sign_in(None, passkey.signed(other.public_key), CLIENT)


async def test_an_answer_is_taken_once_even_if_the_passkey_does_not_count(desk: Desk) -> None:
    passkey, _ = await desk.joined("Ada")
    options = await desk.passkeys.sign_in_options()
    answer = passkey.signed(options.public_key)
    await desk.passkeys.sign_in(options.state, answer, CLIENT)
    with pytest.raises(Unauthorized):
        await desk.passkeys.sign_in(options.state, answer, CLIENT)


async def test_an_answer_is_taken_once_of_all_processes_if_the_passkey_counts(desk: Desk, settings: Settings) -> None:
    passkey, _ = await desk.joined("Ada")
    passkey.count = 1
    other = Passkeys(desk.store, SignIn(desk.store, RequestLimits(settings)), base_url=ORIGIN, site_name="Live")
    options = await desk.passkeys.sign_in_options()
    answer = passkey.signed(options.public_key)
    await other.sign_in(options.state, answer, CLIENT)
    with pytest.raises(Unauthorized):
        await desk.passkeys.sign_in(options.state, answer, CLIENT)


@pytest.mark.parametrize("count", [4, 5, 0])
async def test_a_counter_that_does_not_go_up_is_refused(desk: Desk, count: int) -> None:
    passkey, _ = await desk.joined("Ada")
    passkey.count = 5
    await desk.signed_in(passkey)
    passkey.count = count
    with pytest.raises(Unauthorized):
        await desk.signed_in(passkey)


async def test_a_challenge_is_good_for_five_minutes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    passkey, _ = await desk.joined("Ada")
    options = await desk.passkeys.sign_in_options()
    answer = passkey.signed(options.public_key)
    monkeypatch.setattr(signed_state, "now", lambda: now() + timedelta(seconds=CHALLENGE_SECONDS))
    with pytest.raises(Unauthorized, match="too long"):
        await desk.passkeys.sign_in(options.state, answer, CLIENT)


async def test_a_state_that_was_changed_is_refused(desk: Desk) -> None:
    passkey, _ = await desk.joined("Ada")
    options = await desk.passkeys.sign_in_options()
    payload, _, signature = options.state.partition(".")
    answer = passkey.signed(options.public_key)
    for state in (f"{payload}x.{signature}", f"{payload}.{signature[:-1]}", payload, "", "é.x", "x" * 5_000):
        with pytest.raises(Unauthorized):
            await desk.passkeys.sign_in(state, answer, CLIENT)


async def test_a_disabled_user_is_refused(desk: Desk) -> None:
    passkey, joined = await desk.joined("Ada")
    await desk.store.users.edit(joined.user.id, UserChange(disabled=True), NEWSROOM, now())
    with pytest.raises(Unauthorized, match="disabled"):
        await desk.signed_in(passkey)


async def test_a_link_is_used_once(desk: Desk) -> None:
    token = await desk.link("Ada")
    first, second = [await desk.passkeys.join_options(token, CLIENT) for _ in range(2)]
    passkeys = [SoftPasskey(ORIGIN, "live.test") for _ in range(2)]
    await desk.passkeys.join(first.state, token, passkeys[0].made(first.public_key), CLIENT)
    with pytest.raises(Unauthorized, match="link"):
        await desk.passkeys.join(second.state, token, passkeys[1].made(second.public_key), CLIENT)


async def test_options_for_one_link_are_no_good_for_another(desk: Desk) -> None:
    ada, bob = await desk.link("Ada"), await desk.link("Bob")
    options = await desk.passkeys.join_options(ada, CLIENT)
    with pytest.raises(Unauthorized):
        await desk.passkeys.join(options.state, bob, SoftPasskey(ORIGIN, "live.test").made(options.public_key), CLIENT)


async def test_a_user_adds_a_passkey_soon_after_signing_in(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    _, joined = await desk.joined("Ada")
    actor = await desk.actor(joined)
    options = await desk.passkeys.add_options(actor)
    assert len(options.public_key["excludeCredentials"]) == 1
    second = SoftPasskey(ORIGIN, "live.test")
    answer = second.made(options.public_key)
    await desk.passkeys.add(options.state, actor, answer, CLIENT)
    assert (await desk.signed_in(second)).user.id == joined.user.id
    later = actor._replace(session=_older(actor, CONFIRMED_FOR))
    with pytest.raises(NotConfirmed):
        await desk.passkeys.add_options(later)
    with pytest.raises(NotConfirmed):
        await desk.passkeys.add(options.state, later, answer, CLIENT)
    monkeypatch.setattr(credentials, "PASSKEYS_MAX", 2)
    options = await desk.passkeys.add_options(actor)
    with pytest.raises(Conflict, match="as many"):
        await desk.passkeys.add(options.state, actor, SoftPasskey(ORIGIN, "live.test").made(options.public_key), CLIENT)


async def test_a_passkey_of_one_user_cannot_be_added_to_another(desk: Desk) -> None:
    passkey, _ = await desk.joined("Ada")
    _, bob = await desk.joined("Bob")
    actor = await desk.actor(bob)
    options = await desk.passkeys.add_options(actor)
    with pytest.raises(Conflict, match="known"):
        await desk.passkeys.add(options.state, actor, passkey.made(options.public_key), CLIENT)


async def test_a_user_confirms_with_a_passkey_of_their_own_only(desk: Desk) -> None:
    passkey, ada = await desk.joined("Ada")
    others, _ = await desk.joined("Bob")
    actor = await desk.actor(ada)
    before = actor.session.confirmed_at
    options = await desk.passkeys.confirm_options(actor)
    assert [known["id"] for known in options.public_key["allowCredentials"]] == [
        passkey.signed({"challenge": ""})["id"]
    ]
    with pytest.raises(Unauthorized):
        await desk.passkeys.confirm(options.state, actor, others.signed(options.public_key), CLIENT)
    options = await desk.passkeys.confirm_options(actor)
    await desk.passkeys.confirm(options.state, actor, passkey.signed(options.public_key), CLIENT)
    assert (await desk.actor(ada)).session.confirmed_at > before


async def test_options_to_sign_in_are_no_good_to_confirm(desk: Desk) -> None:
    passkey, ada = await desk.joined("Ada")
    actor = await desk.actor(ada)
    options = await desk.passkeys.sign_in_options()
    with pytest.raises(Unauthorized):
        await desk.passkeys.confirm(options.state, actor, passkey.signed(options.public_key), CLIENT)


async def test_options_of_one_session_are_no_good_in_another(desk: Desk) -> None:
    passkey, ada = await desk.joined("Ada")
    passkey.count = 1
    again = await desk.signed_in(passkey)
    passkey.count = 2
    options = await desk.passkeys.confirm_options(await desk.actor(ada))
    with pytest.raises(Unauthorized):
        await desk.passkeys.confirm(options.state, await desk.actor(again), passkey.signed(options.public_key), CLIENT)


async def test_tries_are_counted_by_address(desk: Desk, settings: Settings) -> None:
    passkey, _ = await desk.joined("Ada")
    # Joining has taken two.
    for _ in range(settings.limit_sign_in - 2):
        await desk.signed_in(passkey)
    with pytest.raises(TooManyRequests):
        await desk.signed_in(passkey)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
TEXTS = st.text(max_size=40) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode())


@examples(max_examples=effort(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {"id": TEXTS, "rawId": TEXTS, "type": st.just("public-key") | TEXTS},
        optional={
            "response": JSONS
            | st.dictionaries(
                st.sampled_from(
                    ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]
                ),
                TEXTS,
            ),
            "authenticatorAttachment": JSONS,
        },
    )
)
async def test_nothing_that_a_stranger_sends_is_taken_or_fails_in_another_way(
    desk: Desk, answer: dict[str, object]
) -> None:
    state = (await desk.passkeys.sign_in_options()).state
    client = CLIENT._replace(peer=None)
    with pytest.raises(LiveserverError):
        await desk.passkeys.sign_in(state, answer, client)


@pytest.mark.parametrize(
    ("url", "offered"),
    [
        ("https://live.example.org", True),
        ("https://live.example.org/sub", True),
        ("http://localhost:8000", True),
        ("http://live.example.org", False),
        ("https://192.0.2.1", False),
        ("https://[2001:db8::1]", False),
        ("http://127.0.0.1:8000", False),
    ],
)
def test_passkeys_are_offered_where_browsers_allow_them(url: str, offered: bool) -> None:
    assert is_offered_at(url) is offered


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) Safari", "iPhone"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome", "Android"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "Windows"),
        ("", "Passkey"),
    ],
)
def test_a_passkey_is_named_after_its_device(agent: str, device: str) -> None:
    assert device_of(agent) == device


def _older(actor: DeskActor, by: timedelta) -> Session:
    return replace(actor.session, confirmed_at=actor.session.confirmed_at - by)
