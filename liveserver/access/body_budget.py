"""A budget of bytes for request bodies that are being received: one for all of them, and one for each key.

A body may come slowly, and a key may send very many at once. So each body takes its bytes from the budget before
anything of it is read, as many as it may turn out to have.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from liveserver.domain.errors import Busy, Quota, TooManyRequests
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON_MOST = 128
"""JSON bodies of the largest size (`LIVESERVER_MAX_BODY_SIZE`) for which there is room: 32 MB with the default."""
JSON_PER_KEY = 32
"""JSON bodies of the largest size for which one key has room: 8 MB. A body counts only until it has been received, so
even an import of many entries doesn't need as much."""

UPLOADS_MOST = 24
"""Pictures of the largest size (`LIVESERVER_MEDIA_MAX_SIZE`) for which there is room. They count until they have been
decoded: 480 MB of temporary files, which are memory in a container whose `/tmp` is in memory."""
UPLOADS_PER_KEY = 8
"""Pictures of the largest size for which one key has room."""
UPLOAD_LEAST = 1 / 2
"""The share of the largest size as which even a small picture counts, as each takes a file descriptor. One key can so
send sixteen at once."""

AGAIN = 5
"""Seconds after which a key that sends too much at once is asked to come back."""


class BodyBudget:
    """The bytes of the bodies that are being received, of one sort: JSON or pictures."""

    def __init__(self, name: str, *, most: int, per_key: int) -> None:
        """`name`: the quota's, which clients see. `most`, `per_key`: bytes of all keys together, and of one key."""
        self._quota = Quota(name, per_key, unit="content-bytes")
        self._most = most
        self._held: dict[str, int] = {}
        """Bytes by key id."""
        self.held = 0
        """Bytes of all keys together."""

    def __len__(self) -> int:
        """Return the number of keys that send something."""
        return len(self._held)

    @contextmanager
    def room(self, key_id: str, size: int) -> Iterator[None]:
        """Hold room for a body of at most `size` bytes until the block ends. Raises TooManyRequests and Busy.

        No key may take more than is left for all others together, so a few keys that fill the budget leave room for
        others.
        """
        after = self._held.get(key_id, 0) + size
        if after > self._quota.most:
            raise TooManyRequests("this key sends as much at once as it may", self._quota, AGAIN)
        if after > self._most - self.held:
            refusals.note(Reason.BODIES, key=key_id, held=self.held)
            raise Busy("so much is being sent that no more is taken in")
        self._held[key_id] = after
        self.held += size
        try:
            yield
        finally:
            self.held -= size
            self._held[key_id] -= size
            if not self._held[key_id]:
                del self._held[key_id]


def json_budget(largest: int) -> BodyBudget:
    """Return the budget of JSON bodies. `largest`: bytes that one may have."""
    return BodyBudget("bodies-held", most=JSON_MOST * largest, per_key=JSON_PER_KEY * largest)


def upload_budget(largest: int) -> BodyBudget:
    """Return the budget of pictures. `largest`: bytes that one may have."""
    return BodyBudget("uploads-held", most=UPLOADS_MOST * largest, per_key=UPLOADS_PER_KEY * largest)
