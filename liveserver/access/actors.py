"""Actors: the senders of requests, with the rights that they had when the request came."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.errors import Unauthorized
from liveserver.domain.people.rights import allowed

if TYPE_CHECKING:
    from liveserver.domain.people.principal import Principal
    from liveserver.domain.people.rights import Rights, Verb


class Actor(NamedTuple):
    """The sender of a request (an API key, or a user who is signed in), with the sender's rights.

    An API key's rights are its scopes and live blogs. A user's rights are the user's roles on the live blog in the
    request's path, and on the whole site.
    """

    principal: Principal
    rights: Rights

    @property
    def ref(self) -> str:
        """The sender's `Principal.ref`: the text by which limits, quotas and queues tell senders apart."""
        return self.principal.ref


def require(actor: Actor | None, verb: Verb, slug: str | None, *, anywhere: bool = False) -> Actor:
    """Return the actor if its rights allow the verb.

    `slug`: the live blog in question; None if the act concerns no single live blog. `anywhere`: True if it is enough
    that the rights allow the verb on at least one live blog. Raises Unauthorized if `actor` is None. Raises Forbidden
    if the rights don't allow the verb.
    """
    if actor is None:
        raise Unauthorized("this needs an API key: Authorization: Bearer lv_<id>_<secret>")
    actor.rights.require(verb, slug, anywhere=anywhere)
    return actor


def may(actor: Actor | None, verb: Verb, slug: str) -> bool:
    """Return True if there is an actor, and its rights allow the verb on the live blog."""
    return actor is not None and allowed(actor.rights, verb, slug)
