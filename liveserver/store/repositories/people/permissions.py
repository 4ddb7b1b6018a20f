"""The check of a principal's rights, in the transaction that writes for it.

A session may be ended, a role lowered or a key revoked while a request is under way. The transaction reads the rights
again, and shares the lock of the user (`locking`) or of the key. So if such a change was made before, the request is
refused; otherwise, the change waits for the end of the transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, select

from liveserver.domain.errors import Unauthorized
from liveserver.domain.ids import now
from liveserver.domain.people.principal import PrincipalKind
from liveserver.domain.people.rights import KeyRights, Rights, Role, ServerRights, UserRights, Verb, allowed
from liveserver.store import tables
from liveserver.store.chunks import chunks
from liveserver.store.repositories.people import api_keys, sessions

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection, RowMapping, Select

    from liveserver.domain.people.principal import Principal
    from liveserver.domain.people.user import Session

_users = tables.users
_sessions = tables.sessions
_members = tables.memberships
_blogs = tables.liveblogs

_USER = select(_users.c.name, _users.c.role, _users.c.disabled_at).where(_users.c.id == bindparam("user_id"))
_SESSION_USERS = (
    select(_sessions.c.digest, _sessions.c.seen_at, _sessions.c.created_at, _users.c.id, _users.c.name, _users.c.role)
    .join(_users, _users.c.id == _sessions.c.user_id)
    .where(_users.c.disabled_at.is_(None))
)
_MEMBERSHIPS_OF = select(_members.c.user_id, _members.c.role, _blogs.c.slug).join(
    _blogs, _blogs.c.id == _members.c.liveblog_id
)
_ROLES = select(_members.c.role).where(_members.c.user_id == bindparam("user_id"))
_ROLE_THERE = _ROLES.where(_members.c.liveblog_id == _blogs.c.id)


def _place(role: Select[tuple[str]]) -> Select[tuple[str | None, str | None]]:
    """Return the query of a live blog's opener and of a user's membership there, which `role` selects."""
    columns = (_blogs.c.opened_by, role.correlate(_blogs).scalar_subquery().label("role"))
    return select(*columns).where(_blogs.c.slug == bindparam("slug"))


# A transaction that only reads may not lock rows: PostgreSQL refuses it.
_ROLES_LOCKED = _ROLES.with_for_update(read=True)
_PLACE = _place(_ROLE_THERE)
_PLACE_LOCKED = _place(_ROLE_THERE.with_for_update(read=True))
_OPENED = select(_blogs.c.slug).where(_blogs.c.opened_by == bindparam("ref"))

SERVER_RIGHTS = ServerRights()


def confirm(connection: Connection, by: Principal, verb: Verb, slug: str | None, *, anywhere: bool = False) -> Rights:
    """Check that a principal's rights allow the verb now. Return the rights, as `rights_of` does.

    Call this in the transaction that writes for the principal, before anything else. `slug` and `anywhere`: see
    `Rights.require`. Raises Unauthorized if the session has ended, the user was disabled, or the API key is unknown,
    revoked or expired. Raises Forbidden if the verb isn't allowed.
    """
    rights = rights_of(connection, by, slug, lock=True, anywhere=anywhere)
    rights.require(verb, slug, anywhere=anywhere)
    return rights


def rights_of(
    connection: Connection, by: Principal, slug: str | None, *, lock: bool = False, anywhere: bool = True
) -> Rights:
    """Return a principal's present rights on the whole site, and on the live blog `slug` (None: on no live blog).

    With `lock`, the rights can't be changed by others until the transaction ends. `anywhere`: see `user_rights`. Raises
    Unauthorized if the session has ended, the user was disabled, or the API key is unknown, revoked or expired.
    """
    if by.kind is PrincipalKind.SERVER:
        return SERVER_RIGHTS
    if by.kind is PrincipalKind.KEY:
        return key_rights(connection, by.id, lock=lock)
    # The user first: only while the user is locked does the session stay as it is.
    rights = user_rights(connection, by.id, slug, lock=lock, anywhere=anywhere)
    sessions.confirm(connection, by.session or "", by.id)
    return rights


def key_rights(connection: Connection, key_id: str, *, lock: bool = False) -> KeyRights:
    """Return the rights of an API key. Raises Unauthorized if it is unknown, revoked or expired."""
    key = api_keys.find(connection, key_id, lock=lock)
    if key is None:
        raise Unauthorized(api_keys.UNKNOWN)
    key.check()
    return KeyRights(key.name, key.scopes, key.liveblogs)


def user_rights(
    connection: Connection, user_id: str, slug: str | None, *, lock: bool = False, anywhere: bool = True
) -> UserRights:
    """Return a user's present rights on the whole site, and on the live blog `slug` (None: on no live blog).

    Memberships are read only where they can add a right: never for an owner, and otherwise only the one on `slug`. If
    `slug` is None, all of them are read, for `UserRights.highest`: only if `anywhere` is True, and if the role on the
    whole site doesn't allow `write`. Raises Unauthorized if there is no such user, or the user was disabled.
    """
    query = _USER.with_for_update(read=True) if lock else _USER
    user = connection.execute(query, {"user_id": user_id}).one_or_none()
    if user is None or user.disabled_at is not None:
        raise Unauthorized("the user was disabled")
    rights = UserRights(user.name, Role(user.role) if user.role else None)
    if rights.role is Role.OWNER:
        return rights
    if slug is not None:
        place = connection.execute(_PLACE_LOCKED if lock else _PLACE, {"user_id": user_id, "slug": slug}).one_or_none()
        if place is None:
            return rights
        membership = Role(place.role) if place.role else None
        return rights._replace(membership=membership, opened=place.opened_by == f"{PrincipalKind.USER}:{user_id}")
    if not anywhere or (rights.role is not None and rights.role.rank >= Role.REPORTER.rank):
        return rights
    # No membership allows more than `write` and `see` where it is enough to have it on one live blog: see
    # `Rights.require`.
    roles = map(Role, connection.execute(_ROLES_LOCKED if lock else _ROLES, {"user_id": user_id}).scalars())
    return rights._replace(highest=max(roles, key=lambda role: role.rank, default=None))


def rights_on(connection: Connection, user_id: str, slugs: Collection[str]) -> dict[str, UserRights]:
    """Return a user's rights on each of several live blogs, by slug, for a request that only reads.

    Raises Unauthorized if there is no such user, or the user was disabled.
    """
    of_site = user_rights(connection, user_id, None, anywhere=False)
    memberships: dict[str, Role] = {}
    opened: set[str] = set()
    for chunk in chunks(sorted(slugs)):
        query = _MEMBERSHIPS_OF.where(_members.c.user_id == user_id, _blogs.c.slug.in_(chunk))
        memberships |= {row.slug: Role(row.role) for row in connection.execute(query)}
        query_opened = _OPENED.where(_blogs.c.slug.in_(chunk))
        opened |= set(connection.execute(query_opened, {"ref": f"{PrincipalKind.USER}:{user_id}"}).scalars())
    return {slug: of_site._replace(membership=memberships.get(slug), opened=slug in opened) for slug in slugs}


def managed(connection: Connection, user_id: str) -> frozenset[str]:
    """Return the slugs of the live blogs that a user who isn't an owner may manage.

    Only live blogs that the user opened, or of which the user is a member, are looked at. Raises Unauthorized as
    `rights_on` does.
    """
    opened = connection.execute(_OPENED, {"ref": f"{PrincipalKind.USER}:{user_id}"}).scalars()
    memberships = connection.execute(_MEMBERSHIPS_OF.where(_members.c.user_id == user_id)).all()
    candidates = {*opened, *(row.slug for row in memberships)}
    rights = rights_on(connection, user_id, candidates)
    return frozenset(slug for slug in candidates if allowed(rights[slug], Verb.MANAGE, slug))


def confirm_unlocked(
    connection: Connection, by: Principal, verb: Verb, slug: str | None, *, anywhere: bool = False
) -> Rights:
    """Do the same as `confirm`, but without locks, for a request that only reads."""
    rights = rights_of(connection, by, slug, anywhere=anywhere)
    rights.require(verb, slug, anywhere=anywhere)
    return rights


class SessionRights(NamedTuple):
    """A session, and the rights of its user."""

    session: Session
    rights: UserRights


def of_session(connection: Connection, digest: str, slug: str | None) -> SessionRights | None:
    """Return the session whose token has this hash, and the rights of its user. `slug`: see `user_rights`.

    Returns None if there is no such session, or it is over, or the user was disabled.
    """
    session = sessions.find(connection, digest)
    if session is None:
        return None
    try:
        return SessionRights(session, user_rights(connection, session.user_id, slug))
    except Unauthorized:
        return None


def seeing(connection: Connection, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], bool]:
    """Return, for each pair, whether the session's user may see the unpublished work of the live blog.

    `pairs`: each is the hash of a session's token, and the slug of a live blog. A pair is left out if there is no such
    session, if the session is over, or if the user was disabled. Each process asks once a second for all its
    desk streams, which takes two statements for up to `chunks.AT_ONCE` sessions.
    """
    at = now()
    users: dict[str, RowMapping] = {}
    for chunk in chunks(sorted({digest for digest, _ in pairs})):
        rows = connection.execute(_SESSION_USERS.where(_sessions.c.digest.in_(chunk))).mappings()
        users |= {row["digest"]: row for row in rows if not sessions.is_over(row["seen_at"], row["created_at"], at)}
    memberships: dict[tuple[str, str], Role] = {}
    for user_ids in chunks(sorted({row["id"] for row in users.values()})):
        for slugs in chunks(sorted({slug for _, slug in pairs})):
            query = _MEMBERSHIPS_OF.where(_members.c.user_id.in_(user_ids), _blogs.c.slug.in_(slugs))
            memberships |= {(row.user_id, row.slug): Role(row.role) for row in connection.execute(query)}
    found: dict[tuple[str, str], bool] = {}
    for digest, slug in pairs:
        if (user := users.get(digest)) is not None:
            role = Role(user["role"]) if user["role"] else None
            rights = UserRights(user["name"], role, membership=memberships.get((user["id"], slug)))
            found[digest, slug] = allowed(rights, Verb.SEE, slug)
    return found


def of_principal(connection: Connection, ref: str, slug: str | None) -> Rights:
    """Return the rights of the user or API key that `ref` names (`Principal.ref`). `slug`: see `user_rights`.

    Raises Unauthorized if there is no such user or API key, if the user was disabled, or if the key was revoked or has
    expired.
    """
    kind, _, principal_id = ref.partition(":")
    if kind == PrincipalKind.USER:
        return user_rights(connection, principal_id, slug)
    return key_rights(connection, principal_id)
