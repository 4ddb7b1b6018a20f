"""Scheduled entries: what is published, what is passed over, and when the next look is."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import capture_logs

from liveserver.domain.errors import Conflict, Gone, StoreUnavailable
from liveserver.newsroom import scheduler as scheduler_module
from liveserver.newsroom.scheduler import BATCH, LOOK, RETRY, Scheduler
from liveserver.store.repositories.entry_queries import Scheduled
from tests.support.store_samples import NOON, at
from tests.support.viewers import PATIENCE, settle

if TYPE_CHECKING:
    from liveserver.newsroom.publisher import Publisher
    from liveserver.store import Store


class Newsroom:
    """A store and a publishing side in one: what is scheduled, and what became of it."""

    def __init__(self, *times: datetime) -> None:
        self.entries = self
        self.scheduled_at = {f"e{number}": time for number, time in enumerate(times)}
        self.published: list[str] = []
        self.refusals: dict[str, Exception] = {}
        self.failures: list[Exception] = []
        self.limits: list[int] = []
        self.forgotten: list[datetime] = []
        self.changed = asyncio.Event()
        self.has_scheduled = asyncio.Event()

    async def scheduled(self, *, limit: int) -> list[Scheduled]:
        self.limits.append(limit)
        if self.failures:
            raise self.failures.pop(0)
        waiting = [Scheduled("match", id_, time) for id_, time in self.scheduled_at.items()]
        return sorted(waiting, key=lambda entry: entry.publish_at)[:limit]

    async def forget_idempotency(self, before: datetime) -> None:
        self.forgotten.append(before)

    async def publish_due(self, slug: str, entry_id: str) -> None:
        assert slug == "match"
        if entry_id in self.refusals:
            del self.scheduled_at[entry_id]
            raise self.refusals[entry_id]
        del self.scheduled_at[entry_id]
        self.published.append(entry_id)
        self.changed.set()


def scheduler_of(newsroom: Newsroom) -> Scheduler:
    return Scheduler(cast("Store", newsroom), cast("Publisher", newsroom))


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "now", lambda: NOON)


async def test_what_is_due_is_published_and_the_rest_waits() -> None:
    newsroom = Newsroom(at(-5), at(0.001), at(0), at(60))
    await scheduler_of(newsroom).publish_due()
    assert newsroom.published == ["e0", "e2"]
    assert set(newsroom.scheduled_at) == {"e1", "e3"}


@pytest.mark.parametrize(
    ("times", "wait"),
    [
        ([], LOOK),
        ([timedelta(hours=1)], LOOK),
        ([timedelta(seconds=0.2), timedelta(hours=1)], 0.2),
        ([timedelta(hours=-1)], LOOK),
    ],
)
async def test_the_next_look_is_when_the_next_is_due_or_soon(times: list[timedelta], wait: float) -> None:
    newsroom = Newsroom(*(NOON + time for time in times))
    assert await scheduler_of(newsroom).publish_due() == pytest.approx(wait)


async def test_what_has_become_due_meanwhile_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    newsroom = Newsroom(at(1))
    moments = iter([NOON, at(2)])
    monkeypatch.setattr(scheduler_module, "now", lambda: next(moments))
    assert await scheduler_of(newsroom).publish_due() == 0


async def test_a_full_batch_is_followed_by_another_at_once() -> None:
    newsroom = Newsroom(*[at(-1)] * (BATCH + 1))
    scheduler = scheduler_of(newsroom)
    assert await scheduler.publish_due() == 0
    assert len(newsroom.published) == BATCH
    assert await scheduler.publish_due() == LOOK
    assert len(newsroom.published) == BATCH + 1
    assert newsroom.limits == [BATCH, BATCH]


async def test_what_somebody_else_deleted_or_edited_is_passed_over() -> None:
    newsroom = Newsroom(*[at(-1)] * 3)
    newsroom.refusals = {"e0": Gone(), "e1": Conflict("edited")}
    with capture_logs() as logs:
        assert await scheduler_of(newsroom).publish_due() == RETRY, "what was refused is not tried again at once"
    assert newsroom.published == ["e2"]
    assert [(entry["event"], entry["entry"]) for entry in logs] == [
        ("scheduler.passed_over", "e0"),
        ("scheduler.passed_over", "e1"),
    ]


async def test_one_that_breaks_does_not_hold_up_those_behind_it() -> None:
    newsroom = Newsroom(*[at(-1)] * 2)
    newsroom.refusals = {"e0": ZeroDivisionError()}
    with capture_logs() as logs:
        assert await scheduler_of(newsroom).publish_due() == RETRY
    assert newsroom.published == ["e1"]
    assert [(entry["event"], entry["entry"]) for entry in logs] == [("scheduler.broken", "e0")]


async def test_a_store_that_is_away_ends_the_round() -> None:
    newsroom = Newsroom(*[at(-1)] * 2)
    newsroom.refusals = {"e0": StoreUnavailable()}
    with pytest.raises(StoreUnavailable):
        await scheduler_of(newsroom).publish_due()
    assert newsroom.published == []


async def test_it_outlives_a_store_that_is_away_and_any_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "RETRY", 0)
    newsroom = Newsroom(at(-1))
    newsroom.failures = [StoreUnavailable(), ZeroDivisionError(), StoreUnavailable()]
    with capture_logs() as logs:
        running = asyncio.create_task(scheduler_of(newsroom).run())
        await asyncio.wait_for(newsroom.changed.wait(), PATIENCE)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert newsroom.published == ["e0"]
    assert [entry["event"] for entry in logs] == ["scheduler.broken"]


async def test_what_is_scheduled_here_is_not_looked_for_later() -> None:
    """The next look follows at once."""
    newsroom = Newsroom()
    running = asyncio.create_task(scheduler_of(newsroom).run())
    await settle()
    assert len(newsroom.limits) == 1
    newsroom.scheduled_at["soon"] = at(0)
    newsroom.has_scheduled.set()
    await asyncio.wait_for(newsroom.changed.wait(), PATIENCE)
    await settle()
    assert newsroom.published == ["soon"]
    assert len(newsroom.limits) == 2
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_old_idempotency_keys_are_forgotten_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "LOOK", 0)
    newsroom = Newsroom()
    running = asyncio.create_task(scheduler_of(newsroom).run())
    await settle()
    assert len(newsroom.limits) > 10
    assert newsroom.forgotten == [NOON - timedelta(days=2)]
    monkeypatch.setattr(scheduler_module, "TIDY", 0)
    await settle()
    assert len(newsroom.forgotten) > 10
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
