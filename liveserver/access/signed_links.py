"""Links to the page of one live blog's reach, for people without an API key.

Everybody that has the link can open the page, until the link expires or the API key that made it is revoked. A link
also ends when LINKS_MAX newer links of the live blog were made (`store/repositories/reach_links.py`). A link's address
has a secret of 256 random bits. The database keeps only the secret's SHA-256, so nobody that reads the database
or a backup learns a link.
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
"""The scope that an API key must have when it makes a link, and must still have when somebody uses the link."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class NewLink(NamedTuple):
    """A link that has just been made."""

    path: str
    """The page's path with the secret in its query. It can be shown only now, as the secret is stored nowhere."""
    expires_at: datetime


async def make(store: Store, slug: str, actor: Actor, *, days: int) -> NewLink:
    """Make a link to the page of a live blog's reach, store its hash, and return the link.

    `days`: the days until the link expires. Raises NotFound if there is no such live blog.
    """
    token, created_at = secrets.token_urlsafe(32), now()
    link = ReachLink(slug, actor.key_id, created_at, created_at + timedelta(days=days))
    await store.reach.add_link(_digest(token), link)
    return NewLink(f"/reach/{slug}?link={token}", link.expires_at)


async def check(store: Store, slug: str, token: str) -> None:
    """Check the secret (`token`) of a link to the page of a live blog's reach.

    Raises Unauthorized if the link isn't valid or has expired. Raises Unauthorized if the API key that made the
    link is unknown, revoked or expired. Raises Forbidden if this key has lost `SCOPE`, or is limited to other live
    blogs now.
    """
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
