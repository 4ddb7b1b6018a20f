"""API keys: `lv_<id>_<secret>`. The database keeps the secret's SHA-256 only.

A plain hash suffices: the secret is 256 random bits, which no dictionary holds and no hardware guesses.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.errors import Forbidden, Unauthorized
from liveserver.domain.ids import now
from liveserver.store import ApiKey
from liveserver.store.repositories.api_keys import UNKNOWN, check_liveblog
from liveserver.utils.lru_cache import LruCache
from liveserver.utils.single_flight import FreshFlight

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from liveserver.store import Store

_KEY = re.compile(r"lv_([a-z0-9]{12})_([A-Za-z0-9_-]{43})", re.ASCII)


SEEN_MAX = 1_000
"""Keys whose actors are remembered."""

PAUSE = 0.05
"""Seconds between two looks at the store for keys that weren't good here before, however many are shown meanwhile.

To make one up costs nothing, so that the store is asked for all of them together, twenty times a second at most. Who
shows a good one waits for so long, once.
"""


class Actor(NamedTuple):
    """Who makes a request."""

    key_id: str
    name: str
    scopes: frozenset[str]
    liveblogs: frozenset[str] | None = None
    """The slugs of those that the key is limited to; None: it isn't."""


def new_key(
    name: str,
    scopes: Collection[str],
    expires_at: datetime | None = None,
    liveblogs: Collection[str] | None = None,
) -> tuple[ApiKey, str]:
    """A new key as it is stored, and as it is shown once."""
    key_id = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(12))
    secret = secrets.token_urlsafe(32)
    key = ApiKey(
        id=key_id,
        name=name,
        secret_hash=_digest(secret),
        scopes=frozenset(scopes),
        created_at=now(),
        expires_at=expires_at,
        revoked_at=None,
        liveblogs=None if liveblogs is None else frozenset(liveblogs),
    )
    return key, f"lv_{key_id}_{secret}"


class ApiKeys:
    """The API keys, as requests show them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: LruCache[str, Actor] = LruCache(SEEN_MAX)
        """Who showed a key that was good then, by a digest of the key."""
        self._wanted: set[str] = set()
        """Ids of keys that weren't, for the next look."""
        self._look = FreshFlight(self._find)
        self._next_look = 0.0
        """When there may be one, by the event loop's clock."""

    async def authenticate(self, authorization: str | None) -> Actor | None:
        """Who an `Authorization` header names; None without one. Raises Unauthorized for one that isn't valid."""
        if authorization is None:
            return None
        match = _key_in(authorization)
        if match is None:
            raise Unauthorized("the Authorization header must be `Bearer lv_<id>_<secret>`")
        seen = _digest(match[0])
        if seen in self._seen:
            key = await self._store.keys.find(match[1])
        else:
            self._wanted.add(match[1])
            key = (await self._look()).get(match[1])
        try:
            if key is None or not hmac.compare_digest(key.secret_hash, _digest(match[2])):
                raise Unauthorized(UNKNOWN)
            key.check()
        except Unauthorized:
            self._seen.drop(seen)
            raise
        actor = actor_of(key)
        self._seen.put(seen, actor, 1)
        return actor

    def recall(self, authorization: str | None) -> Actor | None:
        """Who it named when it was last seen, if that is remembered.

        It may have been revoked or limited since: only for a transaction that confirms the key itself
        (`store.entries.create`).
        """
        match = None if authorization is None else _key_in(authorization)
        return None if match is None else self._seen.get(_digest(match[0]))

    async def _find(self) -> dict[str, ApiKey]:
        """Look at the store for the keys that are wanted by now."""
        wanted, self._wanted = self._wanted, set()
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._next_look - clock())
        self._next_look = clock() + PAUSE
        return await self._store.keys.find_many(sorted(wanted))


def _key_in(authorization: str) -> re.Match[str] | None:
    scheme, _, token = authorization.partition(" ")
    return _KEY.fullmatch(token.strip()) if scheme.lower() == "bearer" else None


def actor_of(key: ApiKey) -> Actor:
    """Who shows the key."""
    return Actor(key.id, key.name, key.scopes, key.liveblogs)


def require(actor: Actor | None, scope: str, slug: str | None, *, shared: bool = False) -> Actor:
    """The actor, if it has the scope, and that for the live blog; raises Unauthorized or Forbidden otherwise.

    `slug`: None for what concerns the whole site, which is for keys that aren't limited; unless it is `shared` by all.
    """
    if actor is None:
        raise Unauthorized("this needs an API key: Authorization: Bearer lv_<id>_<secret>")
    if scope not in actor.scopes:
        raise Forbidden(f"the key “{actor.name}” lacks the scope “{scope}”")
    if not shared:
        check_liveblog(actor.name, actor.liveblogs, slug)
    return actor


def may(actor: Actor | None, scope: str, slug: str) -> bool:
    """Whether `require` would let the actor pass."""
    return actor is not None and scope in actor.scopes and (actor.liveblogs is None or slug in actor.liveblogs)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
