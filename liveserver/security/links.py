"""Links that show one thing to whoever has them, for a while: signed with an API key, and void once that is revoked.

What signs is the SHA-256 of the key's secret, which the database keeps anyway: whoever has the key can make a link
without asking the server, every node can check it, and there is no other secret to keep. (RFC 2104.)
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from liveserver.errors import Forbidden, Unauthorized
from liveserver.model import now
from liveserver.security.keys import parts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liveserver.store import Store

LONGEST = 31 * 86_400
"""Seconds that a link may be good for."""

_MOMENT = re.compile(r"[0-9]{1,12}", re.ASCII)


def signed(key: str, path: str, expires: int) -> str:
    """The path with what makes it good until a moment (in seconds since 1970). Raises Unauthorized for no API key."""
    key_id, secret_hash = parts_of(key)
    return f"{path}?key={key_id}&expires={expires}&signature={_signature(secret_hash, path, expires)}"


async def check(store: Store, path: str, query: Mapping[str, str], scope: str) -> None:
    """Raises Unauthorized for a link that isn't good (any more), and Forbidden if its key may not do that."""
    expires, signature = query.get("expires", ""), query.get("signature", "")
    key = await store.key(query.get("key", ""))
    if key is None or not _MOMENT.fullmatch(expires):
        raise Unauthorized("this page needs a link that `liveserver reach SLUG --link` makes")
    expected = _signature(key.secret_hash, path, int(expires))
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise Unauthorized("the link is damaged, or was made for something else")
    left = int(expires) - now().timestamp()
    if not 0 < left <= LONGEST:
        raise Unauthorized("the link has expired" if left <= 0 else "the link is made for too long a time")
    key.check()
    if scope not in key.scopes:
        raise Forbidden(f"the key “{key.name}”, which made the link, lacks the scope “{scope}”")


def _signature(secret_hash: str, path: str, expires: int) -> str:
    return hmac.new(secret_hash.encode(), f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()
