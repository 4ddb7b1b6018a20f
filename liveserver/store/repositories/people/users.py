"""The queries of users and their roles: invite, change, disable, list."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from liveserver.domain.errors import Conflict, NotFound, check_version
from liveserver.domain.people.principal import PrincipalKind
from liveserver.domain.people.rights import Role, Verb, allowed
from liveserver.domain.people.user import Membership, User, UserState, login_of
from liveserver.store import tables
from liveserver.store.chunks import chunks
from liveserver.store.pages import newest_page
from liveserver.store.repositories import liveblogs
from liveserver.store.repositories.people import acts, permissions, sessions
from liveserver.store.repositories.people.locking import lock_users

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

    from liveserver.domain.ids import EntityVersion
    from liveserver.domain.people.principal import Principal
    from liveserver.domain.people.user import JoinLink
    from liveserver.store.repositories.people.sessions import Ended

_t = tables.users
_links = tables.join_links
_members = tables.memberships
_blogs = tables.liveblogs

USERS_MAX = 5_000
"""The greatest number of users, disabled ones included."""
MEMBERSHIPS_MAX = 200
"""The greatest number of memberships of a user. All are read with each request of the user."""
MEMBERSHIPS_OF_OWNERS = 50
"""The number of a user's memberships, among MEMBERSHIPS_MAX, that only owners of the site can give. An editor opens any
number of live blogs, and adds anybody to them: without these, one could keep a colleague out of all others."""
MEMBERS_MAX = 500
"""The greatest number of members of a live blog. They are listed on one page."""

_FIND = select(_t).where(_t.c.id == bindparam("user_id"))
_FIND_BY_LOGIN = select(_t).where(_t.c.login == bindparam("login"))


class NewUser(NamedTuple):
    """An invited user, the link by which the user joins, and the hash of the link's token (`digest`)."""

    user: User
    digest: str
    link: JoinLink


class UserChange(NamedTuple):
    """The changes to make to a user. A field that is None stays as it is."""

    name: str | None = None
    role: Role | None = None
    """The new role on the whole site."""
    no_role: bool = False
    """True to take the role on the whole site away, so that only the memberships count."""
    disabled: bool | None = None


def _state(row: RowMapping) -> UserState:
    if row["disabled_at"] is not None:
        return UserState.DISABLED
    return UserState.INVITED if row["joined_at"] is None else UserState.ACTIVE


def _user(row: RowMapping) -> User:
    return User(
        id=row["id"],
        name=row["name"],
        role=Role(row["role"]) if row["role"] else None,
        state=_state(row),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
    )


def invite(connection: Connection, new: NewUser, by: Principal) -> User:
    """Insert a user who hasn't joined yet, with the memberships and the link; return the user.

    Raises Conflict if there is a user of this name already, if there are USERS_MAX users, or if the live blog of a
    membership has MEMBERS_MAX members. Raises NotFound if the live blog of a membership doesn't exist.
    """
    permissions.confirm(connection, by, Verb.ADMINISTER, None)
    user, at = new.user, new.user.created_at
    insert_user(connection, user)
    for slug, role in user.memberships:
        blog = liveblogs.find(connection, slug)
        _check_members(connection, slug, blog.id)
        connection.execute(insert(_members).values(user_id=user.id, liveblog_id=blog.id, role=role))
    put_link(connection, new.digest, new.link)
    acts.record(
        connection,
        by,
        "user.invited",
        at,
        liveblog=user.memberships[0].slug if user.memberships else None,
        user=user.id,
        user_name=user.name,
        role=user.role or (user.memberships[0].role if user.memberships else None),
    )
    return user


def insert_user(connection: Connection, user: User, *, joined_at: datetime | None = None) -> None:
    """Insert a user without memberships. The caller records the act. `joined_at`: None if the user hasn't joined yet.

    Raises Conflict if there is a user of this name already, or if there are USERS_MAX users.
    """
    with suppress(NotFound):
        raise _taken(find_by_name(connection, user.name))
    if connection.execute(select(func.count()).select_from(_t)).scalar_one() >= USERS_MAX:
        raise Conflict(f"there are {USERS_MAX} users, as many as there may be")
    try:
        connection.execute(
            insert(_t).values(
                id=user.id,
                name=user.name,
                login=login_of(user.name),
                role=user.role,
                joined_at=joined_at,
                created_at=user.created_at,
                updated_at=user.created_at,
                version=1,
            )
        )
    except IntegrityError as error:
        raise Conflict(f"there is already a user {user.name!r}") from error


