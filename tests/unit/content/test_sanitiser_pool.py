"""Dear texts are made safe elsewhere, a few at a time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from liveserver.content import sanitiser_pool
from liveserver.content.sanitiser import safe
from liveserver.content.sanitiser_pool import SMALL, SanitiserPool, is_dear
from liveserver.domain.errors import Busy, InvalidInput
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.viewers import settle


def test_what_is_dear() -> None:
    assert not is_dear("x" * SMALL)
    assert is_dear("x" * (SMALL + 1))
    assert not is_dear("[" * 1_000)
    assert is_dear("[" * 1_000, "markdown")
    assert not is_dear("Une phrase, avec un [lien](https://exemple.fr/).\n\n" * 8, "markdown")


async def test_the_event_loop_goes_on_meanwhile() -> None:
    """The work here ends when the loop says so."""
    go_on = threading.Event()

    def work(body: str) -> str:
        assert go_on.wait(10)
        return body.upper()

    asked = asyncio.create_task(SanitiserPool().run(work, "x", owner="a"))
    await settle()
    go_on.set()
    assert await asked == "X"


async def test_so_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many others wait; more are told to come again."""
    monkeypatch.setattr(sanitiser_pool, "WAITING_MAX", 3)
    go_on, began, running, most = threading.Event(), threading.Semaphore(0), 0, 0
    lock = threading.Lock()

    def work(body: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        began.release()
        assert go_on.wait(10)
        with lock:
            running -= 1
        return body

    pool = SanitiserPool(threads=2)
    asked = [asyncio.create_task(pool.run(work, str(number), owner=number)) for number in range(5)]
    before = refusals.counts[Reason.BUSY]
    # In the same turn of the event loop, too: what waits is counted from when it is asked for.
    [refused] = await asyncio.gather(pool.run(work, "one more", owner="a"), return_exceptions=True)
    assert isinstance(refused, Busy)
    for _ in range(2):
        assert await asyncio.to_thread(began.acquire, timeout=10)
    assert refusals.counts[Reason.BUSY] == before + 1
    go_on.set()
    assert await asyncio.gather(*asked) == list("01234")
    assert most == 2
    assert await pool.run(work, "one more", owner="a") == "one more"


async def test_each_has_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """One who sends much is told to come again, and others find room; also when some have filled it up."""
    monkeypatch.setattr(sanitiser_pool, "WAITING_MAX", 11)
    monkeypatch.setattr(sanitiser_pool, "WAITING_PER_OWNER", 4)
    go_on = threading.Event()

    def work(body: str) -> str:
        assert go_on.wait(10)
        return body

    pool, asked, had = SanitiserPool(threads=1), [], []
    for owner in "abcde":
        sent = [asyncio.create_task(pool.run(work, f"{owner}{n}", owner=owner)) for n in range(5)]
        await settle()
        refused = [task for task in sent if task.done() and isinstance(task.exception(), Busy)]
        had.append(len(sent) - len(refused))
        asked += [task for task in sent if task not in refused]
    assert had == [4, 4, 2, 1, 1]
    go_on.set()
    assert len(await asyncio.gather(*asked)) == 12
    assert not pool._of
    assert pool._inside == 0


async def test_a_caller_that_leaves_leaves_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanitiser_pool, "WAITING_PER_OWNER", 1)
    pool = SanitiserPool()
    with pytest.raises(InvalidInput):
        await pool.run(safe, "<ul><li>" * 10_000, owner="a")
    assert await pool.run(str.upper, "x", owner="a") == "X"
    assert not pool._of


async def test_what_is_wrong_is_told() -> None:
    with pytest.raises(InvalidInput):
        await SanitiserPool().run(safe, "<ul><li>" * 10_000, owner="a")
