"""Links that show one live blog's reach to everybody that has them, until they expire or their key is revoked.

A link's address has 256 random bits, and the database keeps only their SHA-256: nobody can make a link from the
database or a backup.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from liveserver.access.api_keys import actor_of, require
from liveserver.domain.errors import Unauthorized
from liveserver.domain.ids import now
from liveserver.store import ReachLink

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.access.api_keys import Actor
    from liveserver.store import Store

SCOPE = "manage"
"""The scope that a key must have both when it makes a link and when the link is used."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class NewLink(NamedTuple):
    """A link that was made."""

    path: str
    """The page's path with the secret that opens it: shown once, and kept nowhere."""
    expires_at: datetime


async def make(store: Store, slug: str, actor: Actor, *, days: int) -> NewLink:
    """Make and store a link to the page of a live blog's reach. Raises NotFound."""
    token, created_at = secrets.token_urlsafe(32), now()
    link = ReachLink(slug, actor.key_id, created_at, created_at + timedelta(days=days))
    await store.reach.add_link(_digest(token), link)
    return NewLink(f"/reach/{slug}?link={token}", link.expires_at)


async def check(store: Store, slug: str, token: str) -> None:
    """Raise Unauthorized if a link isn't valid or has expired, and Forbidden if its key hasn't the right any more."""
    if not _TOKEN.fullmatch(token):
        raise Unauthorized("this page needs a link that `liveserver reach SLUG --link` makes")
    link = await store.reach.find_link(_digest(token))
    if link is None or link.slug != slug:
        raise Unauthorized("the link is unknown: it is damaged, or has expired, or newer ones have taken its place")
    if link.expires_at <= now():
        raise Unauthorized("the link has expired")
    key = await store.keys.find(link.key_id)
    if key is None:
        raise Unauthorized("the API key that made the link is unknown")
    key.check()
    require(actor_of(key), SCOPE, slug)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
