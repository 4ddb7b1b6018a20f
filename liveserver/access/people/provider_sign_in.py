"""Signing in by an OpenID provider: from the button to the provider, and from there back into a session.

Users are known by the provider's issuer and by their subject (their id at the provider), never by a name or a mail
address: another person can get the same name or address later.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from liveserver.access.people.provider_errors import (
    LinkGone,
    NotFresh,
    NotOneOfUs,
    ProviderDenied,
    SomebodyElse,
    UserOff,
)
from liveserver.access.people.sign_in import SignedIn, check_confirmed
from liveserver.access.people.signed_state import Purpose, SignedStates
from liveserver.domain.errors import Conflict, Unauthorized
from liveserver.domain.ids import new_user_id, now
from liveserver.domain.people.user import NAME_MAX, User, UserState, hidden_in, login_of
from liveserver.store.repositories.people.credentials import Credential
from liveserver.store.repositories.people.proofs import Proof
from liveserver.utils.tokens import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liveserver.access.people.desk_sessions import DeskActor
    from liveserver.access.people.openid_provider import Identity, OpenIdProvider
    from liveserver.access.people.sign_in import Client, SignIn
    from liveserver.domain.people.rights import Role
    from liveserver.store import Store

FLOW_SECONDS = 600
"""The seconds that a person has to sign in at the provider. Some have a second factor to fetch."""
CODE_MAX = 2_000
"""The greatest length of a code, in characters. Microsoft's have some 1,200."""
NAME_TRIES = 3
"""The greatest number of attempts to admit a new user. One fails if others take the same name at the same moment."""
LOGIN_MAX = 240
"""The greatest length of a new user's name after `login_of`, in characters."""


class Departure(NamedTuple):
    """The address at the provider where the person signs in, and the state for the browser's cookie."""

    address: str
    state: str


class Arrival(NamedTuple):
    """The end of a flow. `signed_in` has the new session; None if the flow only added or confirmed something."""

    purpose: Purpose
    signed_in: SignedIn | None
    destination: str
    """The path of the page to which the flow leads."""


