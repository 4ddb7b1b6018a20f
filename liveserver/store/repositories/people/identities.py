"""The queries of identities: users as OpenID providers know them, each by the provider's issuer and a subject there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from liveserver.domain.errors import Conflict, NotFound
from liveserver.domain.people.user import UserIdentity
from liveserver.store import tables
from liveserver.store.repositories.people import acts

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from liveserver.domain.people.principal import Principal

_t = tables.identities

IDENTITIES_MAX = 20
"""The greatest number of identities of a user."""


class TooManyIdentities(Conflict):
    """The user has IDENTITIES_MAX identities."""


def of_user(connection: Connection, user_id: str) -> list[UserIdentity]:
    """Return a user's identities, oldest first."""
    query = select(_t).where(_t.c.user_id == user_id).order_by(_t.c.created_at, _t.c.issuer, _t.c.subject)
    return [UserIdentity(**row) for row in connection.execute(query).mappings()]


def user_of(connection: Connection, issuer: str, subject: str) -> str | None:
    """Return the id of the user whom a provider knows by this subject; None if there is none."""
    query = select(_t.c.user_id).where(_t.c.issuer == issuer, _t.c.subject == subject)
    return connection.execute(query).scalar_one_or_none()


def used(connection: Connection, issuer: str, subject: str, at: datetime) -> str | None:
    """Record the time `at` as the identity's last use. Return the id of its user; None if nobody has this identity."""
    query = update(_t).where(_t.c.issuer == issuer, _t.c.subject == subject).values(used_at=at)
    return connection.execute(query.returning(_t.c.user_id)).scalar_one_or_none()


def add(connection: Connection, user_id: str, issuer: str, subject: str, at: datetime) -> None:
    """Insert an identity, which was used at the time `at`. The caller records the act.

    Raises TooManyIdentities, and Conflict if the identity belongs to a user already.
    """
    if len(of_user(connection, user_id)) >= IDENTITIES_MAX:
        raise TooManyIdentities(f"there are {IDENTITIES_MAX} identities, as many as there may be: remove one")
    values = {"issuer": issuer, "subject": subject, "user_id": user_id, "created_at": at, "used_at": at}
    try:
        connection.execute(insert(_t).values(values))
    except IntegrityError as error:
        raise Conflict("this identity belongs to a user already") from error


def remove(connection: Connection, by: Principal, identity_id: str, at: datetime) -> None:
    """Delete one of the acting user's own identities, and record the act. Raises NotFound.

    The caller checks that the user can still sign in.
    """
    found = next((each for each in of_user(connection, by.id) if each.id == identity_id), None)
    if found is None:
        raise NotFound("there is no such identity")
    connection.execute(delete(_t).where(_t.c.issuer == found.issuer, _t.c.subject == found.subject))
    acts.record(connection, by, "user.identity_removed", at, issuer=found.issuer)
