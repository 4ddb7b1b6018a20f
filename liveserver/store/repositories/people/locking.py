"""The lock of a user: the row in `users` stands for all that belongs to the user.

That is the role, the memberships, the password, the passkeys, the identities, the links and the sessions. Whoever
changes any of it holds the lock of this module first, and whoever writes for the user shares it
(`permissions.confirm`). So one of two transactions waits for the other, and sees what the other has done.

All take locks in the same order, so that no two transactions wait for each other: first users, by id, then the key of
the API, then the live blog, then the rest. On SQLite, a transaction that writes is always the only one, and needs no
locks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from liveserver.domain.people.rights import Role
from liveserver.store import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

_t = tables.users
_LOCK = select(_t.c.id).order_by(_t.c.id).with_for_update()


def lock_users(connection: Connection, *user_ids: str, owners: bool = False) -> None:
    """Lock users until the transaction ends: others can neither change them nor write for them.

    Ids that no user has are left out. `owners`: True to lock all owners of the site as well. Call this before anything
    else, and once: two calls could take the locks in another order than other transactions do.
    """
    known = _t.c.id.in_([user_id for user_id in user_ids if "\x00" not in user_id])
    connection.execute(_LOCK.where(or_(known, _t.c.role == Role.OWNER) if owners else known)).all()
