"""The queries that make and revoke API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, update

from liveserver.domain.errors import NotFound
from liveserver.domain.people.rights import Verb
from liveserver.store import tables
from liveserver.store.repositories import liveblogs
from liveserver.store.repositories.people import acts, permissions
from liveserver.store.repositories.people.api_keys import find

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from liveserver.domain.people.principal import Principal
    from liveserver.store.repositories.people.api_keys import ApiKey

_t = tables.api_keys


def add(connection: Connection, key: ApiKey, by: Principal) -> None:
    """Insert an API key. Raises NotFound if the key is limited to a live blog that doesn't exist.

    Raises Unauthorized or Forbidden if the principal `by` may not make keys now.
    """
    permissions.confirm(connection, by, Verb.ADMINISTER, None)
    if key.liveblogs is not None:
        unknown = sorted(key.liveblogs - liveblogs.positions(connection, key.liveblogs).keys())
        if unknown:
            raise NotFound(f"there is no live blog {', '.join(map(repr, unknown))}")
    connection.execute(
        insert(_t).values(
            id=key.id,
            name=key.name,
            secret_hash=key.secret_hash,
            scopes=sorted(key.scopes),
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            liveblogs=None if key.liveblogs is None else sorted(key.liveblogs),
        )
    )
    acts.record(
        connection,
        by,
        "key.created",
        key.created_at,
        key=key.id,
        key_name=key.name,
        scopes=sorted(key.scopes),
        liveblogs=None if key.liveblogs is None else sorted(key.liveblogs),
    )


def revoke(connection: Connection, key_id: str, at: datetime, by: Principal) -> None:
    """Mark an API key as revoked at the time `at`. Raises NotFound.

    A key that is revoked already keeps the time of its first revocation. Raises Unauthorized or Forbidden if the
    principal `by` may not revoke keys now.
    """
    permissions.confirm(connection, by, Verb.ADMINISTER, None)
    key = find(connection, key_id)
    if key is None:
        raise NotFound(f"there is no key {key_id!r}")
    # The condition is part of the change: another transaction may have revoked the key since it was read.
    revoke_once = update(_t).where(_t.c.id == key_id, _t.c.revoked_at.is_(None)).values(revoked_at=at)
    if connection.execute(revoke_once).rowcount:
        acts.record(connection, by, "key.revoked", at, key=key_id, key_name=key.name)