def _taken(user: User) -> Conflict:
    """Return the error that says that a name is taken, and what may help the person who has it."""
    hint = {
        UserState.INVITED: ", who is invited: reset them for a new link",
        UserState.DISABLED: ", who is disabled: enable them",
    }
    return Conflict(f"there is already a user {user.name!r}{hint.get(user.state, '')}")


def put_link(connection: Connection, digest: str, link: JoinLink) -> None:
    """Insert a link under the hash of its token. Delete the user's earlier links, and all users' expired links.

    The caller has locked the user.
    """
    # As in `sessions.delete_over`: others' links that are locked are left to others.
    expired = select(_links.c.digest).where(_links.c.expires_at <= link.created_at).with_for_update(skip_locked=True)
    connection.execute(delete(_links).where(_links.c.digest.in_(expired)))
    connection.execute(delete(_links).where(_links.c.user_id == link.user_id))
    connection.execute(
        insert(_links).values(
            digest=digest,
            user_id=link.user_id,
            kind=link.kind,
            created_at=link.created_at,
            expires_at=link.expires_at,
        )
    )


def find(connection: Connection, user_id: str) -> User:
    """Return the user with this id, with the memberships. Raises NotFound if there is none."""
    return _with_memberships(connection, [_find(connection, user_id)])[0]


def find_by_name(connection: Connection, name: str) -> User:
    """Return the user with this name, with the memberships. Raises NotFound if there is none."""
    row = None
    if "\x00" not in name:
        row = connection.execute(_FIND_BY_LOGIN, {"login": login_of(name)}).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no user {name!r}")
    return _with_memberships(connection, [_user(row)])[0]


def _find(connection: Connection, user_id: str) -> User:
    row = None
    if "\x00" not in user_id:
        row = connection.execute(_FIND, {"user_id": user_id}).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no user {user_id!r}")
    return _user(row)


def page(connection: Connection, *, limit: int, cursor: str | None = None) -> tuple[list[User], str | None]:
    """Return a page of users with their memberships, newest first, and the next page's cursor (None: the last page).

    Raises InvalidInput for a bad cursor.
    """
    found, next_cursor = newest_page(connection, select(_t), _t, _user, limit=limit, cursor=cursor)
    return _with_memberships(connection, found), next_cursor


def every(connection: Connection) -> list[User]:
    """Return all users with their memberships, oldest first."""
    rows = connection.execute(select(_t).order_by(_t.c.created_at, _t.c.id)).mappings()
    return _with_memberships(connection, [_user(row) for row in rows])


def _with_memberships(connection: Connection, found: Sequence[User]) -> list[User]:
    by_user: dict[str, list[Membership]] = {}
    query = select(_members.c.user_id, _blogs.c.slug, _members.c.role).join(
        _blogs, _blogs.c.id == _members.c.liveblog_id
    )
    for chunk in chunks([user.id for user in found]):
        for row in connection.execute(query.where(_members.c.user_id.in_(chunk)).order_by(_blogs.c.slug)):
            by_user.setdefault(row.user_id, []).append(Membership(row.slug, Role(row.role)))
    return [replace(user, memberships=tuple(by_user.get(user.id, ()))) for user in found]


def edit(
    connection: Connection,
    user_id: str,
    change: UserChange,
    by: Principal,
    at: datetime,
    *,
    version: EntityVersion | None = None,
) -> tuple[User, list[Ended]]:
    """Change a user's name or role, or disable or enable the user. Return the user, and the sessions that ended.

    A disabled user's sessions end, and the user's links are void. `version`: raises VersionConflict unless this is the
    user's version (None: any). Raises NotFound if there is no such user. Raises Conflict if the name is taken. Raises
    Conflict, too, if no enabled owner who has joined would be left, except if `by` is the server itself.
    """
    # All owners, as two of them could otherwise take the role from each other at once, and none would be left.
    lock_users(connection, by.id, user_id, owners=True)
    permissions.confirm(connection, by, Verb.ADMINISTER, None)
    old = _find(connection, user_id)
    check_version(old, version, old.entity_version.history)
    name = old.name if change.name is None else change.name
    role = None if change.no_role else change.role or old.role
    disabled = (old.state is UserState.DISABLED) if change.disabled is None else change.disabled
    changed = {"name": name, "role": role}
    fields = [field for field, value in changed.items() if value != getattr(old, field)]
    if disabled != (old.state is UserState.DISABLED):
        fields.append("disabled")
    if not fields:
        return find(connection, user_id), []
    values = {"name": name, "login": login_of(name), "role": role, "updated_at": at, "version": old.version + 1}
    if "disabled" in fields:
        values["disabled_at"] = at if disabled else None
    try:
        connection.execute(update(_t).where(_t.c.id == user_id).values(values))
    except IntegrityError as error:
        raise Conflict(f"there is already a user {name!r}") from error
    ended: list[Ended] = []
    if disabled:
        ended = sessions.end_all(connection, user_id)
        connection.execute(delete(_links).where(_links.c.user_id == user_id))
    if old.role is Role.OWNER and by.kind is not PrincipalKind.SERVER:
        _check_owner_left(connection)
    acts.record(
        connection,
        by,
        "user.disabled" if "disabled" in fields and disabled else "user.changed",
        at,
        user=user_id,
        user_name=name,
        role=role or "none",
        changed=fields,
    )
    return find(connection, user_id), ended