class ProviderSignIn:
    """Signing in by a provider. One object serves a process."""

    def __init__(
        self, store: Store, sign_in: SignIn, provider: OpenIdProvider, *, role: Role | None, name: str
    ) -> None:
        """`role`: the role of people whom the provider knows, but whom nobody invited; None if they may not sign in.

        `name`: the provider's name, as pages show it.
        """
        self.name = name
        self._store = store
        self._sign_in = sign_in
        self._provider = provider
        self._role = role
        self._states = SignedStates(store, "provider", timedelta(seconds=FLOW_SECONDS))
        self.lifetime = self._states.lifetime
        """The time that a flow may take."""

    @property
    def issuer(self) -> str:
        """The provider's issuer: the name by which its identities are known."""
        return self._provider.issuer

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self._provider.close()

    async def depart(
        self, purpose: Purpose, client: Client, *, token: str, actor: DeskActor | None, destination: str
    ) -> Departure:
        """Begin a flow. Raises ProviderDown if the provider can't be reached.

        `token`: the token of the link by which the user joins; not read for other purposes. `actor`: None if the
        browser has no session. `destination`: the path of the page to which the flow leads.

        To join, raises LinkGone if the link isn't valid, and TooManyRequests. To add or to confirm, raises Unauthorized
        if there is no session. To add, raises NotConfirmed, too.
        """
        who = ""
        if purpose is Purpose.JOIN:
            who = digest_of(token)
            try:
                await self._sign_in.link(token, client)
            except Unauthorized as error:
                raise LinkGone(str(error)) from error
        elif purpose is not Purpose.SIGN_IN:
            who = _session_of(actor)
            if actor is not None and purpose is Purpose.ADD:
                check_confirmed(actor)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        address = await self._provider.address(state, nonce, verifier, fresh=purpose is Purpose.CONFIRM)
        signed = await self._states.issue(
            purpose, who, state=state, nonce=nonce, verifier=verifier, destination=destination
        )
        return Departure(address, signed)

    async def aim(self, signed: str | None) -> tuple[Purpose, str] | None:
        """Return the purpose and the destination of a flow that hasn't ended. `signed`: see `arrive`.

        Returns None if the flow wasn't begun in this browser, has expired or has ended.
        """
        try:
            purpose, _, values = await self._states.peek(signed)
        except Unauthorized:
            return None
        return purpose, values["destination"]

    async def arrive(
        self, signed: str | None, query: Mapping[str, str], actor: DeskActor | None, client: Client
    ) -> Arrival:
        """End a flow when the browser comes back from the provider.

        `signed`: the state in the browser's cookie; None if it has none. `query`: the parameters that the provider has
        sent. No error repeats them.

        Raises Unauthorized if the flow wasn't begun in this browser, has expired or has ended already, or if the
        session has ended. Raises all errors of `provider_errors`. Raises Conflict if the identity belongs to another
        user, or if a new user can't be admitted. Raises NotConfirmed, TooManyRequests, and Busy.
        """
        self._sign_in.count(client)
        purpose, who, values = await self._states.peek(signed)
        if not hmac.compare_digest(query.get("state", "").encode(), values["state"].encode()):
            raise Unauthorized("the provider's answer is for another window: begin again")
        # The place comes first: if there is none, state and code stay good.
        with self._provider.place(self._sign_in.prefix_of(client)):
            await self._states.use(signed, purpose, who)
            if purpose in (Purpose.ADD, Purpose.CONFIRM) and who != _session_of(actor):
                raise Unauthorized("the session has ended: sign in again")
            code = query.get("code", "")
            if "error" in query or not code or len(code) > CODE_MAX:
                raise ProviderDenied("the provider has sent you back without signing you in")
            if query.get("iss", self._provider.issuer) != self._provider.issuer:
                raise ProviderDenied("this answer is another provider's")
            identity = await self._provider.identity(code, values["nonce"], values["verifier"])
        signed_in = await self._end(purpose, who, identity, actor, client)
        return Arrival(purpose, signed_in, values["destination"])

    async def _end(
        self, purpose: Purpose, who: str, identity: Identity, actor: DeskActor | None, client: Client
    ) -> SignedIn | None:
        known = (self._provider.issuer, identity.subject)
        if purpose is Purpose.SIGN_IN:
            return await self._signed_in(known, identity, client)
        if purpose is Purpose.JOIN:
            try:
                _, user = await self._store.credentials.link(who)
                return await self._sign_in.join_by_digest(who, user, Credential(identity=known), client)
            except Unauthorized as error:
                raise LinkGone(str(error)) from error
        assert actor is not None
        principal = actor.actor.principal
        if purpose is Purpose.ADD:
            check_confirmed(actor)
            await self._store.credentials.change(principal, Credential(identity=known), now())
            return None
        if await self._store.credentials.user_of_identity(*known) != principal.id:
            raise SomebodyElse("at the provider, you are somebody else")
        if identity.signed_in_at is None or identity.signed_in_at < now().timestamp() - FLOW_SECONDS:
            raise NotFresh("the provider doesn't say that you have just signed in there")
        await self._store.credentials.used_identity(*known, now())
        await self._store.sessions.confirmed(principal, Proof(identity=known), now())
        return None

    async def _signed_in(self, known: tuple[str, str], identity: Identity, client: Client) -> SignedIn:
        for _ in range(NAME_TRIES):
            user_id = await self._store.credentials.used_identity(*known, now())
            if user_id is not None:
                try:
                    return await self._sign_in.begin(user_id, client, Proof(identity=known))
                except Unauthorized as error:
                    raise UserOff(str(error)) from error
            if self._role is None:
                raise NotOneOfUs("nobody here is connected with this account: ask an owner for a link to join")
            try:
                return await self._admit(known, name_of(identity.name), self._role, client)
            except Conflict as error:
                conflict = error
        raise conflict

    async def _admit(self, known: tuple[str, str], name: str, role: Role, client: Client) -> SignedIn:
        at = now()
        user = User(new_user_id(), name, role, UserState.ACTIVE, at, at, 1)
        return await self._sign_in.admit(user, known, client)


def name_of(told: str) -> str:
    """Return a new user's name, made of the name that the provider tells: one line of characters that can be seen.

    The name is cut so that the store can add a space and up to four digits. It is `user` if nothing is left, or if
    `login_of` makes more than LOGIN_MAX characters of it.
    """
    seen = (letter if letter.isprintable() and not hidden_in(letter) else " " for letter in told[:1_000])
    name = " ".join("".join(seen).split())
    name = name[: NAME_MAX - 5].strip()
    return name if name and len(login_of(name)) <= LOGIN_MAX else "user"


def _session_of(actor: DeskActor | None) -> str:
    """Return the hash of the token of the actor's session. Raises Unauthorized if there is no session."""
    if actor is None or actor.actor.principal.session is None:
        raise Unauthorized("this needs somebody who is signed in at the desk")
    return actor.actor.principal.session
