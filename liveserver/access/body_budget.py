"""Room for bodies that are on their way in: what they may hold together, and those of one key.

A body may come as slowly as it likes, and whoever has a key may send very many at once. So a place is taken before
anything of one is read, for as much as it may come to hold.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from liveserver.domain.errors import Busy, Quota, TooManyRequests
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON_MOST = 128
"""Of the largest bodies (`LIVESERVER_MAX_BODY_SIZE`), how many there is room for: 32 MB as it is set by default."""
JSON_PER_KEY = 32
"""The same of one key: 8 MB. A body that has come counts no more, so that an import never has so much."""

UPLOADS_MOST = 24
"""The same of pictures (`LIVESERVER_MEDIA_MAX_SIZE`), which count until they are developed: 480 MB of temporary files,
which are memory in a container whose `/tmp` is."""
UPLOADS_PER_KEY = 8
UPLOAD_LEAST = 1 / 2
"""What a picture counts at least, of the largest: each has a descriptor. So one key sends sixteen at once."""

AGAIN = 5
"""Seconds after which a key that sends as much as it may is asked to come back."""


class BodyBudget:
    """The bodies of one kind that are on their way."""

    def __init__(self, name: str, *, most: int, per_key: int) -> None:
        """`name`: of the quota, as clients are told; `most` and `per_key`: bytes."""
        self._quota = Quota(name, per_key, unit="content-bytes")
        self._most = most
        self._held: dict[str, int] = {}
        self.held = 0
        """Bytes, of all keys together."""

    def __len__(self) -> int:
        """How many keys send something."""
        return len(self._held)

    @contextmanager
    def room(self, key_id: str, size: int) -> Iterator[None]:
        """A place for a body of at most so many bytes. Raises TooManyRequests and Busy.

        No key may have more than there is room left: a few that fill it up leave room for others.
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
    """That of JSON, of which the largest has so many bytes."""
    return BodyBudget("bodies-held", most=JSON_MOST * largest, per_key=JSON_PER_KEY * largest)


def upload_budget(largest: int) -> BodyBudget:
    """That of pictures."""
    return BodyBudget("uploads-held", most=UPLOADS_MOST * largest, per_key=UPLOADS_PER_KEY * largest)
