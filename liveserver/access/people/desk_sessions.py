"""The check of the session cookies that requests to the desk send.

The cookie has the session's token. The database keeps only the token's SHA-256.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, NamedTuple

from liveserver.access.actors import Actor
from liveserver.access.people.cookies import cookie_in
from liveserver.domain.errors import LiveserverError
from liveserver.domain.ids import now
from liveserver.domain.people.principal import Principal, PrincipalKind
from liveserver.store.repositories.people.sessions import SEEN_EVERY
from liveserver.utils.background import BackgroundTasks
from liveserver.utils.lru_cache import LruCache
from liveserver.utils.single_flight import FreshFlight
from liveserver.utils.tokens import digest_of

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.domain.people.user import Session
    from liveserver.store import Store

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)

SEEN_MAX = 2_000
"""The greatest number of sessions that `DeskSessions` remembers. If there are more sessions, it forgets some."""
PAUSE = 0.05
"""The least number of seconds between two queries of the store for sessions that this process doesn't remember.

Anybody can invent tokens. Therefore one query asks for all tokens that were sent since the last query.
"""


class DeskActor(NamedTuple):
    """A user who is signed in, as the actor of a request, and the session whose cookie the request sent."""

    actor: Actor
    session: Session


class DeskSessions:
    """The check of session cookies. One object serves a process."""

    def __init__(self, store: Store, *, secure: bool) -> None:
        """`secure`: True if the site's public address begins with https. Then the cookie's name is `__Host-…`."""
        self._store = store
        self.secure = secure
        self.cookie = "__Host-liveserver" if secure else "liveserver"
        """The name of the session's cookie. On plain HTTP, browsers refuse the prefix `__Host-`."""
        self._seen: LruCache[str, str] = LruCache(SEEN_MAX)
        """The users (`Principal.ref`) of sessions, by the hash of the session's token. Each of these sessions was valid
        when a request last sent its token to this process."""
        self._unseen: set[str] = set()
        self._query = FreshFlight(self._find)
        self._next_query = 0.0
        self._noting = BackgroundTasks()
        self._noted: set[str] = set()
        """The sessions whose last use is being written. A page sends many requests at once; one write is enough."""

    @property
    def remembered(self) -> int:
        """The number of sessions that this process remembers: those that were valid when last used here."""
        return len(self._seen)

    def token_in(self, cookies: str | None) -> str | None:
        """Return the session's token in a Cookie header; None if the header has no cookie with a well-formed token."""
        token = cookie_in(cookies, self.cookie)
        return token if token is not None and _TOKEN.fullmatch(token) else None

    async def authenticate(self, cookies: str | None, slug: str | None) -> DeskActor | None:
        """Return the user whose session's token is in a Cookie header, with the user's present rights.

        Returns None if the header has no token, if the session is unknown or over, or if the user was disabled. `slug`:
        the live blog for which the rights are read; None if the request concerns no single live blog.
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
        if at - session.seen_at >= SEEN_EVERY and digest not in self._noted:
            self._noted.add(digest)
            self._noting.spawn(self._note_seen(digest, at))
        return DeskActor(Actor(principal, rights), session)

    def recall(self, cookies: str | None) -> str | None:
        """Return the user (`Principal.ref`) whose session this process remembers for a Cookie header, or None.

        None: the header has no token, or this process doesn't remember the session. A remembered session may have ended
        meanwhile. So use the result only to count requests.
        """
        token = self.token_in(cookies)
        return None if token is None else self._seen.get(digest_of(token))

    async def close(self) -> None:
        """Cancel the writes of the times of sessions' last requests, and the queries for sessions."""
        await asyncio.gather(*self._noting.cancel(), *self._query.cancel(), return_exceptions=True)

    async def _note_seen(self, digest: str, at: datetime) -> None:
        try:
            await self._store.sessions.seen([digest], at)
        except LiveserverError:
            # The next request notes it.
            return
        finally:
            self._noted.discard(digest)

    async def _find(self) -> set[str]:
        """Ask the store which hashes in `_unseen` belong to valid sessions, and return these hashes.

        Waits first until `PAUSE` seconds have passed since the previous query.
        """
        unseen, self._unseen = self._unseen, set()
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._next_query - clock())
        self._next_query = clock() + PAUSE
        return await self._store.sessions.alive(sorted(unseen))
