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
from liveserver.access.request_limits import Limit
from liveserver.domain.errors import Conflict, Forbidden, TooManyRequests, Unauthorized
from liveserver.domain.ids import now
from liveserver.domain.people.user import AGENT_MAX, NAME_MAX, JoinLink, LinkKind, Session, User, login_of
from liveserver.store.repositories.people.credentials import Credential
from liveserver.utils import audit_log
from liveserver.utils.tokens import digest_of, new_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from liveserver.access.people.desk_sessions import DeskActor
    from liveserver.access.request_limits import Peer, RequestLimits
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

TRIES_SECONDS = 600
"""Seconds within which a user name whose tries are used up gets all of them back, evenly."""
TRIES = 10
TRIES_OF_ALL = 100
"""How many tries of one user name may come at once: `TRIES` from one address, `TRIES_OF_ALL` from all addresses
together."""

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
        here = f"more than {TRIES} tries of this name from this address in {TRIES_SECONDS // 60} minutes"
        self._by_name_here = Limit("sign-in-name", here, TRIES / TRIES_SECONDS, clock, TRIES_SECONDS)
        everywhere = f"more than {TRIES_OF_ALL} tries of this name in {TRIES_SECONDS // 60} minutes"
        self._by_name = Limit("sign-in-names", everywhere, TRIES_OF_ALL / TRIES_SECONDS, clock, TRIES_SECONDS)

    async def with_password(self, name: str, password: str, client: Client) -> SignedIn:
        """Sign in by name and password. Raises WrongPassword.

        Raises Unauthorized if the user was disabled, TooManyRequests if the address or the name was tried too often,
        and Busy if too many passwords wait to be hashed.
        """
        with self.refusals_counted(SignInWay.PASSWORD):
            user_id = await self._check_password(name, password, client)
        return await self.begin(user_id, client, way="password")

    async def confirm_with_password(self, actor: DeskActor, password: str, client: Client) -> None:
        """Note that the acting user has given the password again. Raises WrongPassword, TooManyRequests, and Busy."""
        principal = actor.actor.principal
        await self._check_password(principal.name, password, client)
        await self._store.sessions.confirmed(principal.session or "", principal, now(), way="password")

    def count(self, client: Client) -> None:
        """Count a try by a passkey or a provider. Raises TooManyRequests if the client's address tries too often."""
        self._limits.sign_in(client.peer)

    async def begin(self, user_id: str, client: Client, *, way: str) -> SignedIn:
        """Begin a session of a user. The caller has checked the user's proof, such as a passkey.

        `way`: the value of a `SignInWay`, for the audit log and the metrics. Raises Unauthorized if the user was
        disabled, or hasn't joined.
        """
        token = new_token()
        with self._counted(SignInWay(way)):
            user = await self._store.credentials.sign_in(token.digest, new_session(user_id, client, now()), way=way)
        audit_log.done("user.signed_in", user=user.id, name=user.name, way=way, address=client.address)
        return SignedIn(user, token.token)

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
        _, user = await self.link(token, client)
        check_new(password, user.name)
        return await self.join(token, user, Credential(password=await self.passwords.hash(password)), client)

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
        await self._check_password(principal.name, old, client)
        check_new(new, principal.name, present=old)
        hashed = await self.passwords.hash(new)
        await self._store.credentials.change(principal, Credential(password=hashed), now())

    async def add_password(self, actor: DeskActor, new: str) -> None:
        """Set a password of a user who has none. The user's other sessions end.

        Raises NotConfirmed, Conflict if there is a password already, BadPassword, and Busy.
        """
        check_confirmed(actor)
        principal = actor.actor.principal
        if await self._store.credentials.password_of(principal.name) is not None:
            raise Conflict("there is a password already: change it")
        check_new(new, principal.name)
        hashed = await self.passwords.hash(new)
        await self._store.credentials.change(principal, Credential(password=hashed), now())

    async def _check_password(self, name: str, password: str, client: Client) -> str:
        """Return the id of the user with this name and password. Each try is counted, even if the password is right.

        Raises WrongPassword, TooManyRequests, and Busy.
        """
        self._limits.sign_in(client.peer)
        if len(name) > 2 * NAME_MAX or len(password) > LENGTH_MAX:
            raise WrongPassword
        login = login_of(name)
        self._by_name_here.take((login, self._limits.prefix_of(client.peer)))
        self._by_name.take(login)
        found = await self._store.credentials.password_of(name)
        if not await self.passwords.verify(password, found[1] if found else None) or found is None:
            audit_log.done("user.refused", name=name[:NAME_MAX], address=client.address)
            raise WrongPassword
        return found[0]
