"""Reach: who reads a live blog where, now and by the hour, without anything of any single one.

Each node counts its viewers as they come and leave (`newsroom/watch_time.py`), tells the others how many there are (as
`realtime/upkeep/presence.py` does), and adds what it has counted to the store every minute.
"""

from __future__ import annotations

import asyncio
import time
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from itertools import groupby
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog

from liveserver.domain.errors import FieldError, InvalidInput, StoreUnavailable
from liveserver.domain.reach_report import PartnerReach, ReachDay, ReachReport
from liveserver.newsroom.watch_time import Key, WatchTimeMeter
from liveserver.realtime.upkeep import presence
from liveserver.utils.background import Periodic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from liveserver.domain.audience import ReachHour
    from liveserver.realtime.bus import Bus
    from liveserver.realtime.hub import Hub
    from liveserver.realtime.viewer import Viewer
    from liveserver.store import Store

FLUSH = 60.0
"""Seconds between writes."""
DAYS = 30
"""Days that a report has where no first day is given."""
DAYS_MAX = 366
"""Days that a report may have."""

log = structlog.get_logger(__name__)


class Reach:
    """The audience statistics of one process. Implements `ViewerObserver`."""

    def __init__(self, store: Store, hub: Hub, bus: Bus, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._meter = WatchTimeMeter()
        self._presence = presence.Presence(hub.node, "reach")
        self._flushed_at = 0.0
        """The loop's time of the last write."""

    async def run(self) -> None:
        """Tell the other nodes and write down what was counted, until cancelled."""
        self._flushed_at = asyncio.get_running_loop().time()
        await Periodic(self._tell, lambda: presence.INTERVAL, log=log, failure_event="reach.broken").run()

    async def _tell(self) -> None:
        self.announce()
        moment = asyncio.get_running_loop().time()
        if moment - self._flushed_at >= FLUSH:
            self._flushed_at = moment
            await self.flush()

    def announce(self) -> None:
        """Tell the other nodes how many viewers there are here."""
        if self._bus.up:
            self._presence.forget(self._clock() - presence.LIFETIME)
            for message in self._presence.announcements(
                {_word(key): count for key, count in self._meter.viewers().items()}
            ):
                self._bus.announce(message)

    async def flush(self) -> None:
        """Add what was counted to the store; kept for the next time if the store is away."""
        counted = self._meter.take(self._clock())
        if not counted:
            return
        try:
            await self._store.reach.add(counted)
        except StoreUnavailable as error:
            log.warning("reach.not_kept", error=str(error))
            self._meter.give_back(counted)

    def came(self, slug: str, viewer: Viewer, /) -> None:
        """A viewer was registered."""
        key = Key(slug, viewer.partner)
        self._meter.came(key, self._clock(), self._presence.elsewhere(_word(key)))

    def left(self, slug: str, viewer: Viewer, /) -> None:
        """A viewer that had come isn't there any more."""
        self._meter.left(Key(slug, viewer.partner), self._clock())

    def said(self, slug: str, viewer: Viewer, message: bytes, /) -> None:
        """A viewer sent something, which counts for nothing here."""

    def asked(self, slug: str, /) -> int:
        """Nobody is asked for anything."""
        return 0

    def announced(self, message: bytes, /) -> None:
        """A node says something, perhaps how many viewers it has."""
        self._presence.take(message, self._clock())

    async def report(
        self, slug: str, since: date | None = None, until: date | None = None, *, partner: str | None = None
    ) -> ReachReport:
        """From one day to another, both included, in the live blog's time zone; the last thirty if none are given.

        Raises NotFound, StoreUnavailable, and InvalidInput for days in the wrong order, or too many. What was counted
        in the last minute is missing.
        """
        liveblog = await self._store.liveblogs.find(slug)
        zone = ZoneInfo(liveblog.timezone)
        last = until or datetime.fromtimestamp(self._clock(), zone).date()
        first = since or last - timedelta(days=DAYS - 1)
        if not timedelta() <= last - first < timedelta(days=DAYS_MAX):
            raise InvalidInput(
                [FieldError("?from", f"must be at most {DAYS_MAX - 1} days before `to`, and not after it")]
            )
        hours = await self._store.reach.find(
            slug, _midnight(first, zone), _midnight(last + timedelta(days=1), zone), partner=partner
        )
        now = self._now(slug)
        by_partner = {found: list(group) for found, group in groupby(hours, key=lambda hour: hour.partner)}
        wanted = {*by_partner, *now} if partner is None else {partner}
        found = [
            PartnerReach(one, now.get(one, 0), by_partner.get(one, []), list(_days(by_partner.get(one, []), zone)))
            for one in sorted(wanted)
        ]
        return ReachReport(liveblog, first, last, found)

    def _now(self, slug: str) -> dict[str, int]:
        """Viewers on all nodes, by partner."""
        keys = {Key(*word.split(" ", 1)) for word in self._presence.slugs() if " " in word}
        here = self._meter.viewers()
        return {
            key.partner: here.get(key, 0) + self._presence.elsewhere(_word(key))
            for key in keys | here.keys()
            if key.slug == slug
        }


def _word(key: Key) -> str:
    """As nodes tell each other: no slug has a space."""
    return f"{key.slug} {key.partner}"


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock_time(), zone)


def _days(hours: Iterable[ReachHour], zone: ZoneInfo) -> Iterable[ReachDay]:
    for day, group in groupby(hours, key=lambda hour: hour.hour.astimezone(zone).date()):
        found = list(group)
        yield ReachDay(
            day,
            sum(hour.views for hour in found),
            sum(hour.seconds for hour in found),
            max(hour.peak for hour in found),
        )
