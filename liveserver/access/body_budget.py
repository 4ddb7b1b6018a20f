"""Limits on the bytes of request bodies that are being received: for all bodies together, and for each sender.

A sender is an API key or a user (`Principal.ref`).

A body may come slowly, and a client may send very many bodies at once. So before the first byte of a body is read, the
greatest number of bytes that the body may have is reserved in a budget.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from liveserver.domain.errors import Busy, Quota, TooManyRequests
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON_MOST = 128
"""The number of JSON bodies of the largest size (`LIVESERVER_MAX_BODY_SIZE`) that may be received at the same
time: 32 MB together by default."""
JSON_PER_SENDER = 32
"""The number of JSON bodies of the largest size that one sender may send at the same time: 8 MB together by default. A
body counts only until it has been received, so even an import of many entries needs less than 8 MB."""

UPLOADS_MOST = 24
"""The number of uploaded pictures of the largest size (`LIVESERVER_MEDIA_MAX_SIZE`) that may be received at the same
time. A picture counts until it has been decoded. With the default size, the temporary files of these pictures have up
to 480 MB. If a container keeps `/tmp` in memory, the files use memory."""
UPLOADS_PER_SENDER = 8
"""The number of uploaded pictures of the largest size that one sender may send at the same time."""
UPLOAD_LEAST = 1 / 2
"""The least size that is counted for an uploaded picture, as a share of the largest size. A smaller picture counts as
this size, since each picture uses a file descriptor. So one sender can send at most sixteen pictures at the same
time."""

AGAIN = 5
"""Seconds of the `Retry-After` header, for a sender that sends too much at once."""


class BodyBudget:
    """The budget for request bodies of one sort: JSON, or pictures. It counts the bytes reserved by each sender."""

    def __init__(self, name: str, *, most: int, per_sender: int) -> None:
        """`name`: the name of the quota, which clients see.

        `most`: the greatest number of bytes that all senders together may reserve. `per_sender`: the greatest number
        of bytes that one sender may reserve.
        """
        self._quota = Quota(name, per_sender, unit="content-bytes")
        self._most = most
        self._held: dict[str, int] = {}
        """The number of bytes that each sender has reserved, by `Principal.ref`."""
        self.held = 0
        """The number of bytes that all senders together have reserved."""

    def __len__(self) -> int:
        """Return the number of senders that are sending a body now."""
        return len(self._held)

    @contextmanager
    def room(self, sender: str, size: int) -> Iterator[None]:
        """Reserve `size` bytes of the budget for a body of one sender until the `with` block ends.

        `sender`: the sender (`Principal.ref`). `size`: the greatest number of bytes that the body may have.

        The sender's sum is the number of bytes that it has reserved, including this body. Raises TooManyRequests if the
        sum is greater than `per_sender`. Raises Busy if the sum is greater than the number of bytes that were free
        before this call. So the fuller the budget is, the less each sender may reserve, and a few senders can't fill
        it.
        """
        after = self._held.get(sender, 0) + size
        if after > self._quota.most:
            raise TooManyRequests("this user or key sends as much at once as it may", self._quota, AGAIN)
        if after > self._most - self.held:
            refusals.note(Reason.BODIES, owner=sender, held=self.held)
            raise Busy("so much is being sent that no more is taken in")
        self._held[sender] = after
        self.held += size
        try:
            yield
        finally:
            self.held -= size
            self._held[sender] -= size
            if not self._held[sender]:
                del self._held[sender]


def json_budget(largest: int) -> BodyBudget:
    """Return the budget of JSON bodies. `largest`: the greatest number of bytes that one body may have."""
    return BodyBudget("bodies-held", most=JSON_MOST * largest, per_sender=JSON_PER_SENDER * largest)


def upload_budget(largest: int) -> BodyBudget:
    """Return the budget of uploaded pictures. `largest`: the greatest number of bytes of one picture."""
    return BodyBudget("uploads-held", most=UPLOADS_MOST * largest, per_sender=UPLOADS_PER_SENDER * largest)
