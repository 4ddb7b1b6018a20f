"""The queries of idempotency keys. A request that is repeated with the same key is done once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from liveserver.domain.errors import KeyReused
from liveserver.store import tables

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from liveserver.domain.people.principal import Principal

_t = tables.idempotency

ERASED = ""
"""The hash of a request whose entry was erased. Nobody can tell any more what the request was: any request with its key
counts as its repetition."""


class Idempotency(NamedTuple):
    """The idempotency key that came with a request, and a hash of the request.

    Requests of one principal with the same idempotency key must have the same hash.
    """

    key: str
    request_hash: str


def claim(connection: Connection, by: Principal, idempotency: Idempotency, target_id: str, at: datetime) -> bool:
    """Insert the idempotency key. Return False if an earlier request has inserted it already, otherwise True.

    `target_id`: the entry or picture that the request makes or changes. If another transaction has inserted the same
    key and hasn't ended yet, waits until that transaction ends.
    """
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    query = dialect.insert(_t).values(
        principal=by.ref,
        key=idempotency.key,
        request_hash=idempotency.request_hash,
        target_id=target_id,
        created_at=at,
    )
    return connection.execute(query.on_conflict_do_nothing()).rowcount == 1


def target_of(connection: Connection, by: Principal, idempotency: Idempotency) -> str:
    """Return the id of the entry or picture that the earlier request with this idempotency key made or changed.

    Raises KeyReused if the earlier request was a different one.
    """
    query = select(_t.c.request_hash, _t.c.target_id).where(_t.c.principal == by.ref, _t.c.key == idempotency.key)
    row = connection.execute(query).one()
    if row.request_hash not in {idempotency.request_hash, ERASED}:
        raise KeyReused
    target_id: str = row.target_id
    return target_id


def erase(connection: Connection, target_id: str) -> None:
    """Erase the hashes of the requests that made or changed an entry. The requests' idempotency keys stay.

    So a repeated request with one of these keys changes nothing, and raises Gone.
    """
    connection.execute(update(_t).where(_t.c.target_id == target_id).values(request_hash=ERASED))


def forget(connection: Connection, before: datetime) -> int:
    """Delete the idempotency keys that were first used before a moment. Returns the number of deleted keys."""
    return connection.execute(delete(_t).where(_t.c.created_at < before)).rowcount
