"""The queries by which users sign in: passwords, passkeys, identities at providers, and the links to set them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from liveserver.domain.errors import Conflict, Forbidden, NotFound, Unauthorized
from liveserver.domain.ids import now
from liveserver.domain.people.principal import PrincipalKind
from liveserver.domain.people.rights import Verb
from liveserver.domain.people.user import JoinLink, LinkKind, UserState, login_of
from liveserver.store import tables
from liveserver.store.repositories.people import acts, identities, permissions, proofs, sessions, users
from liveserver.store.repositories.people.locking import lock_users

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from liveserver.domain.people.principal import Principal
    from liveserver.domain.people.user import Session, User
    from liveserver.store.repositories.people.proofs import Proof
    from liveserver.store.repositories.people.sessions import Ended

_t = tables.users
_links = tables.join_links
_passkeys = tables.passkeys

PASSKEYS_MAX = 20
"""The greatest number of passkeys of a user."""

_PASSWORD = select(_t.c.id, _t.c.password).where(_t.c.login == bindparam("login"))


class OfferedWays(NamedTuple):
    """The ways to sign in that the site offers at present, beside passwords."""

    passkeys: bool
    """True if the site offers passkeys."""
    issuer: str | None
    """The issuer of the provider by which people may sign in; None if there is none."""


class NewPasskey(NamedTuple):
    """A passkey that a browser has just made. The id and the public key are in base64url."""

    id: str
    public_key: str
    sign_count: int
    label: str


class Passkey(NamedTuple):
    """A user's passkey. The id and the public key are in base64url."""

    id: str
    user_id: str
    public_key: str
    sign_count: int
    label: str
    created_at: datetime
    used_at: datetime | None


class Credential(NamedTuple):
    """A user's new credential: the hash of a password, a passkey, or an identity (issuer and subject).

    One field is set, and the other fields are None.
    """

    password: str | None = None
    passkey: NewPasskey | None = None
    identity: tuple[str, str] | None = None

    @property
    def way(self) -> str:
        """The way of signing in that this credential allows, for the audit log."""
        return proofs.way_of(self.password, self.passkey)


def password_of(connection: Connection, name: str) -> tuple[str, str] | None:
    """Return the id of the user with this name, and the hash of the user's password.

    Returns None if there is no such user, or if the user has no password.
    """
    if "\x00" in name:
        return None
    row = connection.execute(_PASSWORD, {"login": login_of(name)}).one_or_none()
    return None if row is None or row.password is None else (row.id, row.password)


def own_password(connection: Connection, user_id: str) -> str | None:
    """Return the hash of the password of the user with this id; None if the user has no password."""
    password: str | None = connection.execute(select(_t.c.password).where(_t.c.id == user_id)).scalar_one_or_none()
    return password


def link(connection: Connection, digest: str) -> tuple[JoinLink, User]:
    """Return the link whose token has this hash, and its user. Raises Unauthorized if it is unknown or has expired."""
    row = connection.execute(select(_links).where(_links.c.digest == digest)).one_or_none()
    if row is None or row.expires_at <= now():
        raise Unauthorized("the link is unknown, has expired, or was used already: ask for a new one")
    found = JoinLink(LinkKind(row.kind), row.user_id, row.created_at, row.expires_at)
    return found, users.find(connection, row.user_id)


def join(
    connection: Connection, digest: str, credential: Credential | None, session_digest: str, session: Session
) -> User:
    """Use a link: set the credential, record that the user has joined, and begin a session. Return the user.

    `credential`: may be None only for a link of the kind `sign-in`. The link can't be used again. Raises Unauthorized
    if the link is unknown, has expired, was used or is another user's, if it needs a credential, or if the user was
    disabled. Raises Conflict as `put` does.
    """
    lock_users(connection, session.user_id)
    used = connection.execute(delete(_links).where(_links.c.digest == digest).returning(_links)).one_or_none()
    at = session.created_at
    if used is None or used.expires_at <= at or used.user_id != session.user_id:
        raise Unauthorized("the link is unknown, has expired, or was used already: ask for a new one")
    user = users.find(connection, used.user_id)
    if user.state is UserState.DISABLED:
        raise Unauthorized("the user was disabled")
    if credential is None and used.kind != LinkKind.SIGN_IN:
        raise Unauthorized("this link needs a password or a passkey")
    by = sessions.principal_of(user.id, user.name, session_digest)
    if credential is not None:
        put(connection, user.id, credential, at)
    if user.state is UserState.INVITED:
        connection.execute(update(_t).where(_t.c.id == user.id).values(joined_at=at))
    way = credential.way if credential else "link"
    acts.record(connection, by, "user.joined" if user.state is UserState.INVITED else "user.reset", at, way=way)
    sessions.begin(connection, session_digest, session, by, way=way)
    return users.find(connection, user.id)


