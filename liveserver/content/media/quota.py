"""Quotas of pictures, in bytes: one for all pictures together, and one for each owner (a user, a key or a source)."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.errors import MediaFull, Quota, TooManyRequests
from liveserver.utils.limits.rate_limiter import RateLimiter
from liveserver.utils.limits.refusals import Reason, refusals
from liveserver.utils.single_flight import FreshFlight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

COUNTED_FOR = 60.0
"""How long, in seconds, a count of the bytes of all pictures is used. A check after this time counts again, as other
processes may have added pictures, and pictures may have been deleted."""
NARROWER = 1.5
"""The bytes of all files of a picture, divided by the bytes of its largest file (an estimate). If the largest file is
1600 pixels wide, the files of 960 and 480 pixels together have 0.45 of its bytes."""
DAY = 86_400
"""The number of seconds in a day."""


class QuotaTerms(NamedTuple):
    """The limits of a `MediaQuota`, in bytes. 0 means no limit."""

    total: int
    """How many bytes all pictures in the store may have together."""
    daily: int
    """The quota of one owner (a user, a key or a source): how many bytes of pictures it may add without a pause. All
    files of each picture count. The used part of the quota comes back evenly, the whole quota within a day."""
    free: int
    """How many bytes must stay free on the disk of the pictures, as the database may need them."""


class MediaQuota:
    """The quotas of pictures, and how many bytes of them are used. An owner's quota counts only the pictures
    that this process has added.

    `count`: returns the number of bytes of all pictures in the store, counting only each picture's largest file.
    `free`: returns how many bytes are free on the disk; None if the number is unknown. A picture still counts for its
    owner's quota after it was deleted.
    """

    def __init__(
        self,
        terms: QuotaTerms,
        *,
        count: Callable[[], Awaitable[int]],
        free: Callable[[], Awaitable[int | None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terms = terms
        self._count = count
        self._free = free
        self._clock = clock
        self._counting = FreshFlight(self._recount)
        self._total = 0
        """The number of bytes of all files: an estimate made at the last count, plus the bytes of the files that this
        process has added since then."""
        self._counted_until = -math.inf
        daily = terms.daily
        self._sent = RateLimiter(daily / DAY, daily, clock) if daily else None

    async def check(self, owner: Hashable) -> None:
        """Raise MediaFull if no more pictures may be added, or TooManyRequests if the owner's quota is used up.

        A picture's size isn't known before it is transcoded, and only `add` counts it. So pictures that are sent at the
        same time may together exceed a limit. Also raises the errors of the functions `count` and `free` that the quota
        was made with.
        """
        if self._sent is not None and (wait := self._sent.wait(owner)):
            quota = Quota("pictures", self._terms.daily, unit="content-bytes", window=DAY)
            raise TooManyRequests(
                "this user, key or source sent as many pictures today as it may", quota, math.ceil(wait)
            )
        if self._terms.free:
            free = await self._free()
            if free is not None and free < self._terms.free:
                refusals.note(Reason.STORAGE, owner=owner, free=free)
                raise MediaFull("the disk is so full that no more pictures are taken in")
        if self._terms.total:
            if self._counted_until <= self._clock():
                await self._counting()
            if self._total >= self._terms.total:
                refusals.note(Reason.STORAGE, owner=owner, total=self._total)
                raise MediaFull("there are as many pictures as there may be (LIVESERVER_MEDIA_TOTAL): delete some")

    def add(self, owner: Hashable, size: int) -> None:
        """Count a picture for its owner and in the total. `size`: the bytes of all its files."""
        self._total += size
        if self._sent is not None:
            self._sent.take(owner)
            self._sent.owe(owner, size - 1)

    async def _recount(self) -> None:
        self._total = round(await self._count() * NARROWER)
        self._counted_until = self._clock() + COUNTED_FOR
