"""The queries of API keys. The store has a hash of a key's secret, never the secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select, update

from liveserver.domain.errors import Forbidden, NotFound, Unauthorized
from liveserver.domain.ids import now
from liveserver.store import tables
from liveserver.store.chunks import chunks
from liveserver.store.repositories import liveblogs

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row, RowMapping

_t = tables.api_keys
UNKNOWN = "the API key is unknown (was it made on another database?)"

_FIND = select(_t).where(_t.c.id == bindparam("key_id"))
_FIND_ANY = select(_t).where(_t.c.id.in_(bindparam("key_ids", expanding=True)))
_TERM = select(_t.c.revoked_at, _t.c.expires_at, _t.c.name, _t.c.liveblogs).where(_t.c.id == bindparam("key_id"))


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key: its name, its scopes, the time for which it is valid, and the hash of its secret."""

    id: str
    name: str
    secret_hash: str
    """The SHA-256 hash of the secret, in hexadecimal digits."""
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    liveblogs: frozenset[str] | None = None
    """The slugs of the live blogs that the key is limited to; None if it isn't limited."""

    def check(self) -> None:
        """Raise Unauthorized if the key was revoked or has expired."""
        _check(self.revoked_at, self.expires_at)


def _check(revoked_at: datetime | None, expires_at: datetime | None) -> None:
    if revoked_at is not None:
        raise Unauthorized("the API key was revoked")
    if expires_at is not None and expires_at <= now():
        raise Unauthorized("the API key has expired")


def check_liveblog(name: str, liveblogs: Collection[str] | None, slug: str | None) -> None:
    """Raise Forbidden if a key that is limited to `liveblogs` is used for another live blog, or for the whole site.

    `name`: the key's name, for the message. `liveblogs`: None if the key isn't limited. `slug`: the live blog that the
    key is used for; None for the whole site.
    """
    if liveblogs is not None and slug not in liveblogs:
        raise Forbidden(f"the key “{name}” is limited to {', '.join(sorted(liveblogs))}")


def _key(row: RowMapping) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        secret_hash=row["secret_hash"],
        scopes=frozenset(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        liveblogs=None if row["liveblogs"] is None else frozenset(row["liveblogs"]),
    )


def add(connection: Connection, key: ApiKey) -> None:
    """Insert an API key. Raises NotFound if the key is limited to a live blog that doesn't exist."""
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


def every(connection: Connection) -> list[ApiKey]:
    """Return all API keys, oldest first, including revoked and expired keys."""
    query = select(_t).order_by(_t.c.created_at, _t.c.id)
    return [_key(row) for row in connection.execute(query).mappings()]


def find(connection: Connection, key_id: str) -> ApiKey | None:
    """Return the API key with this id, even if it was revoked or has expired. None if there is no such key."""
    if "\x00" in key_id:
        return None
    row = connection.execute(_FIND, {"key_id": key_id}).mappings().one_or_none()
    return None if row is None else _key(row)


def find_any(connection: Connection, key_ids: Sequence[str]) -> dict[str, ApiKey]:
    """Return the API keys with these ids, by id, even if they were revoked or have expired.

    An id that no key has is left out.
    """
    keys: dict[str, ApiKey] = {}
    for chunk in chunks([key_id for key_id in key_ids if "\x00" not in key_id]):
        keys.update((row["id"], _key(row)) for row in connection.execute(_FIND_ANY, {"key_ids": chunk}).mappings())
    return keys


def confirm(connection: Connection, key_id: str, slug: str) -> None:
    """Check that the API key is valid now, and may be used for this live blog.

    Call this function in the transaction in which the request with the key writes. Raises Unauthorized if the key is
    unknown, revoked or expired. Raises Forbidden if the key is limited to other live blogs.
    """
    term = confirm_good(connection, key_id)
    check_liveblog(term.name, term.liveblogs, slug)


def confirm_good(connection: Connection, key_id: str) -> Row[Any, Any, Any, Any]:
    """Check that the API key is valid now, even if it is limited to some live blogs.

    Returns a row with the key's time of revocation, time of expiry, name and live blogs. Raises Unauthorized if the key
    is unknown, revoked or expired.
    """
    term = connection.execute(_TERM, {"key_id": key_id}).one_or_none()
    if term is None:
        raise Unauthorized(UNKNOWN)
    _check(term.revoked_at, term.expires_at)
    return term


def revoke(connection: Connection, key_id: str, at: datetime) -> None:
    """Mark an API key as revoked at the time `at`. Raises NotFound.

    A key that is revoked already keeps the time of its first revocation.
    """
    if find(connection, key_id) is None:
        raise NotFound(f"there is no key {key_id!r}")
    connection.execute(update(_t).where(_t.c.id == key_id).values(revoked_at=func.coalesce(_t.c.revoked_at, at)))
