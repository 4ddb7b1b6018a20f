"""The proofs that users give of who they are, and the check that a proof still holds when it is used.

A password takes a moment to be verified, outside of a transaction. Meanwhile it may have been changed or reset, a
passkey removed, or an identity disconnected. So the transaction that uses the proof compares it once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select, update

from liveserver.domain.errors import Unauthorized
from liveserver.store import tables
from liveserver.store.repositories.people import acts, sessions

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from liveserver.domain.people.principal import Principal

_t = tables.users
_passkeys = tables.passkeys
_identities = tables.identities
_sessions = tables.sessions


class ProofOutdated(Unauthorized):
    """The credential that was verified isn't the user's any more."""

    def __init__(self) -> None:
        super().__init__("the password, passkey or identity was changed or removed meanwhile: try again")


def way_of(password: object, passkey: object) -> str:
    """Return the way of signing in by a password or passkey, whichever isn't None; otherwise `provider`."""
    if password is not None:
        return "password"
    return "passkey" if passkey is not None else "provider"


class Proof(NamedTuple):
    """A credential of a user that was verified: a password, a passkey, or an identity.

    One field is set, and the other fields are None.
    """

    password: str | None = None
    """The hash against which the password was verified."""
    passkey: str | None = None
    """The passkey's id."""
    identity: tuple[str, str] | None = None
    """The provider's issuer, and the user's subject there."""

    @property
    def way(self) -> str:
        """The way of signing in that this credential allows, for the audit log."""
        return way_of(self.password, self.passkey)


def check(connection: Connection, user_id: str, proof: Proof) -> None:
    """Raise ProofOutdated if the verified credential isn't the user's any more. The caller has locked the user."""
    issuer, subject = proof.identity or (None, None)
    if proof.password is not None:
        query = select(_t.c.id).where(_t.c.id == user_id, _t.c.password == proof.password)
    elif proof.passkey is not None:
        query = select(_passkeys.c.id).where(_passkeys.c.id == proof.passkey, _passkeys.c.user_id == user_id)
    else:
        query = select(_identities.c.user_id).where(
            _identities.c.issuer == issuer, _identities.c.subject == subject, _identities.c.user_id == user_id
        )
    if connection.execute(query).first() is None:
        raise ProofOutdated


def confirmed(connection: Connection, by: Principal, proof: Proof, at: datetime) -> None:
    """Record that the acting user proved again, at the time `at`, to be who they are.

    Raises ProofOutdated if the proof doesn't hold any more. Raises Unauthorized if the session has ended, or the user
    was disabled.
    """
    sessions.acting(connection, by)
    check(connection, by.id, proof)
    connection.execute(update(_sessions).where(_sessions.c.digest == by.session).values(confirmed_at=at))
    acts.record(connection, by, "session.confirmed", at, way=proof.way)
