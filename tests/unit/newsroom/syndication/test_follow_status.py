"""How following a source stands: what is noted, and when."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import capture_logs

from liveserver.client.errors import DETAIL_MAX
from liveserver.domain.errors import StoreUnavailable
from liveserver.domain.source import SourceState
from liveserver.newsroom.syndication import follow_status
from liveserver.newsroom.syndication.follow_status import ERROR_MAX, FollowStatus
from liveserver.store import Hold, Store
from tests.support.api.site import settled
from tests.support.principals import NEWSROOM
from tests.support.store_samples import NOON, a_liveblog, a_source
from tests.support.viewers import settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOLD = Hold("source", "node", None)


class Notes:
    """A store that keeps nothing but the notes on a source."""

    def __init__(self) -> None:
        self.written: list[tuple[SourceState, str | None, int | None]] = []
        self.failure: Exception | None = None

    @property
    def sources(self) -> Notes:
        return self

    async def note(
        self, hold: Hold, state: SourceState, *, error: str | None, told: int | None, heard_at: object
    ) -> None:
        assert hold is HOLD
        if self.failure is not None:
            raise self.failure
        self.written.append((state, error, told))


@asynccontextmanager
async def reported(told: int | None = None) -> AsyncIterator[tuple[FollowStatus, Notes]]:
    """A status that is being reported."""
    notes = Notes()
    status = FollowStatus(a_source(told=told), cast("Store", notes), lambda: HOLD)
    task = asyncio.create_task(status.report())
    await settle()
    try:
        yield status, notes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_each_state_is_noted_once() -> None:
    async with reported(told=7) as (status, notes):
        status.connection("live")
        await settle()
        status.connection("live")
        await settle()
        status.failed(SourceState.REFUSED, "no")
        await settle()
    connecting, live, refused = SourceState.CONNECTING, SourceState.LIVE, SourceState.REFUSED
    assert notes.written == [(connecting, None, 7), (live, None, 7), (refused, "no", 7)]


async def test_the_error_of_a_lost_connection_stands_until_it_is_live_again() -> None:
    async with reported() as (status, notes):
        status.connection_error(OSError("refused"))
        status.connection("lost")
        await settle()
        status.connecting()
        await settle()
        status.connection("live")
        await settle()
        status.connection("lost")
        await settle()
    assert [(state, error) for state, error, _ in notes.written[1:]] == [
        (SourceState.LOST, "refused"),
        (SourceState.CONNECTING, "refused"),
        (SourceState.LIVE, None),
        (SourceState.LOST, "the connection was lost"),
    ]


async def test_a_complaint_changes_no_state() -> None:
    async with reported() as (status, notes):
        status.connection("live")
        status.complaint("x" * 10_000)
        await settle()
        status.connection_error(ValueError())
        status.connection("lost")
        await settle()
    length = min(ERROR_MAX, DETAIL_MAX)
    assert notes.written[1:] == [(SourceState.LIVE, "x" * length, None), (SourceState.LOST, "ValueError", None)]


async def test_positions_are_noted_with_the_next_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message is no event to the store: a busy source would have a write for each."""
    monkeypatch.setattr(follow_status, "REPORT_SECONDS", 0.05)
    async with reported() as (status, notes):
        status.message({"type": "entry", "seq": 8})
        await settle()
        assert len(notes.written) == 1

        async def reported_again() -> bool:
            return len(notes.written) > 1

        await settled(reported_again)
    assert notes.written[1] == (SourceState.CONNECTING, None, 8)


@pytest.mark.parametrize("seq", [-1, "x", None, 1.5])
async def test_a_position_that_is_none_is_an_error(seq: Any) -> None:
    async with reported() as (status, _):
        with pytest.raises(ValueError, match="no position"):
            status.message({"seq": seq})


async def test_it_is_noted_later_where_the_store_is_away() -> None:
    async with reported() as (status, notes):
        notes.failure = StoreUnavailable("away")
        status.connection("live")
        await settle()
        notes.failure = None
        status.complaint("a")
        await settle()
    assert notes.written[1:] == [(SourceState.LIVE, "a", None)]


async def test_it_goes_on_where_another_process_has_the_source(tmp_path: Path) -> None:
    """Its states are ignored until the coordinator ends it: it may be this process's turn again before."""
    store = await Store.open(f"sqlite:///{tmp_path}/live.sqlite3")
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    source = await store.sources.add(a_source(), NEWSROOM)
    status = FollowStatus(source, store, lambda: Hold(source.id, "node", None))

    async def is_noted(state: SourceState) -> bool:
        return (await store.sources.find(source.slug, NOON)).state is state

    await store.sources.hold("other", NOON, timedelta(seconds=10))
    task = asyncio.create_task(status.report())
    status.connection("live")
    await asyncio.wait({task}, timeout=0.2)
    assert not task.done()
    assert await is_noted(SourceState.WAITING)
    await store.sources.release("other")
    await store.sources.hold("node", NOON, timedelta(seconds=10))
    status.failed(SourceState.LOST, "away")
    await settled(lambda: is_noted(SourceState.LOST))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.close()


async def test_any_other_failure_ends_it() -> None:
    """So that it is logged: nobody knows what it is."""
    notes = Notes()
    notes.failure = RuntimeError("a defect")
    status = FollowStatus(a_source(), cast("Store", notes), lambda: HOLD)
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError):
            await status.report()


def test_changes_of_state_are_logged() -> None:
    status = FollowStatus(a_source(), cast("Store", Notes()), lambda: HOLD)
    with capture_logs() as logged:
        status.connection("live")
        status.connection("live")
        status.complaint("a")
        status.failed(SourceState.LOST, "b")
    assert [(line["event"], line["state"], line["error"]) for line in logged] == [
        ("syndication.state", SourceState.LIVE, None),
        ("syndication.state", SourceState.LOST, "b"),
    ]