def _check_owner_left(connection: Connection) -> None:
    """Raise Conflict if no owner is left who has joined and isn't disabled. The caller has locked all owners."""
    left = select(_t.c.id).where(_t.c.role == Role.OWNER, _t.c.joined_at.is_not(None), _t.c.disabled_at.is_(None))
    if connection.execute(left.limit(1)).first() is None:
        raise Conflict("this is the last owner: make another one first")


def set_membership(
    connection: Connection, slug: str, user_id: str, role: Role | None, by: Principal, at: datetime
) -> User:
    """Give a user a role on a live blog (None: take it away), and return the user.

    Raises NotFound if there is no such user or live blog, or if there is no membership to take away. Raises Conflict
    if the user would have more than MEMBERSHIPS_MAX memberships (less MEMBERSHIPS_OF_OWNERS, if `by` isn't an owner of
    the site), or the live blog more than MEMBERS_MAX members. Raises Unauthorized, or Forbidden, also if `by` would
    give or take a role above their own.
    """
    lock_users(connection, by.id, user_id)
    rights = permissions.confirm(connection, by, Verb.MANAGE, slug)
    blog = liveblogs.find(connection, slug)
    user = _find(connection, user_id)
    one = (_members.c.user_id == user_id) & (_members.c.liveblog_id == blog.id)
    present = connection.execute(select(_members.c.role).where(one)).scalar_one_or_none()
    if role is None and present is None:
        raise NotFound(f"{user.name} has no membership of {slug}")
    if role == present:
        return find(connection, user_id)
    for changed in (role, None if present is None else Role(present)):
        if changed is not None:
            rights.check_gives(changed)
    if role is None:
        connection.execute(delete(_members).where(one))
    elif present is not None:
        connection.execute(update(_members).where(one).values(role=role))
    else:
        count = select(func.count()).select_from(_members).where(_members.c.user_id == user_id)
        memberships = connection.execute(count).scalar_one()
        if memberships >= MEMBERSHIPS_MAX:
            raise Conflict(f"{user.name} has {MEMBERSHIPS_MAX} memberships, as many as there may be")
        if memberships >= MEMBERSHIPS_MAX - MEMBERSHIPS_OF_OWNERS and not allowed(rights, Verb.ADMINISTER, None):
            raise Conflict(f"{user.name} has {memberships} memberships: only an owner of the site gives more")
        _check_members(connection, slug, blog.id)
        connection.execute(insert(_members).values(user_id=user_id, liveblog_id=blog.id, role=role))
    acts.record(
        connection, by, "member.changed", at, liveblog=slug, user=user_id, user_name=user.name, role=role or "none"
    )
    return find(connection, user_id)


def _check_members(connection: Connection, slug: str, liveblog_id: int) -> None:
    """Raise Conflict if the live blog has MEMBERS_MAX members."""
    count = select(func.count()).select_from(_members).where(_members.c.liveblog_id == liveblog_id)
    if connection.execute(count).scalar_one() >= MEMBERS_MAX:
        raise Conflict(f"{slug} has {MEMBERS_MAX} members, as many as there may be")


def members(connection: Connection, slug: str) -> list[tuple[User, Role]]:
    """Return the members of a live blog with their roles there, sorted by name. Raises NotFound."""
    blog = liveblogs.find(connection, slug)
    query = select(_t, _members.c.role.label("here")).join(_members, _members.c.user_id == _t.c.id)
    rows = connection.execute(query.where(_members.c.liveblog_id == blog.id).order_by(_t.c.login)).mappings()
    return [(_user(row), Role(row["here"])) for row in rows]
