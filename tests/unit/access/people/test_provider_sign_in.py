"""Signing in by a real OpenID provider, which errs in each way that matters."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from joserfc.jwk import ECKey, OctKey
from structlog.testing import capture_logs

from liveserver.access.people import openid_provider, provider_sign_in, signed_state
from liveserver.access.people.desk_sessions import DeskActor, DeskSessions
from liveserver.access.people.openid_provider import ANSWER_MAX, OpenIdProvider
from liveserver.access.people.provider_errors import (
    LinkGone,
    NotFresh,
    NotOneOfUs,
    ProviderDenied,
    ProviderDown,
    ProviderRefused,
    UserOff,
)
from liveserver.access.people.provider_sign_in import FLOW_SECONDS, ProviderSignIn, name_of
from liveserver.access.people.sign_in import CONFIRMED_FOR, Client, NotConfirmed, SignIn, SignInWay
from liveserver.access.people.signed_state import Purpose
from liveserver.access.request_limits import RequestLimits
from liveserver.domain.errors import Busy, Conflict, Unauthorized
from liveserver.domain.ids import now
from liveserver.domain.people.rights import Role
from liveserver.store import Store
from liveserver.store.repositories.people.acts import ActFilter
from liveserver.store.repositories.people.users import UserChange
from liveserver.utils.limits.refusals import Reason, refusals
from liveserver.utils.tokens import new_token
from tests.support.api.site import settled
from tests.support.openid_server import CLIENT_ID, CLIENT_SECRET, OpenIdServer, openid_server
from tests.support.people_samples import a_user, invited
from tests.support.principals import NEWSROOM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from liveserver.access.people.provider_sign_in import Arrival, Departure
    from liveserver.access.people.sign_in import SignedIn
    from liveserver.settings import Settings

CALLBACK = "https://live.test/desk/signin/provider/callback"
CLIENT = Client(None, "Firefox")


class Desk(NamedTuple):
    """A site, the provider, and a browser between the two."""

    store: Store
    server: OpenIdServer
    provider: OpenIdProvider
    sign_in: ProviderSignIn
    sessions: DeskSessions

    def admitting(self, role: Role) -> Desk:
        """The same site, which gives people that only the provider knows a role."""
        limited = SignIn(self.store, self.sign_in._sign_in._limits)
        return self._replace(sign_in=ProviderSignIn(self.store, limited, self.provider, role=role, name="Acme"))

    async def departed(
        self, purpose: Purpose = Purpose.SIGN_IN, *, token: str = "", actor: DeskActor | None = None
    ) -> tuple[Departure, dict[str, str]]:
        """Go to the provider, sign in there, and return what it sends the browser back with."""
        departure = await self.sign_in.depart(purpose, CLIENT, token=token, actor=actor, destination="/desk")
        async with httpx2.AsyncClient() as browser:
            response = await browser.get(departure.address)
        assert response.status_code == 307, response.text
        address = urlsplit(response.headers["location"])
        assert f"{address.scheme}://{address.netloc}{address.path}" == CALLBACK
        return departure, dict(parse_qsl(address.query))

    async def round(
        self, purpose: Purpose = Purpose.SIGN_IN, *, token: str = "", actor: DeskActor | None = None
    ) -> Arrival:
        """To the provider and back."""
        departure, query = await self.departed(purpose, token=token, actor=actor)
        return await self.sign_in.arrive(departure.state, query, actor, CLIENT)

    async def signed_in(self) -> SignedIn:
        """Sign in."""
        arrival = await self.round()
        assert arrival.signed_in is not None
        return arrival.signed_in

    async def link(self, name: str) -> str:
        """The token of a new user's link."""
        token = new_token().token
        await invited(self.store, a_user(name, Role.EDITOR), token)
        return token

    async def joined(self, name: str) -> SignedIn:
        """A user who has joined by the provider."""
        arrival = await self.round(Purpose.JOIN, token=await self.link(name))
        assert arrival.signed_in is not None
        return arrival.signed_in

    async def actor(self, who: SignedIn) -> DeskActor:
        """The user in the session."""
        found = await self.sessions.authenticate(f"{self.sessions.cookie}={who.token}", None)
        assert found is not None
        return found


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[Desk]:
    async with openid_server() as server:
        store = await Store.open(settings.database_url)
        provider = OpenIdProvider(server.issuer, CLIENT_ID, CLIENT_SECRET, CALLBACK)
        sign_in = ProviderSignIn(store, SignIn(store, RequestLimits(settings)), provider, role=None, name="Acme")
        sessions = DeskSessions(store, secure=True)
        yield Desk(store, server, provider, sign_in, sessions)
        await sessions.close()
        await sign_in.close()
        await store.close()


