"""Users, links and sessions for tests of the store."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.ids import new_user_id, now
from liveserver.domain.people.principal import Principal, PrincipalKind
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import JoinLink, LinkKind, Membership, Session, User, UserState
from liveserver.store.repositories.people.credentials import Credential
from liveserver.store.repositories.people.users import NewUser
from liveserver.utils.tokens import digest_of, new_token
from tests.support.principals import NEWSROOM

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.store import Store


def a_user(name: str, role: Role | None = Role.REPORTER, *memberships: Membership, at: datetime | None = None) -> User:
    """Return a user who hasn't joined yet, and isn't in any store yet."""
    moment = at or now()
    return User(new_user_id(), name, role, UserState.INVITED, moment, moment, 1, memberships)


def a_link(user: User, kind: LinkKind = LinkKind.JOIN, *, hours: float = 72) -> JoinLink:
    """Return a link for the user, which isn't in any store yet."""
    return JoinLink(kind, user.id, user.created_at, user.created_at + timedelta(hours=hours))


def a_session(user: User, at: datetime | None = None) -> Session:
    """Return a session of the user that begins now, or at a moment."""
    moment = at or now()
    return Session(f"s{user.id[2:]}", user.id, moment, moment, moment, "192.0.2.1", "Firefox")


async def invited(store: Store, user: User, token: str) -> User:
    """Invite a user by a link with this token."""
    return await store.users.invite(NewUser(user, digest_of(token), a_link(user)), NEWSROOM)


async def joined(store: Store, name: str, role: Role | None = Role.REPORTER, *memberships: Membership) -> Principal:
    """Return the principal of a new user who has joined with a password, and is signed in."""
    user = a_user(name, role, *memberships)
    await invited(store, user, f"link {user.id}")
    digest = digest_of(f"session {user.id}")
    await store.credentials.join(digest_of(f"link {user.id}"), Credential(password="hash"), digest, a_session(user))
    return Principal(PrincipalKind.USER, user.id, name, digest)


class AtDesk(NamedTuple):
    """A user who is signed in at the desk."""

    principal: Principal
    token: str
    """The token in the session's cookie."""


async def at_desk(store: Store, name: str, role: Role | None = Role.REPORTER, *memberships: Membership) -> AtDesk:
    """Return a new user who has joined with a password, and is signed in, with the session's token."""
    user, token = a_user(name, role, *memberships), new_token()
    await invited(store, user, f"link {user.id}")
    await store.credentials.join(
        digest_of(f"link {user.id}"), Credential(password="hash"), token.digest, a_session(user)
    )
    return AtDesk(Principal(PrincipalKind.USER, user.id, name, token.digest), token.token)
