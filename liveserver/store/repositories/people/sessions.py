"""The queries of sessions. The store has the hash of a session's token, never the token."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update

from liveserver.domain.errors import NotFound, Unauthorized
from liveserver.domain.ids import now
from liveserver.domain.people.principal import Principal, PrincipalKind
from liveserver.domain.people.user import Session
from liveserver.store import tables
from liveserver.store.chunks import chunks
from liveserver.store.repositories.people import acts
from liveserver.store.repositories.people.locking import lock_users

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

_t = tables.sessions
_users = tables.users
_acts = tables.acts

IDLE = timedelta(hours=12)
"""The time from the last request of a session to its end."""
LONGEST = timedelta(days=30)
"""The longest time from the beginning of a session to its end, however often it is used."""
SEEN_EVERY = timedelta(minutes=5)
"""The shortest time after which the time of a session's last request is recorded again."""
SESSIONS_MAX = 50
"""The greatest number of sessions of a user. When another session begins, the least recently used session ends."""

_FIND = select(_t).where(_t.c.digest == bindparam("digest"))
_OVER = "the session has ended: sign in again"


class Ended(NamedTuple):
    """A session that has just been ended."""

    id: str
    digest: str


def _session(row: RowMapping) -> Session:
    return Session(
        id=row["id"],
        user_id=row["user_id"],
        created_at=row["created_at"],
        seen_at=row["seen_at"],
        confirmed_at=row["confirmed_at"],
        address=row["address"],
        agent=row["agent"],
    )


def is_over(seen_at: datetime, created_at: datetime, at: datetime) -> bool:
    """Return True if, at the moment `at`, a session was last used at least IDLE ago, or began at least LONGEST ago."""
    return seen_at + IDLE <= at or created_at + LONGEST <= at


def _is_over(session: Session, at: datetime) -> bool:
    return is_over(session.seen_at, session.created_at, at)


def find(connection: Connection, digest: str) -> Session | None:
    """Return the session whose token has this hash; None if there is none, or it is over."""
    row = connection.execute(_FIND, {"digest": digest}).mappings().one_or_none()
    if row is None:
        return None
    session = _session(row)
    return None if _is_over(session, now()) else session


def confirm(connection: Connection, digest: str, user_id: str) -> None:
    """Raise Unauthorized if there is no session of this user whose token has this hash, or if it is over.

    If the user is locked, the session can't be ended by others until the transaction ends.
    """
    session = find(connection, digest)
    if session is None or session.user_id != user_id:
        raise Unauthorized(_OVER)


def acting(connection: Connection, by: Principal) -> None:
    """Lock a user who acts on their own account, and check that the session from which they act works.

    Call this in the transaction that writes, before anything else. Raises Unauthorized if the session has ended, or
    the user was disabled.
    """
    lock_users(connection, by.id)
    enabled = select(_users.c.id).where(_users.c.id == by.id, _users.c.disabled_at.is_(None))
    if connection.execute(enabled).first() is None:
        raise Unauthorized(_OVER)
    confirm(connection, by.session or "", by.id)


def alive(connection: Connection, digests: Sequence[str]) -> set[str]:
    """Return the hashes of tokens (out of `digests`) whose sessions still work.

    A session doesn't work if it is over, or if its user was disabled.
    """
    at = now()
    query = select(_t).join(_users, _users.c.id == _t.c.user_id).where(_users.c.disabled_at.is_(None))
    found: set[str] = set()
    for chunk in chunks(digests):
        rows = connection.execute(query.where(_t.c.digest.in_(chunk))).mappings()
        found |= {row["digest"] for row in rows if not _is_over(_session(row), at)}
    return found


def begin(connection: Connection, digest: str, session: Session, by: Principal, *, way: str) -> None:
    """Insert a session, which begins as a user signs in. The caller has locked the user.

    `way`: how the user signed in, for the audit log. Also deletes all sessions that are over. If the user has more than
    SESSIONS_MAX sessions, the least recently used sessions are deleted, too.
    """
    delete_over(connection, session.created_at)
    connection.execute(
        insert(_t).values(
            digest=digest,
            id=session.id,
            user_id=session.user_id,
            created_at=session.created_at,
            seen_at=session.seen_at,
            confirmed_at=session.confirmed_at,
            address=session.address,
            agent=session.agent,
        )
    )
    kept = select(_t.c.digest).where(_t.c.user_id == session.user_id)
    kept = kept.order_by(_t.c.seen_at.desc(), _t.c.digest).limit(SESSIONS_MAX)
    connection.execute(delete(_t).where(_t.c.user_id == session.user_id, _t.c.digest.not_in(kept)))
    acts.record(
        connection, by, "session.began", session.created_at, session=session.id, way=way, address=session.address
    )