async def test_an_invited_user_joins_by_the_provider_and_signs_in_by_it(desk: Desk) -> None:
    joined = await desk.joined("Ada")
    assert (joined.user.name, joined.user.role) == ("Ada", Role.EDITOR)
    assert (await desk.signed_in()).user.id == joined.user.id
    assert await desk.store.credentials.user_of_identity(desk.server.issuer, "4711") == joined.user.id


async def test_somebody_whom_only_the_provider_knows_does_not_get_in(desk: Desk) -> None:
    with pytest.raises(NotOneOfUs):
        await desk.round()
    assert (await desk.store.users.page(limit=10))[0] == []


async def test_with_a_role_such_people_become_users_once_each_by_a_name_of_their_own(desk: Desk) -> None:
    await desk.joined("Ada Lovelace")
    admitting = desk.admitting(Role.REPORTER)
    desk.server.subject = "4712"
    with capture_logs() as lines:
        admitted = await admitting.signed_in()
    assert (admitted.user.name, admitted.user.role) == ("Ada Lovelace 2", Role.REPORTER)
    assert admitting.sign_in._sign_in.outcomes == {(SignInWay.PROVIDER, True): 1}
    assert [(line["event"], line["name"]) for line in lines] == [
        ("user.admitted", "Ada Lovelace 2"),
        ("user.signed_in", "Ada Lovelace 2"),
    ]
    assert lines[1]["way"] == "provider"
    assert (await admitting.signed_in()).user.id == admitted.user.id
    acts, _ = await desk.store.acts.page(ActFilter(action="user.admitted"), limit=10)
    assert [(act.principal_id, act.details["role"]) for act in acts] == [(admitted.user.id, "reporter")]


async def test_two_windows_at_once_admit_a_person_once(desk: Desk) -> None:
    admitting = desk.admitting(Role.REPORTER)
    both = await asyncio.gather(*(admitting.signed_in() for _ in range(2)))
    assert len({each.user.id for each in both}) == 1
    assert len((await desk.store.users.page(limit=10))[0]) == 1


async def test_a_disabled_user_does_not_get_in_and_is_not_admitted_again(desk: Desk) -> None:
    joined = await desk.joined("Ada")
    await desk.store.users.edit(joined.user.id, UserChange(disabled=True), NEWSROOM, now())
    with pytest.raises(UserOff, match="disabled"):
        await desk.admitting(Role.REPORTER).signed_in()


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": "another", "azp": CLIENT_ID},
        {"aud": None},
        {"aud": [CLIENT_ID, "another"]},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"azp": "another"},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"exp": "never"},
        {"iat": 9_000_000_000},
        {"iat": None},
        {"nbf": 9_000_000_000},
        {"sub": ""},
        {"sub": None},
        {"sub": 4711},
        {"sub": "x" * 256},
    ],
    ids=str,
)
async def test_a_token_with_a_wrong_claim_is_refused(desk: Desk, claims: dict[str, Any]) -> None:
    await desk.joined("Ada")
    desk.server.claims = claims
    with pytest.raises(ProviderRefused):
        await desk.round()


async def test_a_token_for_several_audiences_is_good_if_it_was_made_for_us(desk: Desk) -> None:
    desk.server.claims = {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}
    await desk.joined("Ada")


async def test_a_token_that_is_not_signed_is_refused(desk: Desk) -> None:
    desk.server.algorithm, desk.server.forged = "none", b""
    with pytest.raises(ProviderRefused):
        await desk.joined("Ada")


@pytest.mark.parametrize("secret", ["public key", "client's secret"])
async def test_a_token_signed_with_what_others_know_as_a_secret_is_refused(desk: Desk, secret: str) -> None:
    public = desk.server.key.as_pem(private=False)
    desk.server.algorithm, desk.server.forged = "HS256", public if secret == "public key" else CLIENT_SECRET.encode()
    with pytest.raises(ProviderRefused):
        await desk.joined("Ada")


