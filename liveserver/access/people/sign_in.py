"""Signing in: by name and password, or by a link; and proving again who one is."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from liveserver.access.people.passwords import LENGTH_MAX, Passwords, check_new
from liveserver.access.people.sign_in_tries import SignInTries
from liveserver.domain.errors import Conflict, Forbidden, TooManyRequests, Unauthorized
from liveserver.domain.ids import now
from liveserver.domain.people.user import AGENT_MAX, NAME_MAX, JoinLink, LinkKind, Session, User, login_of
from liveserver.store.repositories.people.credentials import Credential
from liveserver.store.repositories.people.proofs import Proof, ProofOutdated
from liveserver.utils import audit_log
from liveserver.utils.limits.refusals import LogInterval
from liveserver.utils.tokens import digest_of, new_token

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime

    from liveserver.access.people.desk_sessions import DeskActor
    from liveserver.access.people.passwords import PlaceToHash
    from liveserver.access.request_limits import Peer, RequestLimits
    from liveserver.domain.people.principal import Principal
    from liveserver.store import Store
    from liveserver.utils.tokens import NewToken


class SignInWay(StrEnum):
    """The ways to sign in. They are labels of a metric, so no text from a client is among them."""

    PASSWORD = "password"  # noqa: S105
    PASSKEY = "passkey"
    PROVIDER = "provider"
    LINK = "link"


CONFIRMED_FOR = timedelta(minutes=10)
"""For how long a user who has proved to be who they are may do what needs such a proof."""

LINK_TIME = timedelta(hours=72)
"""The time for which a link to join, to reset or to sign in is valid."""

WRONG = "the name or the password is wrong"


class Client(NamedTuple):
    """The client that signs in: its address, and its User-Agent header."""

    peer: Peer
    agent: str

    @property
    def address(self) -> str | None:
        """The client's address; None if it isn't known."""
        return self.peer[0] if self.peer else None


class SignedIn(NamedTuple):
    """A user who has just signed in, and the token for the session's cookie."""

    user: User
    token: str


class WrongPassword(Unauthorized):
    """There is no user with this name and password."""

    def __init__(self) -> None:
        super().__init__(WRONG)


class NotConfirmed(Forbidden):
    """The act needs a proof, not older than `CONFIRMED_FOR`, that the user is who they are."""


def new_link(user_id: str, kind: LinkKind, at: datetime) -> tuple[NewToken, JoinLink]:
    """Return a new link for a user, and its token, which can be shown only now."""
    return new_token(), JoinLink(kind, user_id, at, at + LINK_TIME)


def new_session(user_id: str, client: Client, at: datetime) -> Session:
    """Return a session that begins now."""
    return Session(secrets.token_hex(8), user_id, at, at, at, client.address, client.agent[:AGENT_MAX])


def check_confirmed(actor: DeskActor) -> None:
    """Raise NotConfirmed if the user's last proof of who they are is at least `CONFIRMED_FOR` old."""
    if actor.session.confirmed_at + CONFIRMED_FOR <= now():
        raise NotConfirmed("prove once more who you are: POST /desk/api/v1/session/confirm, or open /desk/confirm")


