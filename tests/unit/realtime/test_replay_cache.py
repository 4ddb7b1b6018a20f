"""One read for all viewers within its reach, for a while. The outcome for them: test_hub_joining.py."""

from __future__ import annotations

import asyncio

import pytest

from liveserver.domain.change import Position
from liveserver.domain.errors import StoreUnavailable
from liveserver.domain.topic import Topic
from liveserver.realtime import replay_cache as replay_cache_module
from liveserver.realtime.replay_cache import ReplayCache
from tests.support.memory_history import EPOCH, MemoryHistory
from tests.support.viewers import settle

MATCH = Topic("match")


def at(seq: int, epoch: str = EPOCH) -> Position:
    return Position(epoch, seq)


def history(changes: int) -> MemoryHistory:
    history = MemoryHistory("match")
    for number in range(changes):
        history.commit("match", f"entry-{number}")
    return history


@pytest.fixture(autouse=True)
def reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three changes."""
    monkeypatch.setattr(replay_cache_module, "REPLAY_MAX", 3)


def test_viewers_within_reach() -> None:
    replays = ReplayCache(MATCH, history(0))
    assert [replays.reaches(at(seq), at(9)) for seq in (5, 6, 9)] == [False, True, True]


async def test_one_read_serves_all_within_reach() -> None:
    """Wherever they stand, while it is under way and afterwards; another history needs one of its own."""
    store = history(9)
    replays = ReplayCache(MATCH, store)
    read = await asyncio.gather(*(replays.read(at(seq), at(9)) for seq in (8, 6, 7)))
    assert read[0] is read[1] is read[2] is await replays.read(at(7), at(9))
    assert (read[0].floor, [frame.seq for frame in read[0].frames]) == (6, [7, 8, 9])
    assert store.reads == ["after 6"]
    await replays.read(at(5), at(9))
    await replays.read(at(8, "other"), at(9, "other"))
    assert store.reads == ["after 6", "after 5", "after 6"]


async def test_it_is_kept_for_a_while_and_can_be_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    store = history(9)
    replays = ReplayCache(MATCH, store)
    store.hold()
    reading = asyncio.create_task(replays.read(at(8), at(9)))
    await store.until_reads(1)
    replays.drop()
    joining = asyncio.create_task(replays.read(at(8), at(9)))
    await settle()
    store.release()
    assert await reading is await joining, "what is being read isn't too old yet"
    replays.drop()
    monkeypatch.setattr(replay_cache_module, "REPLAY_KEEP", 0)
    await replays.read(at(8), at(9))
    assert len(store.reads) == 2
    await asyncio.sleep(0.001)
    await settle()
    await replays.read(at(8), at(9))
    assert len(store.reads) == 3


async def test_a_failure_is_not_kept() -> None:
    store = history(9)
    replays = ReplayCache(MATCH, store)
    store.down = True
    with pytest.raises(StoreUnavailable):
        await replays.read(at(8), at(9))
    await settle()
    store.down = False
    assert (await replays.read(at(8), at(9))).position == at(9)


async def test_what_is_too_much_to_carry_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest stay, and the floor says from where on they are complete."""
    store = history(9)
    last = (await store.after(MATCH, at(8))).frames[0]
    monkeypatch.setattr(replay_cache_module, "REPLAY_BYTES", 2 * len(last.message) + 1)
    replay = await ReplayCache(MATCH, store).read(at(6), at(9))
    assert (replay.floor, [frame.seq for frame in replay.frames]) == (7, [8, 9])


async def test_cancel_ends_the_read() -> None:
    store = history(9)
    store.hold()
    replays = ReplayCache(MATCH, store)
    assert replays.cancel() == []
    reading = asyncio.create_task(replays.read(at(8), at(9)))
    await store.until_reads(1)
    ended = replays.cancel()
    await asyncio.gather(*ended, reading, return_exceptions=True)
    assert [task.cancelled() for task in (*ended, reading)] == [True, True]
