"""What the clock brings: scheduled entries are published, by whichever process comes first; old keys are forgotten."""

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
"""Seconds between looks at the database: another process may have scheduled something, and ended since."""
RETRY = 0.5
"""Seconds until the next look after one that failed."""
BATCH = 20

KEEP_IDEMPOTENCY = timedelta(hours=48)
"""How long a repeated request is recognised."""
TIDY = 3600.0
"""Seconds between looks for idempotency keys that are older."""

log = structlog.get_logger(__name__)


class Scheduler:
    """Looks for entries that are due, and publishes them; forgets idempotency keys after two days."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher
        self._tidied_at = float("-inf")
        """The loop's time of the last look for old keys."""

    async def run(self) -> None:
        """Go on until cancelled. A database that is away is waited for."""
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
        """Publish what is due, and now and then forget old keys; returns the seconds until the next look."""
        wait = await self.publish_due()
        clock = asyncio.get_running_loop().time
        if clock() - self._tidied_at >= TIDY:
            self._tidied_at = clock()
            await self._store.entries.forget_idempotency(now() - KEEP_IDEMPOTENCY)
        return wait

    async def publish_due(self) -> float:
        """Publish what is due; returns the seconds until the next look."""
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
                # Deleted or edited in the same moment: whoever did that has decided.
                log.info("scheduler.passed_over", liveblog=slug, entry=entry_id, reason=str(error))
                passed_over += 1
            except Exception:
                # One that can't be published mustn't hold up those behind it.
                log.exception("scheduler.broken", liveblog=slug, entry=entry_id)
                passed_over += 1
        if passed_over:
            return RETRY
        if len(due) == BATCH:
            return 0.0
        if len(due) == len(waiting):
            return LOOK
        return min(LOOK, max(0.0, (waiting[len(due)].publish_at - now()).total_seconds()))
