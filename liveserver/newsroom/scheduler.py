"""The scheduler: publishes entries that are due, in whichever process is first, and deletes old idempotency keys."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from liveserver.domain.errors import LiveserverError, StoreUnavailable
from liveserver.domain.ids import now
from liveserver.utils.background import Periodic

if TYPE_CHECKING:
    from liveserver.newsroom.publisher import Publisher
    from liveserver.store import Store

LOOK = 2.0
"""Seconds between queries: another process may have scheduled an entry, and ended since."""
RETRY = 0.5
"""Seconds until the next query after one that failed."""
BATCH = 20

KEEP_IDEMPOTENCY = timedelta(hours=48)
"""The time for which a repeated request is recognised."""
TIDY = 3600.0
"""Seconds between deletions of older idempotency keys."""

log = structlog.get_logger(__name__)


class Scheduler:
    """The scheduler of one process."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher
        self._tidied_at = float("-inf")
        """The event loop's time of the last deletion of old keys."""

    async def run(self) -> None:
        """Work until cancelled. If the database is unavailable, wait for it."""
        await Periodic(
            self._look,
            lambda: LOOK,
            log=log,
            failure_event="scheduler.broken",
            expected=(StoreUnavailable,),
            retry=lambda: RETRY,
            wake=self._publisher.has_scheduled,
        ).run()

    async def _look(self) -> float:
        """Publish entries that are due, and sometimes delete old keys; return the seconds until the next query."""
        wait = await self.publish_due()
        clock = asyncio.get_running_loop().time
        if clock() - self._tidied_at >= TIDY:
            self._tidied_at = clock()
            await self._store.entries.forget_idempotency(now() - KEEP_IDEMPOTENCY)
        return wait

    async def publish_due(self) -> float:
        """Publish entries that are due; return the seconds until the next query."""
        waiting = await self._store.entries.scheduled(limit=BATCH)
        moment = now()
        due = [entry for entry in waiting if entry.publish_at <= moment]
        passed_over = 0
        for slug, entry_id, _ in due:
            try:
                await self._publisher.publish_due(slug, entry_id)
            except StoreUnavailable:
                raise
            except LiveserverError as error:
                # The entry was deleted or edited at the same moment, and that counts.
                log.info("scheduler.passed_over", liveblog=slug, entry=entry_id, reason=str(error))
                passed_over += 1
            except Exception:
                # An entry that can't be published mustn't hold up those behind it.
                log.exception("scheduler.broken", liveblog=slug, entry=entry_id)
                passed_over += 1
        if passed_over:
            return RETRY
        if len(due) == BATCH:
            return 0.0
        if len(due) == len(waiting):
            return LOOK
        return min(LOOK, max(0.0, (waiting[len(due)].publish_at - now()).total_seconds()))
