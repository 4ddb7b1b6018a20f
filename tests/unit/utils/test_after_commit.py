"""The work after a commit follows it, whether somebody waits or not."""

from __future__ import annotations

import asyncio

import pytest

from liveserver.utils.after_commit import AfterCommit


async def write(done: asyncio.Event, *, fail: bool = False) -> str:
    """A write that takes as long as the test wants."""
    await done.wait()
    if fail:
        raise OSError("the disk is full")
    return "written"


@pytest.mark.parametrize("leave", [False, True])
async def test_it_is_told_once(leave: bool) -> None:
    """By the one who waits; without it, when it is written, and not before."""
    commit, done, told = AfterCommit(), asyncio.Event(), list[str]()
    task = asyncio.create_task(commit(write(done), told.append))
    await asyncio.sleep(0)
    if leave:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert told == []
    [writing] = commit._under_way
    done.set()
    if not leave:
        assert await task == "written"
    await writing
    await asyncio.sleep(0)
    assert told == ["written"]
    assert not commit._under_way


@pytest.mark.parametrize("leave", [False, True])
async def test_what_fails_is_told_nowhere(leave: bool) -> None:
    commit, done, told = AfterCommit(), asyncio.Event(), list[str]()
    task = asyncio.create_task(commit(write(done, fail=True), told.append))
    await asyncio.sleep(0)
    [writing] = commit._under_way
    if leave:
        task.cancel()
    done.set()
    with pytest.raises(asyncio.CancelledError if leave else OSError):
        await task
    await asyncio.wait([writing])
    await asyncio.sleep(0)
    assert told == []
    assert not commit._under_way