def test_no_algorithm_is_symmetric_or_none() -> None:
    assert {name for name in openid_provider.ALGORITHMS if not name.startswith(("RS", "PS", "ES", "Ed"))} == set()


async def test_a_symmetric_key_of_the_provider_is_not_used(desk: Desk) -> None:
    shared = OctKey.generate_key(256, {"kid": "first"})
    desk.server.algorithm, desk.server.forged = "HS256", shared.raw_value
    desk.server.published = [shared]
    with pytest.raises(ProviderRefused):
        await desk.joined("Ada")


async def test_a_token_of_another_key_is_refused(desk: Desk) -> None:
    desk.server.key = ECKey.generate_key("P-256", {"kid": "first"})
    with pytest.raises(ProviderRefused):
        await desk.joined("Ada")


async def test_keys_are_read_once_and_again_when_the_provider_has_new_ones(desk: Desk) -> None:
    await desk.joined("Ada")
    await desk.signed_in()
    assert desk.server.asked.count("/keys") == 1
    desk.server.rotate()
    await desk.signed_in()
    assert desk.server.asked.count("/keys") == 2
    assert desk.server.asked.count("/.well-known/openid-configuration") == 1


async def test_a_key_that_we_do_not_know_hides_no_other(desk: Desk) -> None:
    class Odd:
        kid = "odd"

        def ensure_kid(self) -> None: ...

        def as_dict(self, *, private: bool) -> dict[str, str]:
            return {"kty": "EC", "crv": "P-257", "kid": "odd"}

    desk.server.published.insert(0, Odd())  # type: ignore[arg-type]
    await desk.joined("Ada")


async def test_an_answer_with_another_state_is_refused_and_the_right_one_still_counts(desk: Desk) -> None:
    await desk.joined("Ada")
    departure, query = await desk.departed()
    for state in ("another", ""):
        with pytest.raises(Unauthorized, match="another window"):
            await desk.sign_in.arrive(departure.state, {**query, "state": state}, None, CLIENT)
    await desk.sign_in.arrive(departure.state, query, None, CLIENT)


async def test_an_answer_without_our_cookie_is_refused(desk: Desk) -> None:
    await desk.joined("Ada")
    _, query = await desk.departed()
    with pytest.raises(Unauthorized):
        await desk.sign_in.arrive(None, query, None, CLIENT)
    other, _ = await desk.departed()
    with pytest.raises(Unauthorized):
        await desk.sign_in.arrive(other.state, query, None, CLIENT)


async def test_an_answer_is_taken_once(desk: Desk, settings: Settings) -> None:
    await desk.joined("Ada")
    departure, query = await desk.departed()
    await desk.sign_in.arrive(departure.state, query, None, CLIENT)
    with pytest.raises(Unauthorized, match="begin again"):
        await desk.sign_in.arrive(departure.state, query, None, CLIENT)
    # Another process doesn't know that the state was used, but the provider knows that the code was.
    limits = RequestLimits(settings)
    other = ProviderSignIn(desk.store, SignIn(desk.store, limits), desk.provider, role=None, name="Acme")
    with pytest.raises(ProviderRefused):
        await other.arrive(departure.state, query, None, CLIENT)


async def test_a_flow_may_take_ten_minutes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    departure, query = await desk.departed()
    monkeypatch.setattr(signed_state, "now", lambda: now() + timedelta(seconds=FLOW_SECONDS))
    with pytest.raises(Unauthorized, match="too long"):
        await desk.sign_in.arrive(departure.state, query, None, CLIENT)


async def test_a_code_is_no_good_without_the_verifier_of_its_flow(desk: Desk) -> None:
    _, query = await desk.departed()
    second, other = await desk.departed()
    with pytest.raises(ProviderRefused):
        await desk.sign_in.arrive(second.state, {**other, "code": query["code"]}, None, CLIENT)


async def test_a_passkey_s_state_is_no_good_for_a_provider(desk: Desk) -> None:
    states = signed_state.SignedStates(desk.store, "passkey", timedelta(minutes=10))
    state = await states.issue(Purpose.SIGN_IN, state="s", nonce="n", verifier="v", destination="/desk")
    with pytest.raises(Unauthorized, match="begin again"):
        await desk.sign_in.arrive(state, {"state": "s", "code": "c"}, None, CLIENT)