def put(connection: Connection, user_id: str, credential: Credential, at: datetime) -> None:
    """Set a user's password, or add a passkey or an identity. The caller has locked the user, and records the act.

    Raises Conflict if the passkey or the identity belongs to somebody already, or if the user has PASSKEYS_MAX passkeys
    or IDENTITIES_MAX identities.
    """
    if credential.password is not None:
        connection.execute(update(_t).where(_t.c.id == user_id).values(password=credential.password))
    if credential.passkey is not None:
        count = select(func.count()).select_from(_passkeys).where(_passkeys.c.user_id == user_id)
        if connection.execute(count).scalar_one() >= PASSKEYS_MAX:
            raise Conflict(f"there are {PASSKEYS_MAX} passkeys, as many as there may be: remove one")
        values = {**credential.passkey._asdict(), "user_id": user_id, "created_at": at}
        try:
            connection.execute(insert(_passkeys).values(values))
        except IntegrityError as error:
            raise Conflict("this passkey is known already") from error
    if credential.identity is not None:
        identities.add(connection, user_id, *credential.identity, at)


def sign_in(connection: Connection, session_digest: str, session: Session, proof: Proof) -> User:
    """Begin a session of a user who has given a proof of who they are. Return the user.

    Raises ProofOutdated if the proof doesn't hold any more. Raises Unauthorized if the user was disabled, or hasn't
    joined.
    """
    lock_users(connection, session.user_id)
    user = users.find(connection, session.user_id)
    if user.state is not UserState.ACTIVE:
        raise Unauthorized("the user was disabled" if user.state is UserState.DISABLED else "the user hasn't joined")
    proofs.check(connection, user.id, proof)
    by = sessions.principal_of(user.id, user.name, session_digest)
    sessions.begin(connection, session_digest, session, by, way=proof.way)
    return user


def reset(connection: Connection, user_id: str, digest: str, new: JoinLink, by: Principal) -> tuple[User, list[Ended]]:
    """Delete a user's password, passkeys and sessions, and insert a link. Return the user, and the ended sessions.

    With the link, the user can set a new password or passkey. Identities at providers stay. Raises NotFound if there is
    no such user. Raises Conflict if the user is disabled.
    """
    lock_users(connection, by.id, user_id)
    permissions.confirm(connection, by, Verb.ADMINISTER, None)
    user = users.find(connection, user_id)
    if user.state is UserState.DISABLED:
        raise Conflict(f"{user.name} is disabled: enable the user first")
    connection.execute(update(_t).where(_t.c.id == user_id).values(password=None))
    connection.execute(delete(_passkeys).where(_passkeys.c.user_id == user_id))
    ended = sessions.end_all(connection, user_id)
    users.put_link(connection, digest, new)
    acts.record(connection, by, "user.link_made", new.created_at, user=user_id, user_name=user.name, kind=new.kind)
    return user, ended


def offer_sign_in(connection: Connection, user_id: str, digest: str, new: JoinLink, by: Principal) -> User:
    """Insert a link that signs in without a password, in place of the user's earlier links. Return the user.

    Password, passkeys and sessions stay as they are. Raises NotFound if there is no such user. Raises Forbidden unless
    the principal `by` is a part of the server: no user and no API key may make such a link.
    """
    if by.kind is not PrincipalKind.SERVER:
        raise Forbidden("only the server itself makes links that sign in")
    lock_users(connection, user_id)
    user = users.find(connection, user_id)
    users.put_link(connection, digest, new)
    acts.record(connection, by, "user.link_made", new.created_at, user=user_id, user_name=user.name, kind=new.kind)
    return user


def change(
    connection: Connection, by: Principal, credential: Credential, at: datetime, *, proof: Proof | None = None
) -> list[Ended]:
    """Set the acting user's own password, or add a passkey or an identity. Return the sessions that ended.

    A new password ends all other sessions of the user; a passkey or an identity ends none. `proof`: the user's present
    password, which was verified. Raises ProofOutdated if it isn't the user's password any more. Raises Conflict if a
    user who has a password would get a new one without a proof. Raises Conflict as `put` does, and Unauthorized as
    `sessions.acting` does.
    """
    sessions.acting(connection, by)
    if proof is not None:
        proofs.check(connection, by.id, proof)
    elif credential.password is not None and own_password(connection, by.id) is not None:
        raise Conflict("there is a password already: change it")
    put(connection, by.id, credential, at)
    acts.record(connection, by, "user.credential_set", at, way=credential.way)
    return sessions.end_all(connection, by.id, but=by.session) if credential.password is not None else []


