"""How much pictures may take: of all, of one who sends them, and of the disk."""

from __future__ import annotations

import pytest

from liveserver.content.media.quota import COUNTED_FOR, DAY, NARROWER, MediaQuota, QuotaTerms
from liveserver.domain.errors import MediaFull, TooManyRequests
from liveserver.utils.limits.refusals import Reason, refusals


class Room:
    """A store and a disk, as full as the test likes."""

    def __init__(self, total: int = 0, daily: int = 0, free: int = 0) -> None:
        self.now = 0.0
        self.kept = 0
        self.left: int | None = 10_000
        self.counts = 0
        self.quota = MediaQuota(
            QuotaTerms(total, daily, free), count=self.count, free=self.free, clock=lambda: self.now
        )

    async def count(self) -> int:
        self.counts += 1
        return self.kept

    async def free(self) -> int | None:
        return self.left


async def test_all_together() -> None:
    """As the store counts them, once in a while, and what was added since."""
    room = Room(total=1_500)
    room.kept = round(900 / NARROWER)
    await room.quota.check("a")
    room.quota.add("a", 599)
    await room.quota.check("a")
    room.quota.add("b", 1)
    before = refusals.counts[Reason.STORAGE]
    for owner in "ab":
        with pytest.raises(MediaFull, match="LIVESERVER_MEDIA_TOTAL"):
            await room.quota.check(owner)
    assert refusals.counts[Reason.STORAGE] == before + 2
    assert room.counts == 1
    room.kept, room.now = 0, COUNTED_FOR
    await room.quota.check("a")
    assert room.counts == 2


async def test_of_one() -> None:
    """At once, and then in a day; nobody else has less."""
    room = Room(daily=DAY)
    for size in (DAY - 10, 110):
        await room.quota.check("a")
        room.quota.add("a", size)
    with pytest.raises(TooManyRequests) as caught:
        await room.quota.check("a")
    assert caught.value.retry_after == pytest.approx(101, abs=1)
    assert (caught.value.quota.most, caught.value.quota.window) == (DAY, DAY)
    await room.quota.check("b")
    room.now = 102.0
    await room.quota.check("a")


async def test_of_the_disk() -> None:
    """The database needs some. Where nobody can tell, there is room."""
    room = Room(free=1_000)
    room.left = 1_000
    await room.quota.check("a")
    room.left = 999
    with pytest.raises(MediaFull, match="disk"):
        await room.quota.check("a")
    room.left = None
    await room.quota.check("a")


async def test_without_bounds() -> None:
    """Nothing is counted."""
    room = Room()
    room.left = 0
    room.quota.add("a", 10**15)
    await room.quota.check("a")
    assert room.counts == 0
