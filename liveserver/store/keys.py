"""API keys, as the store keeps them: a hash of the secret, never the secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, insert, select, update

from liveserver.errors import NotFound, Unauthorized
from liveserver.model import now
from liveserver.store import tables

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

_t = tables.api_keys
UNKNOWN = "the API key is unknown (was it made on another database?)"

_FIND = select(_t).where(_t.c.id == bindparam("key_id"))
_TERM = select(_t.c.revoked_at, _t.c.expires_at).where(_t.c.id == bindparam("key_id"))


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Who may write, and what."""

    id: str
    name: str
    secret_hash: str
    """SHA-256 of the secret, in hex."""
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def check(self) -> None:
        """Raises Unauthorized for a key that isn't good any more."""
        _check(self.revoked_at, self.expires_at)


def _check(revoked_at: datetime | None, expires_at: datetime | None) -> None:
    if revoked_at is not None:
        raise Unauthorized("the API key was revoked")
    if expires_at is not None and expires_at <= now():
        raise Unauthorized("the API key has expired")


def _key(row: RowMapping) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        secret_hash=row["secret_hash"],
        scopes=frozenset(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )


def add(connection: Connection, key: ApiKey) -> None:
    """Insert it."""
    connection.execute(
        insert(_t).values(
            id=key.id,
            name=key.name,
            secret_hash=key.secret_hash,
            scopes=sorted(key.scopes),
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        )
    )


def every(connection: Connection) -> list[ApiKey]:
    """All, revoked and expired ones too, oldest first."""
    query = select(_t).order_by(_t.c.created_at, _t.c.id)
    return [_key(row) for row in connection.execute(query).mappings()]


def find(connection: Connection, key_id: str) -> ApiKey | None:
    """The key, whether or not it is still good."""
    if "\x00" in key_id:
        return None
    row = connection.execute(_FIND, {"key_id": key_id}).mappings().one_or_none()
    return None if row is None else _key(row)


def confirm(connection: Connection, key_id: str) -> None:
    """See that the key is good still, as a part of what is done with it. Raises Unauthorized."""
    term = connection.execute(_TERM, {"key_id": key_id}).one_or_none()
    if term is None:
        raise Unauthorized(UNKNOWN)
    _check(*term)


def revoke(connection: Connection, key_id: str, at: datetime) -> None:
    """Mark it as revoked; a key that already is keeps its first time. Raises NotFound."""
    if find(connection, key_id) is None:
        raise NotFound(f"there is no key {key_id!r}")
    connection.execute(update(_t).where(_t.c.id == key_id).values(revoked_at=func.coalesce(_t.c.revoked_at, at)))
