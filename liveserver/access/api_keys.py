"""API keys: `lv_<id>_<secret>`. The database keeps only the secret's SHA-256.

A fast hash is enough, as nobody can guess 256 random bits. (A password would need a slow hash.)
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from typing import TYPE_CHECKING

from liveserver.access.actors import Actor
from liveserver.domain.errors import Unauthorized
from liveserver.domain.ids import now
from liveserver.domain.people.principal import Principal, PrincipalKind
from liveserver.domain.people.rights import KeyRights
from liveserver.store import ApiKey
from liveserver.store.repositories.people.api_keys import UNKNOWN
from liveserver.utils.lru_cache import LruCache
from liveserver.utils.single_flight import FreshFlight
from liveserver.utils.tokens import digest_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from liveserver.store import Store

_KEY = re.compile(r"lv_([a-z0-9]{12})_([A-Za-z0-9_-]{43})", re.ASCII)


SEEN_MAX = 1_000
"""The greatest number of API keys whose actors `ApiKeys` remembers. If there are more keys, it forgets some actors."""

PAUSE = 0.05
"""The least number of seconds between two queries of the store for API keys that this process doesn't remember.

Anybody can invent keys. Therefore one query asks for all keys that were sent since the last query, and there are at
most twenty queries a second. The first request with a valid key may have to wait for the next query; later requests
with this key don't wait.
"""


def new_key(
    name: str,
    scopes: Collection[str],
    expires_at: datetime | None = None,
    liveblogs: Collection[str] | None = None,
) -> tuple[ApiKey, str]:
    """Make a new API key. Return the key as it is to be stored, and the key's text, which can be shown only now.

    `expires_at`: None if the key doesn't expire. `liveblogs`: the slugs to which the key is limited; None if it isn't
    limited.
    """
    key_id = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(12))
    secret = secrets.token_urlsafe(32)
    key = ApiKey(
        id=key_id,
        name=name,
        secret_hash=digest_of(secret),
        scopes=frozenset(scopes),
        created_at=now(),
        expires_at=expires_at,
        revoked_at=None,
        liveblogs=None if liveblogs is None else frozenset(liveblogs),
    )
    return key, f"lv_{key_id}_{secret}"


class ApiKeys:
    """The check of the API keys that requests send."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: LruCache[str, Actor] = LruCache(SEEN_MAX)
        """Actors by the hash of their API key. Each of these keys was valid when a request last sent it."""
        self._unseen: set[str] = set()
        """The ids of API keys that were sent but aren't in `_seen`. The next query asks the store for them."""
        self._query = FreshFlight(self._find)
        self._next_query = 0.0
        """The earliest moment of the next query of the store, in seconds of the event loop's clock."""

    async def authenticate(self, authorization: str | None) -> Actor | None:
        """Return the actor of the API key in an `Authorization` header; None if there is no header.

        Raises Unauthorized if the header or its key isn't valid.
        """
        if authorization is None:
            return None
        match = _key_in(authorization)
        if match is None:
            raise Unauthorized("the Authorization header must be `Bearer lv_<id>_<secret>`")
        seen = digest_of(match[0])
        if seen in self._seen:
            key = await self._store.keys.find(match[1])
        else:
            self._unseen.add(match[1])
            key = (await self._query()).get(match[1])
        try:
            if key is None or not hmac.compare_digest(key.secret_hash, digest_of(match[2])):
                raise Unauthorized(UNKNOWN)
            key.check()
        except Unauthorized:
            self._seen.drop(seen)
            raise
        actor = actor_of(key)
        self._seen.put(seen, actor, 1)
        return actor

    def recall(self, authorization: str | None) -> Actor | None:
        """Return the actor that this process remembers for an `Authorization` header; None if it remembers no actor.

        The store isn't asked, so the header's API key may have been revoked or limited since its last use. So the actor
        may be used only to count a request, or if a later transaction checks the key again (`store.entries.create`).
        """
        match = None if authorization is None else _key_in(authorization)
        return None if match is None else self._seen.get(digest_of(match[0]))

    async def _find(self) -> dict[str, ApiKey]:
        """Read the API keys with the ids in `_unseen` from the store. Returns the keys that exist, by id.

        Waits first until `PAUSE` seconds have passed since the previous query.
        """
        unseen, self._unseen = self._unseen, set()
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._next_query - clock())
        self._next_query = clock() + PAUSE
        return await self._store.keys.find_many(sorted(unseen))


def _key_in(authorization: str) -> re.Match[str] | None:
    scheme, _, token = authorization.partition(" ")
    return _KEY.fullmatch(token.strip()) if scheme.lower() == "bearer" else None


def actor_of(key: ApiKey) -> Actor:
    """Return the actor of a request with this key."""
    principal = Principal(PrincipalKind.KEY, key.id, key.name)
    return Actor(principal, KeyRights(key.name, key.scopes, key.liveblogs))