@pytest.mark.parametrize("error", ["access_denied", "login_required", "<script>"])
async def test_an_error_of_the_provider_is_told_without_its_words(desk: Desk, error: str) -> None:
    desk.server.refuses = error
    with pytest.raises(ProviderDenied) as raised:
        await desk.round()
    assert error not in str(raised.value)
    assert "555" not in str(raised.value)


async def test_an_answer_of_another_issuer_is_refused(desk: Desk) -> None:
    departure, query = await desk.departed()
    with pytest.raises(ProviderDenied):
        await desk.sign_in.arrive(departure.state, {**query, "iss": "https://evil.example"}, None, CLIENT)


async def test_a_provider_that_is_away_is_asked_again_later(desk: Desk, settings: Settings) -> None:
    provider = OpenIdProvider("http://localhost:9", CLIENT_ID, None, CALLBACK)
    sign_in = ProviderSignIn(desk.store, desk.sign_in._sign_in, provider, role=None, name="Acme")
    with pytest.raises(ProviderDown):
        await sign_in.depart(Purpose.SIGN_IN, CLIENT, token="", actor=None, destination="/desk")
    await sign_in.close()
    desk.server.status = 503
    with pytest.raises(ProviderDown):
        await desk.round()
    desk.server.status = 200
    await desk.joined("Ada")


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://evil.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
        {"jwks_uri": ["https://evil.example"]},
        {"jwks_uri": "file:///etc/passwd"},
    ],
    ids=str,
)
async def test_metadata_that_are_not_as_they_should_be_are_refused(desk: Desk, metadata: dict[str, Any]) -> None:
    desk.server.metadata = metadata
    with pytest.raises(ProviderDown):
        await desk.round()


async def test_redirects_are_not_followed(desk: Desk) -> None:
    desk.server.status = 302
    with pytest.raises(ProviderDown):
        await desk.round()
    assert desk.server.asked == ["/.well-known/openid-configuration"]


async def test_an_answer_that_is_too_large_is_not_read(desk: Desk) -> None:
    desk.server.padding = ANSWER_MAX
    with pytest.raises(ProviderDown):
        await desk.round()


async def test_a_slow_provider_is_not_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.joined("Ada")
    departure, query = await desk.departed()
    monkeypatch.setattr(openid_provider, "ANSWER_SECONDS", 0.05)
    desk.server.gate.clear()
    with pytest.raises(ProviderDown):
        await desk.sign_in.arrive(departure.state, query, None, CLIENT)


async def test_only_so_many_codes_are_exchanged_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.joined("Ada")
    first, query = await desk.departed()
    second, other = await desk.departed()
    monkeypatch.setattr(openid_provider, "CODES_AT_ONCE", 1)
    desk.server.gate.clear()
    waiting = asyncio.create_task(desk.sign_in.arrive(first.state, query, None, CLIENT))

    async def is_under_way() -> bool:
        return desk.server.asked.count("/token") == 2

    await settled(is_under_way)
    with pytest.raises(Busy):
        await desk.sign_in.arrive(second.state, other, None, CLIENT)
    desk.server.gate.set()
    assert (await waiting).signed_in is not None
    again = await desk.sign_in.arrive(second.state, other, None, CLIENT)
    assert again.signed_in is not None, "the state and the code stayed good"


async def test_one_address_takes_few_of_the_places_for_codes(desk: Desk) -> None:
    """The addresses that aren't limited have no share of their own; nor is one kept for good."""
    before = refusals.counts[Reason.BUSY]
    with ExitStack() as stack:
        for _ in range(openid_provider.CODES_PER_ADDRESS):
            stack.enter_context(desk.provider.place(b"one"))
        with pytest.raises(Busy):
            stack.enter_context(desk.provider.place(b"one"))
        assert refusals.counts[Reason.BUSY] == before + 1
        stack.enter_context(desk.provider.place(b"two"))
        for _ in range(openid_provider.CODES_AT_ONCE - openid_provider.CODES_PER_ADDRESS - 1):
            stack.enter_context(desk.provider.place(None))
        for prefix in (None, b"three"):
            with pytest.raises(Busy):
                stack.enter_context(desk.provider.place(prefix))
    with desk.provider.place(b"one"), desk.provider.place(None):
        pass


