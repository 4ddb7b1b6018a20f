"""What the server has to remember of a sign-in under way, signed, in a cookie of the browser that signs in.

So a sign-in can begin at one process and end at another, and strangers who begin thousands take no memory.
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
"""The greatest length of a signed state, in characters. Ours have some 400."""
USED_MAX = 10_000
"""The number of used states that a process remembers.

An address may use 30 a minute (`LIVESERVER_LIMIT_SIGN_IN`), so this is more than one can use before the first expires.
"""

_SECRET = "challenges"  # noqa: S105 (the name of the secret in the store)
_OVER = "this took too long, or was begun in another window: begin again"


class Purpose(StrEnum):
    """What a user wants to do by a passkey or a provider."""

    SIGN_IN = "sign-in"
    JOIN = "join"
    """Join by a link, or set up a new way to sign in by a link to reset the old one."""
    ADD = "add"
    """Add the passkey, or connect the provider, as one more way to sign in."""
    CONFIRM = "confirm"
    """Prove again, in a session, to be the same person."""


class SignedStates:
    """The states of one kind of sign-in. A process has one object for each kind.

    A state can be used once as far as this process knows. Another process of the site would accept it a second time
    while it is valid. Whoever wants that needs the browser's HttpOnly cookie, and something that counts once elsewhere:
    an answer of a passkey whose signature counter doesn't count, or a provider's code, which the provider accepts once.
    """

    def __init__(self, store: Store, kind: str, lifetime: timedelta) -> None:
        """`kind`: a word of which the signature is made, so that no state passes for one of another kind."""
        self._store = store
        self._kind = kind.encode()
        self.lifetime = lifetime
        """The time for which a state is valid."""
        self._key: bytes | None = None
        self._used: LruCache[str, bool] = LruCache(USED_MAX)

    async def issue(self, purpose: Purpose, who: str = "", **values: str) -> str:
        """Return a new state, as text for a cookie.

        `who`: the hash of the session's or the link's token for which alone it is valid; empty for none.
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
        """Return the values with which a state was issued. It can't be used again.

        `state`: None if the browser sent none. Raises Unauthorized if it is none of ours, was issued for another
        purpose or somebody else, has expired or was used.
        """
        content = await self._content(state)
        if content["purpose"] != purpose or content["who"] != who:
            raise Unauthorized(_OVER)
        self._used.put(content["id"], True, 1)
        values: Mapping[str, str] = content["values"]
        return values

    async def peek(self, state: str | None) -> tuple[Purpose, str, Mapping[str, str]]:
        """Return the purpose of a state that can still be used, for whom it is valid, and its values.

        Raises as `use` does.
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
