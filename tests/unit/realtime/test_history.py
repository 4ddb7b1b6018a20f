"""The store, read as frames, while its history is replaced."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.change import Changes, Position
from liveserver.domain.errors import NotFound
from liveserver.domain.topic import Topic
from liveserver.newsroom.presenter import Presenter
from liveserver.realtime import history as history_module
from liveserver.realtime.history import StoreHistory
from liveserver.rendering.entry_renderer import EntryRenderer
from liveserver.rendering.urls import Urls
from liveserver.store import Store
from liveserver.store.backup.dump import backup
from liveserver.store.backup.restore import restore
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_liveblog, an_entry, at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BATCH = 10
COUNT = 25


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/live.db"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """A live blog with some batches of entries."""
    store = await Store.open(url)
    await store.liveblogs.create(a_liveblog(), NEWSROOM)
    for number in range(COUNT):
        await store.entries.create("match", an_entry(at(number), body=str(number)), by=NEWSROOM)
    yield store
    await store.close()


@pytest.fixture
def history(store: Store, monkeypatch: pytest.MonkeyPatch) -> StoreHistory:
    monkeypatch.setattr(history_module, "BATCH", BATCH)
    return StoreHistory(store, Presenter(EntryRenderer(Urls("http://test"))))


@pytest.fixture
async def archive(store: Store, url: str, tmp_path: Path) -> Path:
    """A backup of the store."""
    path = tmp_path / "backup.zip"
    with await asyncio.to_thread(path.open, "wb") as file:
        await backup(url, file)
    return path


async def position(store: Store) -> Position:
    return (await store.changes.positions(["match"]))["match"]


async def test_everything_after_a_position(store: Store, history: StoreHistory) -> None:
    """In one piece, however many batches it takes."""
    here = await position(store)
    replay = await history.after(Topic("match"), Position(here.epoch, 3))
    assert (replay.position, replay.floor) == (here, 3)
    assert [frame.seq for frame in replay.frames] == list(range(4, COUNT + 1))
    ahead = await history.after(Topic("match"), Position(here.epoch, COUNT + 9))
    assert (ahead.position, ahead.frames) == (here, [])


async def test_a_position_of_another_history_gives_the_last_changes(store: Store, history: StoreHistory) -> None:
    """Nobody would be sent the rest, and it may be everything there is."""
    here = await position(store)
    replay = await history.after(Topic("match"), Position("elsewhere", 3))
    assert (replay.position, replay.floor) == (here, COUNT - BATCH)
    assert [frame.seq for frame in replay.frames] == list(range(COUNT - BATCH + 1, COUNT + 1))


async def test_a_history_that_is_replaced_between_two_batches(
    store: Store, history: StoreHistory, url: str, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes read before the restore are dropped: no frame of the answer is of the former history."""
    old = await position(store)
    changes, reads = store.changes.after, 0

    async def read(slug: str, after: int, *, limit: int) -> Changes:
        nonlocal reads
        reads += 1
        if reads == 2:
            await restore(url, archive, replace=True)
        return await changes(slug, after, limit=limit)

    monkeypatch.setattr(store.changes, "after", read)
    replay = await history.after(Topic("match"), Position(old.epoch, 0))
    new = await position(store)
    assert new.epoch != old.epoch
    assert replay.position == new
    assert {frame.position.epoch for frame in replay.frames} == {new.epoch}
    assert [frame.seq for frame in replay.frames] == list(range(replay.floor + 1, COUNT + 1))


async def test_a_live_blog_that_is_not_there(history: StoreHistory) -> None:
    """It stands nowhere, and nothing can be read of it; the same of a view."""
    absent = [Topic("absent"), Topic("absent", ("sea",)), Topic("absent", (), 3)]
    assert await history.positions(absent) == {}
    for topic in absent:
        with pytest.raises(NotFound):
            await history.recent(topic, Position("aaaaaaaa", 3), 10)