def passkeys(connection: Connection, user_id: str) -> list[Passkey]:
    """Return a user's passkeys, oldest first."""
    query = select(_passkeys).where(_passkeys.c.user_id == user_id).order_by(_passkeys.c.created_at, _passkeys.c.id)
    return [Passkey(**row) for row in connection.execute(query).mappings()]


def passkey(connection: Connection, passkey_id: str) -> Passkey | None:
    """Return the passkey with this id; None if there is none."""
    row = connection.execute(select(_passkeys).where(_passkeys.c.id == passkey_id)).mappings().one_or_none()
    return None if row is None else Passkey(**row)


def used_passkey(connection: Connection, passkey_id: str, sign_count: int, at: datetime) -> None:
    """Record the time `at` as the passkey's last use, and `sign_count` as its signature counter.

    Raises Unauthorized if the passkey was removed meanwhile, or if `sign_count` isn't higher than the recorded counter:
    then another request has used the same answer, or the passkey was copied. Two zeros are allowed: some passkeys don't
    count.
    """
    counts = (_passkeys.c.sign_count < sign_count) | ((_passkeys.c.sign_count == 0) & (sign_count == 0))
    query = update(_passkeys).where(_passkeys.c.id == passkey_id, counts)
    if not connection.execute(query.values(sign_count=sign_count, used_at=at)).rowcount:
        raise Unauthorized("this passkey was used or removed meanwhile: try again")


def remove_passkey(
    connection: Connection, by: Principal, passkey_id: str, at: datetime, *, offered: OfferedWays
) -> list[Ended]:
    """Remove one of the acting user's own passkeys. Return the sessions that ended. Raises NotFound.

    All other sessions of the user end: somebody else may have begun one of them with this passkey. Raises Conflict if
    the user has no other way to sign in that is `offered`. Raises Unauthorized as `sessions.acting` does.
    """
    sessions.acting(connection, by)
    query = delete(_passkeys).where(_passkeys.c.user_id == by.id, _passkeys.c.id == passkey_id.replace("\x00", ""))
    if not connection.execute(query).rowcount:
        raise NotFound("there is no such passkey")
    _check_left(connection, by.id, offered)
    acts.record(connection, by, "user.passkey_removed", at)
    return sessions.end_all(connection, by.id, but=by.session)


def remove_identity(
    connection: Connection, by: Principal, identity_id: str, at: datetime, *, offered: OfferedWays
) -> list[Ended]:
    """Remove one of the acting user's own identities. Return the sessions that ended. Raises NotFound.

    All other sessions of the user end: somebody else may have begun one of them at the provider. Raises Conflict if the
    user has no other way to sign in that is `offered`. Raises Unauthorized as `sessions.acting` does.
    """
    sessions.acting(connection, by)
    identities.remove(connection, by, identity_id, at)
    _check_left(connection, by.id, offered)
    return sessions.end_all(connection, by.id, but=by.session)


def _check_left(connection: Connection, user_id: str, offered: OfferedWays) -> None:
    """Raise Conflict if a user can't sign in any more: not by the password, nor by a way that the site offers.

    The caller has locked the user. Otherwise two transactions at once could remove one way to sign in each, and each
    would find the other way still there.
    """
    password = connection.execute(select(_t.c.password).where(_t.c.id == user_id)).scalar_one()
    if password is not None or (offered.passkeys and passkeys(connection, user_id)):
        return
    if offered.issuer not in {identity.issuer for identity in identities.of_user(connection, user_id)}:
        raise Conflict("this is the only way to sign in: set a password, or add another way, before you remove it")


def admit(connection: Connection, user: User, identity: tuple[str, str], session_digest: str, session: Session) -> User:
    """Insert a user whom nobody invited, but whom a provider knows, and begin a session. Return the user.

    If another user has the name, a number is added to it (see `_free_name`). Raises Conflict if the identity belongs to
    a user, if another request has taken the name meanwhile, or if there are USERS_MAX users.
    """
    name = _free_name(connection, user.name)
    users.insert_user(connection, replace(user, name=name), joined_at=user.created_at)
    put(connection, user.id, Credential(identity=identity), user.created_at)
    by = sessions.principal_of(user.id, name, session_digest)
    acts.record(connection, by, "user.admitted", user.created_at, role=user.role, issuer=identity[0])
    sessions.begin(connection, session_digest, session, by, way="provider")
    return users.find(connection, user.id)


def _free_name(connection: Connection, name: str) -> str:
    """Return a name that no user has: `name` itself, or `name` and a number (the lowest from 2 on that makes it free).

    Raises Conflict if there is none.
    """
    for number in range(1, users.USERS_MAX + 2):
        free = name if number == 1 else f"{name} {number}"
        if connection.execute(select(_t.c.id).where(_t.c.login == login_of(free))).first() is None:
            return free
    raise Conflict(f"there are too many users of the name {name!r}")
