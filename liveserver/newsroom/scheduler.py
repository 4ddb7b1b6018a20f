"""The scheduler. It publishes scheduled entries that are due, and deletes old idempotency keys.

Every process has a scheduler. An entry is published by the first scheduler that finds it due.
"""

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
"""The greatest number of seconds between two queries for due entries. A process must ask again even if it has scheduled
nothing itself: a process that has scheduled an entry may end before the entry is due."""
RETRY = 0.5
"""Seconds until the next query if a query, or the publication of an entry, has failed."""
BATCH = 20

KEEP_IDEMPOTENCY = timedelta(hours=48)
"""The time for which idempotency keys are kept, so that a repeated request is recognised."""
TIDY = 3600.0
"""Seconds between two deletions of idempotency keys that are older than KEEP_IDEMPOTENCY."""

log = structlog.get_logger(__name__)


class Scheduler:
    """The scheduler of one process, which publishes due entries and deletes old idempotency keys."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher
        self._tidied_at = float("-inf")
        """The event loop's time at which old idempotency keys were last deleted; -inf before the first deletion."""

    async def run(self) -> None:
        """Publish due entries until cancelled. If the database doesn't answer, try again every RETRY seconds."""
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
        """Publish due entries. Also delete old idempotency keys, but at most once every TIDY seconds.

        Returns the seconds until the next query. Raises StoreUnavailable.
        """
        wait = await self.publish_due()
        clock = asyncio.get_running_loop().time
        if clock() - self._tidied_at >= TIDY:
            self._tidied_at = clock()
            await self._store.entries.forget_idempotency(now() - KEEP_IDEMPOTENCY)
        return wait

    async def publish_due(self) -> float:
        """Publish due entries, at most BATCH of them. Returns the seconds until the next query.

        Raises StoreUnavailable.
        """
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
                # Somebody has deleted or edited the entry since the query. Their change stays as it is.
                log.info("scheduler.passed_over", liveblog=slug, entry=entry_id, reason=str(error))
                passed_over += 1
            except Exception:
                # If one entry can't be published, later entries must be published nevertheless.
                log.exception("scheduler.broken", liveblog=slug, entry=entry_id)
                passed_over += 1
        if passed_over:
            return RETRY
        if len(due) == BATCH:
            return 0.0
        if len(due) == len(waiting):
            return LOOK
        return min(LOOK, max(0.0, (waiting[len(due)].publish_at - now()).total_seconds()))
