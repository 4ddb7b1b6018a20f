"""The queries of API keys. The store has a hash of a key's secret, never the secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from liveserver.domain.errors import Unauthorized
from liveserver.domain.ids import now
from liveserver.store import tables
from liveserver.store.chunks import chunks
from liveserver.store.pages import newest_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

_t = tables.api_keys
UNKNOWN = "the API key is unknown (was it made on another database?)"

_FIND = select(_t).where(_t.c.id == bindparam("key_id"))
_FIND_LOCKED = _FIND.with_for_update(read=True)
_FIND_ANY = select(_t).where(_t.c.id.in_(bindparam("key_ids", expanding=True)))


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


def every(connection: Connection) -> list[ApiKey]:
    """Return all API keys, oldest first. Revoked and expired keys are among them."""
    query = select(_t).order_by(_t.c.created_at, _t.c.id)
    return [_key(row) for row in connection.execute(query).mappings()]


def page(connection: Connection, *, limit: int, cursor: str | None = None) -> tuple[list[ApiKey], str | None]:
    """Return a page of API keys, newest first, and the cursor of the next page (None: no next page).

    Revoked and expired keys are among them. Raises InvalidInput for a bad cursor.
    """
    return newest_page(connection, select(_t), _t, _key, limit=limit, cursor=cursor)


def find(connection: Connection, key_id: str, *, lock: bool = False) -> ApiKey | None:
    """Return the API key with this id, even if it was revoked or has expired. None if there is none.

    With `lock`, the key can't be revoked by others until the transaction ends.
    """
    if "\x00" in key_id:
        return None
    query = _FIND_LOCKED if lock else _FIND
    row = connection.execute(query, {"key_id": key_id}).mappings().one_or_none()
    return None if row is None else _key(row)


def find_any(connection: Connection, key_ids: Sequence[str]) -> dict[str, ApiKey]:
    """Return the API keys with these ids, by id, even if they were revoked or have expired.

    An id that no key has is left out.
    """
    keys: dict[str, ApiKey] = {}
    for chunk in chunks([key_id for key_id in key_ids if "\x00" not in key_id]):
        keys.update((row["id"], _key(row)) for row in connection.execute(_FIND_ANY, {"key_ids": chunk}).mappings())
    return keys
