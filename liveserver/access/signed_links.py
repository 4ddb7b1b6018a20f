"""Links to the page of one live blog's reach, for people without an API key.

Everybody that has the link can open the page, until the link expires, or its maker (an API key or a user) may not
manage the live blog any more. A link also ends when LINKS_MAX newer links of the live blog were made
(`store/repositories/reach.py`). A link's address has a secret of 256 random bits. The database keeps only the secret's
SHA-256, so nobody that reads the database or a backup learns a link.
"""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.errors import Unauthorized
from liveserver.domain.ids import now
from liveserver.domain.people.rights import Verb
from liveserver.store import ReachLink
from liveserver.utils.tokens import digest_of

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.access.actors import Actor
    from liveserver.store import Store

VERB = Verb.MANAGE
"""The verb that the rights of a link's maker must allow when the link is made, and whenever somebody uses it."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class NewLink(NamedTuple):
    """A link that has just been made."""

    path: str
    """The page's path with the secret in its query. It can be shown only now, as the secret is stored nowhere."""
    expires_at: datetime


async def make(store: Store, slug: str, actor: Actor, *, days: int) -> NewLink:
    """Make a link to the page of a live blog's reach, store the hash of the link's secret, and return the link.

    `days`: the days until the link expires. Raises NotFound if there is no such live blog. Raises Unauthorized or
    Forbidden if the actor may not manage the live blog now.
    """
    token, created_at = secrets.token_urlsafe(32), now()
    link = ReachLink(slug, actor.ref, created_at, created_at + timedelta(days=days))
    await store.reach.add_link(digest_of(token), link, actor.principal)
    return NewLink(f"/reach/{slug}?link={token}", link.expires_at)


async def check(store: Store, slug: str, token: str) -> None:
    """Check the secret (`token`) of a link to the page of a live blog's reach.

    Raises Unauthorized if the link isn't valid or has expired. Raises Unauthorized if the API key that made it is
    unknown, revoked or expired, or if the user who made it was disabled. Raises Forbidden if its maker may not manage
    the live blog any more.
    """
    if not _TOKEN.fullmatch(token):
        raise Unauthorized("this page needs a link that `liveserver reach SLUG --link` makes")
    link = await store.reach.find_link(digest_of(token))
    if link is None or link.slug != slug:
        raise Unauthorized("the link is unknown: it is damaged, or has expired, or newer ones have taken its place")
    if link.expires_at <= now():
        raise Unauthorized("the link has expired")
    rights = await store.permissions.of_principal(link.principal, slug)
    rights.require(VERB, slug)