def delete_over(connection: Connection, at: datetime) -> None:
    """Delete the sessions that are over at a moment."""
    # They are other users' sessions, too. What another transaction has locked is left to that one, or to the next
    # call: two that wait for each other's rows would be a deadlock.
    over = select(_t.c.digest).where(or_(_t.c.seen_at <= at - IDLE, _t.c.created_at <= at - LONGEST))
    connection.execute(delete(_t).where(_t.c.digest.in_(over.with_for_update(skip_locked=True))))


def seen(connection: Connection, digests: Sequence[str], at: datetime) -> None:
    """Record the time `at` as the last use of the sessions whose tokens have these hashes.

    A session stays as it is if a later time is recorded, or if it is over: its user must sign in again.
    """
    usable = and_(_t.c.seen_at < at, _t.c.seen_at > at - IDLE, _t.c.created_at > at - LONGEST)
    for chunk in chunks(digests):
        # As in `delete_over`: what another transaction has locked is left to it.
        found = select(_t.c.digest).where(_t.c.digest.in_(chunk), usable).with_for_update(skip_locked=True)
        connection.execute(update(_t).where(_t.c.digest.in_(found)).values(seen_at=at))


def of_user(connection: Connection, user_id: str) -> list[Session]:
    """Return a user's sessions that aren't over. The one that was used last comes first."""
    at = now()
    rows = connection.execute(select(_t).where(_t.c.user_id == user_id).order_by(_t.c.seen_at.desc())).mappings()
    return [session for session in map(_session, rows) if not _is_over(session, at)]


def last_seen(connection: Connection) -> dict[str, datetime]:
    """Return the time when each user was last seen, by user id. A user who was never seen is left out.

    This is the later of two times: the last use of the user's sessions that the store still has, and the user's last
    act in the audit log.
    """
    last_use = select(func.max(_t.c.seen_at)).where(_t.c.user_id == _users.c.id).scalar_subquery()
    last_act = select(func.max(_acts.c.at)).where(_acts.c.principal_id == _users.c.id)
    query = select(_users.c.id, last_use.label("used"), last_act.scalar_subquery().label("acted"))
    times = ((row.id, [at for at in (row.used, row.acted) if at is not None]) for row in connection.execute(query))
    return {user_id: max(found) for user_id, found in times if found}


def end(connection: Connection, session_id: str, by: Principal, at: datetime) -> Ended:
    """End one session of the acting user. Raises NotFound if the user has no such session.

    Raises Unauthorized as `acting` does.
    """
    acting(connection, by)
    query = delete(_t).where(_t.c.user_id == by.id, _t.c.id == session_id).returning(_t.c.digest)
    digest = None if "\x00" in session_id else connection.execute(query).scalar_one_or_none()
    if digest is None:
        raise NotFound(f"there is no session {session_id!r}")
    acts.record(connection, by, "session.ended", at, session=session_id, user=by.id)
    return Ended(session_id, digest)


def end_all(connection: Connection, user_id: str, *, but: str | None = None) -> list[Ended]:
    """End all sessions of a user, except the one whose token has the hash `but`; return the ended ones.

    The caller has locked the user, and records the act.
    """
    query = delete(_t).where(_t.c.user_id == user_id)
    if but is not None:
        query = query.where(_t.c.digest != but)
    return [Ended(*row) for row in connection.execute(query.returning(_t.c.id, _t.c.digest))]


def principal_of(user_id: str, name: str, digest: str) -> Principal:
    """Return the principal of a user who acts from the session whose token has this hash."""
    return Principal(PrincipalKind.USER, user_id, name, digest)


def end_all_by(connection: Connection, by: Principal, at: datetime, *, but: str | None = None) -> list[Ended]:
    """End all sessions of the acting user, except the one whose token has the hash `but`; return the ended ones.

    Raises Unauthorized as `acting` does.
    """
    acting(connection, by)
    ended = end_all(connection, by.id, but=but)
    acts.record(connection, by, "session.ended_all", at, count=len(ended))
    return ended
