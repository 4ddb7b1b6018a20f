"""The check of the session cookies that requests to the desk send. The database keeps only the token's SHA-256."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, NamedTuple

from liveserver.access.actors import Actor
from liveserver.domain.errors import LiveserverError
from liveserver.domain.ids import now
from liveserver.domain.people.principal import Principal, PrincipalKind
from liveserver.store.repositories.people.sessions import SEEN_EVERY
from liveserver.utils.background import BackgroundTasks
from liveserver.utils.lru_cache import LruCache
from liveserver.utils.single_flight import FreshFlight

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.domain.people.user import Session
    from liveserver.store import Store

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)

COOKIES_MAX = 8_192
"""The greatest length of a Cookie header that is read, in characters. A longer one counts as none."""
SEEN_MAX = 2_000
"""The greatest number of sessions that `DeskSessions` remembers. Beyond that, it forgets some of them."""
PAUSE = 0.05
"""The least number of seconds between two queries of the store for sessions that this process doesn't remember.

Anybody can invent tokens. Therefore one query asks for all tokens that were sent since the last query.
"""


class DeskActor(NamedTuple):
    """A user who is signed in: the actor of a request, and the session from which it came."""

    actor: Actor
    session: Session


class NewToken(NamedTuple):
    """A new token of a session or a link. The token can be shown only now; the store gets the hash."""

    token: str
    digest: str


def new_token() -> NewToken:
    """Return a new token of 256 random bits, and its hash."""
    token = secrets.token_urlsafe(32)
    return NewToken(token, digest_of(token))


def digest_of(token: str) -> str:
    """Return the hash under which the store has a token: its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


class DeskSessions:
    """The check of session cookies. One object serves a process."""

    def __init__(self, store: Store, *, secure: bool) -> None:
        """`secure`: True if the site's public address begins with https. Its cookies then have the prefix `__Host-`."""
        self._store = store
        self.secure = secure
        self.cookie = "__Host-liveserver" if secure else "liveserver"
        """The name of the session's cookie. On plain HTTP, browsers refuse the prefix `__Host-`."""
        self._seen: LruCache[str, str] = LruCache(SEEN_MAX)
        """The principals (`Principal.ref`) of sessions that were alive when last used, by the hash of the token."""
        self._unseen: set[str] = set()
        self._query = FreshFlight(self._find)
        self._next_query = 0.0
        self._noting = BackgroundTasks()

    @property
    def remembered(self) -> int:
        """The number of sessions that this process has seen alive, and that it hasn't seen over since."""
        return len(self._seen)

    def token_in(self, cookies: str | None) -> str | None:
        """Return the session's token in a Cookie header; None if there is none, or it can't be one."""
        if not cookies or len(cookies) > COOKIES_MAX:
            return None
        try:
            morsel = SimpleCookie(cookies).get(self.cookie)
        except CookieError:
            return None
        return morsel.value if morsel is not None and _TOKEN.fullmatch(morsel.value) else None

    async def authenticate(self, cookies: str | None, slug: str | None) -> DeskActor | None:
        """Return the user whose session's cookie is in a Cookie header; None if there is none, or the session is over.

        `slug`: the live blog with which the request is concerned; None for none.
        """
        token = self.token_in(cookies)
        if token is None:
            return None
        digest = digest_of(token)
        if digest not in self._seen:
            self._unseen.add(digest)
            if digest not in await self._query():
                return None
        found = await self._store.permissions.of_session(digest, slug)
        if found is None:
            self._seen.drop(digest)
            return None
        session, rights = found
        principal = Principal(PrincipalKind.USER, session.user_id, rights.name, digest)
        self._seen.put(digest, principal.ref, 1)
        at = now()
        if at - session.seen_at >= SEEN_EVERY:
            self._noting.spawn(self._note_seen(digest, at))
        return DeskActor(Actor(principal, rights), session)

    def recall(self, cookies: str | None) -> str | None:
        """Return the principal (`Principal.ref`) that this process remembers for a Cookie header; None if it has none.

        The session may have ended since. So the result counts only for limits.
        """
        token = self.token_in(cookies)
        return None if token is None else self._seen.get(digest_of(token))

    async def close(self) -> None:
        """Cancel the writes under way."""
        await asyncio.gather(*self._noting.cancel(), *self._query.cancel(), return_exceptions=True)

    async def _note_seen(self, digest: str, at: datetime) -> None:
        try:
            await self._store.sessions.seen(digest, at)
        except LiveserverError:
            # The next request notes it.
            return

    async def _find(self) -> set[str]:
        """Return those of the hashes in `_unseen` that belong to sessions, after `PAUSE` since the last query."""
        unseen, self._unseen = self._unseen, set()
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._next_query - clock())
        self._next_query = clock() + PAUSE
        return await self._store.sessions.alive(sorted(unseen))