class SignIn:
    """Signing in. One object serves a process, and counts the tries that came to this process."""

    def __init__(self, store: Store, limits: RequestLimits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._limits = limits
        self.passwords = Passwords()
        self.outcomes: Counter[tuple[SignInWay, bool]] = Counter()
        """The number of sign-ins (True) and of refusals (False) of each way, since the process began."""
        self._tries = SignInTries(clock)
        self._refused_lines = LogInterval(clock)

    async def with_password(self, name: str, password: str, client: Client) -> SignedIn:
        """Sign in by name and password. Raises WrongPassword.

        Raises Unauthorized if the user was disabled, TooManyRequests if the address or the name was tried too often,
        and Busy if too many passwords wait to be hashed.
        """
        with self.refusals_counted(SignInWay.PASSWORD):
            user_id, proof = await self._check_password(name, password, client)
        with _outdated_is_wrong():
            return await self.begin(user_id, client, proof)

    async def confirm_with_password(self, actor: DeskActor, password: str, client: Client) -> None:
        """Note that the acting user has given the password again. Raises WrongPassword, TooManyRequests, and Busy.

        Raises Unauthorized if the session has ended.
        """
        principal = actor.actor.principal
        with self.passwords.place_of_user(principal.id) as place:
            proof = await self._check_own_password(principal, password, client, place)
        with _outdated_is_wrong():
            await self._store.sessions.confirmed(principal, proof, now())

    def count(self, client: Client) -> None:
        """Count a try by a passkey or a provider. Raises TooManyRequests if the client's address tries too often."""
        self._limits.sign_in(client.peer)

    def prefix_of(self, client: Client) -> Hashable:
        """Return what the client's address is counted by; None if it isn't limited."""
        return self._limits.prefix_of(client.peer)

    def count_own(self, actor: DeskActor) -> AbstractContextManager[None]:
        """Count a try of a user who is signed in to prove again who they are, if the context ends with Unauthorized.

        Raises TooManyRequests if the session has tried too often.
        """
        return self._tries.of_session(actor.actor.principal.session or "")

    async def begin(self, user_id: str, client: Client, proof: Proof) -> SignedIn:
        """Begin a session of a user. The caller has verified the user's proof, such as a passkey.

        Raises ProofOutdated if the proof doesn't hold any more, and Unauthorized if the user was disabled, or hasn't
        joined.
        """
        token = new_token()
        with self._counted(SignInWay(proof.way)):
            user = await self._store.credentials.sign_in(token.digest, new_session(user_id, client, now()), proof)
        audit_log.done("user.signed_in", user=user.id, name=user.name, way=proof.way, address=client.address)
        return SignedIn(user, token.token)

    async def admit(self, user: User, identity: tuple[str, str], client: Client) -> SignedIn:
        """Add a user whom only the provider knows, and begin a session of theirs.

        `identity`: the provider's issuer, and the subject. Raises Conflict if somebody has the name or the identity.
        """
        new = new_token()
        session = new_session(user.id, client, user.created_at)
        with self._counted(SignInWay.PROVIDER):
            admitted = await self._store.credentials.admit(user, identity, new.digest, session)
        fields = {"user": admitted.id, "name": admitted.name, "address": client.address}
        audit_log.done("user.admitted", role=admitted.role, **fields)
        audit_log.done("user.signed_in", way=SignInWay.PROVIDER, **fields)
        return SignedIn(admitted, new.token)

    async def link(self, token: str, client: Client) -> tuple[JoinLink, User]:
        """Return the link with this token, and its user.

        Raises Unauthorized if there is no valid link with this token, and TooManyRequests.
        """
        with self.refusals_counted(SignInWay.LINK):
            self._limits.sign_in(client.peer)
            return await self._store.credentials.link(digest_of(token))

    async def join_with_password(self, token: str, password: str, client: Client) -> SignedIn:
        """Use a link: set a password, and sign in. Raises BadPassword if the password is too easy to guess.

        Raises Unauthorized if the link isn't valid, TooManyRequests, and Busy.
        """
        with self._place(client) as place:
            _, user = await self.link(token, client)
            check_new(password, user.name)
            credential = Credential(password=await place.hash(password))
        return await self.join(token, user, credential, client)

    async def join(self, token: str, user: User, credential: Credential | None, client: Client) -> SignedIn:
        """Use a user's link: set the credential, and sign in.

        `credential`: None only for a link of the kind `sign-in`. Raises Unauthorized if the link isn't valid or the
        user was disabled. Raises Conflict if the passkey or the identity can't be added.
        """
        return await self.join_by_digest(digest_of(token), user, credential, client)

    async def join_by_digest(
        self, link_digest: str, user: User, credential: Credential | None, client: Client
    ) -> SignedIn:
        """Use the link whose token has this hash. See `join`."""
        new, session = new_token(), new_session(user.id, client, now())
        with self._counted(SignInWay.LINK):
            joined = await self._store.credentials.join(link_digest, credential, new.digest, session)
        way = credential.way if credential else "link"
        audit_log.done("user.signed_in", user=joined.id, name=joined.name, way=way, address=client.address)
        return SignedIn(joined, new.token)

    @contextmanager
    def refusals_counted(self, way: SignInWay) -> Iterator[None]:
        """Count one refusal for `way` if this context ends with Unauthorized or TooManyRequests."""
        try:
            yield
        except (Unauthorized, TooManyRequests):
            self.outcomes[way, False] += 1
            raise

    @contextmanager
    def _counted(self, way: SignInWay) -> Iterator[None]:
        """Count one sign-in for `way` when this context ends, or a refusal as `refusals_counted` does."""
        with self.refusals_counted(way):
            yield
        self.outcomes[way, True] += 1

    async def set_password(self, actor: DeskActor, old: str, new: str, client: Client) -> None:
        """Replace the acting user's password. The user's other sessions end.

        Raises WrongPassword if the old password is wrong, BadPassword if the new one isn't allowed, TooManyRequests,
        and Busy.
        """
        principal = actor.actor.principal
        with self.passwords.place_of_user(principal.id) as place:
            proof = await self._check_own_password(principal, old, client, place)
            check_new(new, principal.name, present=old)
            hashed = await place.hash(new)
        with _outdated_is_wrong():
            await self._store.credentials.change(principal, Credential(password=hashed), now(), proof=proof)

    async def add_password(self, actor: DeskActor, new: str) -> None:
        """Set a password of a user who has none. The user's other sessions end.

        Raises NotConfirmed, Conflict if there is a password already, BadPassword, and Busy.
        """
        check_confirmed(actor)
        principal = actor.actor.principal
        if await self._store.credentials.own_password(principal.id) is not None:
            raise Conflict("there is a password already: change it")
        check_new(new, principal.name)
        with self.passwords.place_of_user(principal.id) as place:
            hashed = await place.hash(new)
        await self._store.credentials.change(principal, Credential(password=hashed), now())

    async def _check_password(self, name: str, password: str, client: Client) -> tuple[str, Proof]:
        """Return the id of the user with this name and password, and the proof.

        Each try counts for the client's address, and each wrong one for the name. None counts if it can't be checked
        now, as too many passwords wait. Raises WrongPassword, TooManyRequests, and Busy.
        """
        with self._place(client) as place:
            self._limits.sign_in(client.peer)
            if len(name) > 2 * NAME_MAX or len(password) > LENGTH_MAX:
                raise WrongPassword
            with self._tries.of_name(login_of(name), self._limits.key_of(client.peer)):
                user_id, hashed = await self._store.credentials.password_of(name) or ("", None)
                return user_id, await self._verified(name, password, hashed, client, place)

    async def _check_own_password(
        self, principal: Principal, password: str, client: Client, place: PlaceToHash
    ) -> Proof:
        """Return the proof that the acting user has given. Only wrong ones count, for the session. It isn't counted by
        the user's name or address, as strangers could use up those tries.

        The password is looked up by the user's id: the user may have been renamed while the request was under way, and
        another user may have the name now. Raises WrongPassword, TooManyRequests, and Busy.
        """
        with self._tries.of_session(principal.session or ""):
            if len(password) > LENGTH_MAX:
                raise WrongPassword
            hashed = await self._store.credentials.own_password(principal.id)
            return await self._verified(principal.name, password, hashed, client, place)

    async def _verified(
        self, name: str, password: str, hashed: str | None, client: Client, place: PlaceToHash
    ) -> Proof:
        """Return the proof by a password. Raises WrongPassword if the password doesn't have this hash.

        `hashed`: None if there is none.
        """
        if not await place.verify(password, hashed) or hashed is None:
            if count := self._refused_lines.count():
                # What isn't a user's name may be a password, typed into the wrong field.
                known = None if hashed is None else name[:NAME_MAX]
                audit_log.done("user.refused", name=known, address=client.address, count=count)
            raise WrongPassword
        return Proof(password=hashed)

    def _place(self, client: Client) -> AbstractContextManager[PlaceToHash]:
        """Return the context that holds a place for the passwords of a client without a session. Raises Busy."""
        limited = self._limits.prefix_of(client.peer) is not None
        return self.passwords.place_of_address(self._limits.key_of(client.peer), crowd=not limited)


@contextmanager
def _outdated_is_wrong() -> Iterator[None]:
    """Raise WrongPassword in place of ProofOutdated: the password was right, but it was changed meanwhile."""
    try:
        yield
    except ProofOutdated as error:
        raise WrongPassword from error
