"""Reach: for each partner, a live blog's present number of viewers, and its views and watch time in each hour.

Nothing is kept about any single viewer. Each node counts its viewers when they come and leave
(`newsroom/watch_time.py`). It announces the present numbers to the other nodes
(`realtime/upkeep/announced_counts.py`), and adds its counts of views and watch time to the store every minute.
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
from liveserver.realtime.upkeep import announced_counts
from liveserver.utils.background import Periodic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from liveserver.domain.audience import ReachHour
    from liveserver.realtime.bus import Bus
    from liveserver.realtime.hub import Hub
    from liveserver.realtime.viewer import Viewer
    from liveserver.store import Store

FLUSH = 60.0
"""Seconds between two writes of the counts of views and watch time to the store."""
DAYS = 30
"""The number of days of a report if the request names no first day."""
DAYS_MAX = 366
"""The greatest number of days of a report."""

log = structlog.get_logger(__name__)


class Reach:
    """The audience statistics of one process. Implements `ViewerObserver`, whose methods the hub calls."""

    def __init__(self, store: Store, hub: Hub, bus: Bus, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._meter = WatchTimeMeter()
        self._announced = announced_counts.AnnouncedCounts(hub.node, "reach")
        self._flushed_at = 0.0
        """The event loop's time at which the last write to the store began, or `run` was started."""

    async def run(self) -> None:
        """Announce every `announced_counts.INTERVAL` seconds, and flush every FLUSH seconds, until cancelled."""
        self._flushed_at = asyncio.get_running_loop().time()
        await Periodic(
            self._announce_and_flush, lambda: announced_counts.INTERVAL, log=log, failure_event="reach.broken"
        ).run()

    async def _announce_and_flush(self) -> None:
        self.announce()
        moment = asyncio.get_running_loop().time()
        if moment - self._flushed_at >= FLUSH:
            self._flushed_at = moment
            await self.flush()

    def announce(self) -> None:
        """Announce the numbers of this node's viewers to the other nodes. Does nothing if the bus isn't up."""
        if self._bus.up:
            self._announced.forget(self._clock() - announced_counts.LIFETIME)
            for message in self._announced.announcements(
                {_announced_name(key): count for key, count in self._meter.viewers().items()}
            ):
                self._bus.announce(message)

    async def flush(self) -> None:
        """Add to the store the views and the watch time that were counted since the last flush.

        If the store is unavailable, these counts are kept for the next flush.
        """
        counts = self._meter.take(self._clock())
        if not counts:
            return
        try:
            await self._store.reach.add(counts)
        except StoreUnavailable as error:
            log.warning("reach.not_kept", error=str(error))
            self._meter.give_back(counts)

    def came(self, slug: str, viewer: Viewer, /) -> None:
        """Count a viewer that the hub has registered for this live blog."""
        key = Key(slug, viewer.partner)
        self._meter.came(key, self._clock(), self._announced.elsewhere(_announced_name(key)))

    def left(self, slug: str, viewer: Viewer, /) -> None:
        """Stop counting a viewer that has left this live blog."""
        self._meter.left(Key(slug, viewer.partner), self._clock())

    def said(self, slug: str, viewer: Viewer, message: bytes, /) -> None:
        """Do nothing: the messages that viewers send don't concern reach."""

    def asked(self, slug: str, /) -> int:
        """Return 0: reach asks viewers for no answers."""
        return 0

    def announced(self, message: bytes, /) -> None:
        """Note the numbers of viewers in another node's announcement of reach.

        Ignores this node's own announcements, and announcements without numbers of reach.
        """
        self._announced.take(message, self._clock())

    async def report(
        self, slug: str, since: date | None = None, until: date | None = None, *, partner: str | None = None
    ) -> ReachReport:
        """Return a report on the days from `since` to `until`, both included, in the live blog's time zone.

        `until`: None for today. `since`: None for a report on the DAYS days up to `until`. `partner`: the only partner
        to report on (None: all). Counts of the last minute may be missing, as nodes write them once a minute. Raises
        StoreUnavailable. Raises NotFound if there is no such live blog. Raises InvalidInput if `since` is after
        `until`, or if there are more than DAYS_MAX days.
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
        now = self.viewers_now(slug)
        by_partner = {name: list(group) for name, group in groupby(hours, key=lambda hour: hour.partner)}
        partner_ids = {*by_partner, *now} if partner is None else {partner}
        partners = [
            PartnerReach(
                partner_id,
                now.get(partner_id, 0),
                by_partner.get(partner_id, []),
                list(_days(by_partner.get(partner_id, []), zone)),
            )
            for partner_id in sorted(partner_ids)
        ]
        return ReachReport(liveblog, first, last, partners)

    def viewers_now(self, slug: str) -> dict[str, int]:
        """Return the numbers of a live blog's viewers on all nodes now, by partner ("": no partner).

        The other nodes' numbers may be some seconds old.
        """
        keys = {Key(*name.split(" ", 1)) for name in self._announced.slugs() if " " in name}
        viewers_here = self._meter.viewers()
        return {
            key.partner: viewers_here.get(key, 0) + self._announced.elsewhere(_announced_name(key))
            for key in keys | viewers_here.keys()
            if key.slug == slug
        }


def _announced_name(key: Key) -> str:
    """Return the text that stands for a key in announcements: slug, space, partner. (No slug has a space.)"""
    return f"{key.slug} {key.partner}"


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock_time(), zone)


def _days(hours: Iterable[ReachHour], zone: ZoneInfo) -> Iterable[ReachDay]:
    for day, group in groupby(hours, key=lambda hour: hour.hour.astimezone(zone).date()):
        hours_of_day = list(group)
        yield ReachDay(
            day,
            sum(hour.views for hour in hours_of_day),
            sum(hour.seconds for hour in hours_of_day),
            max(hour.peak for hour in hours_of_day),
        )
