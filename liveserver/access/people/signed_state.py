"""The signed states of sign-ins under way. Each is in a cookie of the browser that signs in, not on the server.

So a sign-in can begin at one process and end at another, and strangers who begin thousands of sign-ins take no memory.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

from liveserver.domain.errors import Unauthorized
from liveserver.domain.ids import now
from liveserver.utils.lru_cache import LruCache

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from liveserver.store import Store

STATE_MAX = 2_000
"""The greatest length of a signed state, in characters. Those of this server have some 400."""
USED_MAX = 10_000
"""The number of used states that a process remembers.

One address, with its 30 tries a minute (`LIVESERVER_LIMIT_SIGN_IN`), can't make a process forget a state before it
expires.
"""

_SECRET = "challenges"  # noqa: S105 (the name of the secret in the store)
_OVER = "this took too long, or was begun in another window: begin again"


class Purpose(StrEnum):
    """The purposes for which a user uses a passkey or a provider."""

    SIGN_IN = "sign-in"
    JOIN = "join"
    """Join by a link, or use a link after a reset to set a new way to sign in."""
    ADD = "add"
    """Add the passkey, or connect the provider, as one more way to sign in."""
    CONFIRM = "confirm"
    """Prove again that it is the session's user who acts."""


class SignedStates:
    """The states of one kind of sign-in. A process has one object for each kind.

    A process accepts a state once. Another process of the site would accept it a second time while it is valid. That
    second use needs the browser's HttpOnly cookie and an answer that is still accepted: an answer of a passkey whose
    signature counter is always 0. A provider's code is of no use then, as the provider accepts it only once.
    """

    def __init__(self, store: Store, kind: str, lifetime: timedelta) -> None:
        """`kind`: a word that is signed together with the state, so that a state of another kind isn't accepted."""
        self._store = store
        self._kind = kind.encode()
        self.lifetime = lifetime
        """The time for which a state is valid."""
        self._key: bytes | None = None
        self._used: LruCache[str, bool] = LruCache(USED_MAX)

    async def issue(self, purpose: Purpose, who: str = "", **values: str) -> str:
        """Return a new state, as text for a cookie.

        `who`: the hash of the token of the session or the link to which the state is bound; empty if it is bound to
        none.
        """
        content = {
            "purpose": purpose,
            "who": who,
            "expires": (now() + self.lifetime).timestamp(),
            "id": secrets.token_urlsafe(12),
            "values": values,
        }
        payload = base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")
        return f"{payload}.{await self._signature(payload)}"

    async def use(self, state: str | None, purpose: Purpose, who: str = "") -> Mapping[str, str]:
        """Return the values with which a state was issued, and mark the state as used.

        `state`: None if the browser sent none. Raises Unauthorized if the state wasn't issued by this site, was issued
        for another `purpose` or `who`, has expired, or was used at this process.
        """
        content = await self._content(state)
        if content["purpose"] != purpose or content["who"] != who:
            raise Unauthorized(_OVER)
        self._used.put(content["id"], True, 1)
        values: Mapping[str, str] = content["values"]
        return values

    async def peek(self, state: str | None) -> tuple[Purpose, str, Mapping[str, str]]:
        """Return the purpose, the `who` and the values with which a state was issued. The state isn't marked as used.

        Raises Unauthorized if the state wasn't issued by this site, has expired, or was used at this process.
        """
        content = await self._content(state)
        return Purpose(content["purpose"]), content["who"], content["values"]

    async def _content(self, state: str | None) -> dict[str, Any]:
        if state is None or len(state) > STATE_MAX or not state.isascii():
            raise Unauthorized(_OVER)
        payload, _, signature = state.partition(".")
        if not hmac.compare_digest(signature, await self._signature(payload)):
            raise Unauthorized(_OVER)
        content: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if content["expires"] <= now().timestamp() or content["id"] in self._used:
            raise Unauthorized(_OVER)
        return content

    async def _signature(self, payload: str) -> str:
        if self._key is None:
            self._key = (await self._store.secrets.get(_SECRET, now())).encode()
        return hmac.new(self._key, self._kind + b"." + payload.encode(), hashlib.sha256).hexdigest()