async def test_codes_of_one_address_are_counted_by_its_network(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.joined("Ada")
    departure, query = await desk.departed()
    near, far = (Client((address, 1), "Firefox") for address in ("2001:db8::7", "2001:db9::7"))
    with ExitStack() as stack:
        for _ in range(openid_provider.CODES_PER_ADDRESS):
            stack.enter_context(desk.provider.place(b"\x20\x01\x0d\xb8" + bytes(4)))
        with pytest.raises(Busy):
            await desk.sign_in.arrive(departure.state, query, None, near)
        assert (await desk.sign_in.arrive(departure.state, query, None, far)).signed_in is not None


async def test_the_secret_is_sent_as_the_provider_wants_it(desk: Desk) -> None:
    desk.server.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    await desk.joined("Ada")


async def test_a_client_without_a_secret_sends_none(desk: Desk) -> None:
    desk.server.public_client = True
    provider = OpenIdProvider(desk.server.issuer, CLIENT_ID, None, CALLBACK)
    sign_in = ProviderSignIn(desk.store, desk.sign_in._sign_in, provider, role=None, name="Acme")
    await desk._replace(sign_in=sign_in).joined("Ada")
    await sign_in.close()


async def test_a_link_is_used_once_and_an_identity_belongs_to_one_user(desk: Desk) -> None:
    token = await desk.link("Ada")
    await desk.round(Purpose.JOIN, token=token)
    with pytest.raises(LinkGone, match="link"):
        await desk.round(Purpose.JOIN, token=token)
    with pytest.raises(Conflict):
        await desk.joined("Bob")


async def test_a_user_connects_the_provider_soon_after_signing_in(desk: Desk) -> None:
    desk.server.subject = "first"
    ada = await desk.joined("Ada")
    actor = await desk.actor(ada)
    desk.server.subject = "second"
    assert (await desk.round(Purpose.ADD, actor=actor)).signed_in is None
    assert (await desk.signed_in()).user.id == ada.user.id
    with pytest.raises(Unauthorized):
        await desk.round(Purpose.ADD)
    departure, query = await desk.departed(Purpose.ADD, actor=actor)
    with pytest.raises(Unauthorized):
        await desk.sign_in.arrive(departure.state, query, None, CLIENT)
    older = actor._replace(session=replace(actor.session, confirmed_at=now() - CONFIRMED_FOR))
    with pytest.raises(NotConfirmed):
        await desk.round(Purpose.ADD, actor=older)


async def test_a_user_confirms_by_signing_in_at_the_provider_anew(desk: Desk) -> None:
    ada = await desk.joined("Ada")
    actor = await desk.actor(ada)
    before = actor.session.confirmed_at
    [identity] = await desk.store.credentials.identities(ada.user.id)
    departure, _ = await desk.departed(Purpose.CONFIRM, actor=actor)
    asked = dict(parse_qsl(urlsplit(departure.address).query))
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    await desk.round(Purpose.CONFIRM, actor=actor)
    assert (await desk.actor(ada)).session.confirmed_at > before
    [used] = await desk.store.credentials.identities(ada.user.id)
    assert (used.used_at or before) > (identity.used_at or before)
    for stale in (None, 1_000_000_000, "now", True):
        desk.server.claims = {"auth_time": stale}
        with pytest.raises(NotFresh):
            await desk.round(Purpose.CONFIRM, actor=actor)
    desk.server.claims, desk.server.subject = {}, "somebody else"
    with pytest.raises(NotOneOfUs):
        await desk.round(Purpose.CONFIRM, actor=actor)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("Ada", "Ada"),
        (" Ada\n\tLovelace ", "Ada Lovelace"),
        ("A\u202eda\x00", "A da"),
        ("", "user"),
        ("\x1b[31m", "[31m"),
        ("é" * 200, "é" * 75),
        ("ﷺ" * 75, "user"),
        ("Ada\u200b \u202eLovelace\u3164", "Ada Lovelace"),
    ],
)
def test_a_name_is_made_fit(told: str, name: str) -> None:
    assert name_of(told) == name
    assert provider_sign_in.LOGIN_MAX < 255
