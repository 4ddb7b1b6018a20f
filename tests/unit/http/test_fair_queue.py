"""A requester that asks for much waits for it; the others don't."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.errors import Busy, ClientGone, NotFound
from liveserver.http.fair_queue import (
    AHEAD_PER_LINE,
    REST_MAX,
    UNREAD_MOST,
    UNREAD_SECONDS,
    UNREAD_SLOW,
    FairQueue,
)
from liveserver.http.queue_line import Requester
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.viewers import settle
from tests.support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine


class Workshop:
    """A fair queue, and jobs that are under way until they are let go."""

    def __init__(self, **bounds: int) -> None:
        self.now = 0.0
        self.queue = FairQueue(clock=lambda: self.now, **bounds)
        self.begun: list[str] = []
        """Names of jobs, in the order in which they began."""
        self.gone: set[str] = set()
        """Lines whose requesters have left."""
        self.unread: dict[str, int] = {}
        """Bytes that the requesters of a line haven't read."""
        self._ends: dict[str, asyncio.Event] = {}
        self._errors: dict[str, Exception] = {}

    def ask(self, line: str, name: str, *, ahead: bool = False) -> asyncio.Task[str]:
        """A requester of a line waits for a job."""
        requester = Requester(
            line,
            lambda: line in self.gone,
            f"of {line}",
            crowd=line == "crowd",
            unread=lambda: self.unread.get(line, 0),
        )
        return asyncio.ensure_future(self.queue.join(name, lambda: self._make(name), requester, ahead=ahead).result())

    async def end(self, *names: str, error: Exception | None = None) -> None:
        """Let jobs end."""
        for name in names:
            if error is not None:
                self._errors[name] = error
            self._ends.setdefault(name, asyncio.Event()).set()
        await settle()

    async def _make(self, name: str) -> str:
        self.begun.append(name)
        await self._ends.setdefault(name, asyncio.Event()).wait()
        if name in self._errors:
            raise self._errors[name]
        return name.upper()


@asynccontextmanager
async def workshop(**bounds: int) -> AsyncIterator[Workshop]:
    """One, of which nothing may be left running."""
    before = asyncio.all_tasks()
    found = Workshop(**bounds)
    yield found
    await found.queue.close()
    await settle()
    assert asyncio.all_tasks() == before


async def test_lines_take_turns() -> None:
    """However much the first has asked for, the others have theirs after one job of it."""
    async with workshop(at_once=1) as shop:
        flood = [shop.ask("a", f"a{number}") for number in range(50)]
        others = [shop.ask("b", "b0"), shop.ask("c", "c0"), shop.ask("b", "b1")]
        await settle()
        assert shop.begun == ["a0"]
        for done in ("a0", "b0", "c0", "a1", "b1"):
            await shop.end(done)
        assert shop.begun == ["a0", "b0", "c0", "a1", "b1", "a2"]
        assert await asyncio.gather(*others) == ["B0", "C0", "B1"]
        assert [task.done() for task in flood[:3]] == [True, True, False]
        await close(flood)


async def close(tasks: list[asyncio.Task[str]]) -> None:
    """Nobody waits any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_of_each_line_one_job_is_under_way() -> None:
    """Of all together, as many as there are places."""
    async with workshop(at_once=3) as shop:
        waiting = [shop.ask(line, f"{line}{number}") for line in "abcd" for number in range(2)]
        await settle()
        assert (shop.begun, shop.queue.waiting) == (["a0", "b0", "c0"], 5)
        await shop.end("b0")
        assert shop.begun[3:] == ["d0"]
        await shop.end("a0", "c0", "d0")
        assert sorted(shop.begun[4:]) == ["a1", "b1", "c1"]
        await shop.end("a1", "b1", "c1", "d1")
        await asyncio.gather(*waiting)
        assert shop.queue.waiting == 0


def in_virtual_time(check: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run it on a loop of its own, whose timers wait for nothing."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(check())


@pytest.mark.parametrize(("took", "rest"), [(0.2, 0.2), (30.0, REST_MAX)])
def test_a_line_rests_for_as_long_as_its_work_took(took: float, rest: float) -> None:
    """The others don't wait for it, even where there are places."""

    async def check() -> None:
        loop = asyncio.get_running_loop()
        queue = FairQueue(at_once=3, clock=loop.time)
        began: dict[str, float] = {}

        async def make(name: str) -> None:
            began[name] = loop.time()
            await asyncio.sleep(took)

        async def ask(line: str, name: str) -> None:
            await queue.run(name, lambda: make(name), Requester(line))

        await asyncio.gather(ask("a", "a0"), ask("a", "a1"), ask("b", "b0"))
        assert began == {"a0": 0.0, "b0": 0.0, "a1": pytest.approx(took + rest, abs=0.01)}
        # The rest holds for what comes after the line was empty, too, and ends.
        await ask("a", "a2")
        assert began["a2"] == pytest.approx(2 * (took + rest), abs=0.01)
        await asyncio.sleep(2 * took)
        ended = loop.time()
        await ask("a", "a3")
        assert began["a3"] == ended

    in_virtual_time(check)


async def test_what_nobody_waits_for_is_not_done() -> None:
    """Work that has begun is done; and a requester that comes later isn't told of it."""
    async with workshop(at_once=1) as shop:
        first = shop.ask("a", "a0")
        flood = [shop.ask("a", f"a{number}") for number in range(1, 1 + 50)]
        other = shop.ask("b", "b0")
        await settle()
        shop.gone.add("a")
        await shop.end("a0")
        assert await first == "A0"
        await shop.end("b0")
        assert await other == "B0"
        outcomes = await asyncio.gather(*flood, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {ClientGone}
        shop.gone.clear()
        again = shop.ask("a", "a7")
        await shop.end("a7")
        assert (await again, shop.begun, shop.queue.waiting) == ("A7", ["a0", "b0", "a7"], 0)


async def test_what_several_wait_for_is_done_once_in_the_first_of_their_turns() -> None:
    """While any of them is there: neither a long line before one of them, nor that it leaves, holds up the others."""
    async with workshop(at_once=1) as shop:
        flood = [shop.ask("a", f"a{number}") for number in range(20)]
        await settle()
        shared = [shop.ask("b", "a15"), shop.ask("c", "a15"), shop.ask("c", "a15")]
        shop.gone.add("b")
        await shop.end("a0")
        assert shop.begun == ["a0", "a15"]
        await shop.end("a15")
        assert await asyncio.gather(*shared, flood[15]) == ["A15"] * 4
        assert shop.begun == ["a0", "a15", "a1"]
        await close(flood)


async def test_a_requester_that_comes_after_it_began_has_another() -> None:
    """It may not know of what they know of."""
    async with workshop(at_once=2) as shop:
        early = shop.ask("a", "x")
        same = shop.ask("a", "x")
        await settle()
        late = [shop.ask("b", "x"), shop.ask("c", "x")]
        await settle()
        assert shop.begun == ["x", "x"]
        await shop.end("x")
        assert await asyncio.gather(early, same, *late) == ["X"] * 4
        assert shop.begun == ["x", "x"]


async def test_an_error_is_for_all_who_wait() -> None:
    async with workshop() as shop:
        waiting = [shop.ask("a", "x"), shop.ask("b", "x")]
        await settle()
        await shop.end("x", error=NotFound("nothing"))
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [NotFound] * 2
        assert shop.queue.find("x") is None


async def test_a_line_that_is_full_is_refused_alone() -> None:
    """It may join what waits; others may bring what is new."""
    async with workshop(at_once=1, per_line=3) as shop:
        waiting = [shop.ask("a", f"a{number}") for number in range(4)]
        await settle()
        before = refusals.counts[Reason.BUSY]
        with pytest.raises(Busy, match="made for this address"):
            shop.ask("a", "a4")
        assert refusals.counts[Reason.BUSY] == before + 1
        waiting += [shop.ask("a", "a3"), shop.ask("b", "b0"), shop.ask("a", "b0")]
        await shop.end("a0", "a1", "a2", "a3", "b0")
        await asyncio.gather(*waiting)


async def test_few_may_wait_for_what_waits_already() -> None:
    """Those that have left count until it is done, as they take memory until then. Other lines aren't held up."""
    async with workshop(at_once=1, requesters_per_line=4) as shop:
        busy = shop.ask("b", "b0")
        await settle()
        waiting = [shop.ask("a", name) for name in ("a0", "a1", "a1", "a1")]
        before = refusals.counts[Reason.BUSY]
        with pytest.raises(Busy, match="so many requests"):
            shop.ask("a", "a1")
        assert refusals.counts[Reason.BUSY] == before + 1
        waiting += [shop.ask("b", "a1"), shop.ask("a", "a2"), *(shop.ask("crowd", "c0") for _ in range(10))]
        await shop.end("b0", "a0", "a1", "a2", "c0")
        await asyncio.gather(busy, *waiting)
        await shop.end(await shop.ask("a", "a1"))


async def test_what_room_is_left_is_shared() -> None:
    """However many have filled it up, one that waits for nothing is let in."""
    async with workshop(at_once=1, in_all=4) as shop:
        waiting = [shop.ask("a", f"a{number}") for number in range(3)]
        with pytest.raises(Busy, match="made for this address"):
            shop.ask("a", "a3")
        waiting += [shop.ask(line, f"{line}0", ahead=line == "d") for line in "bcd"]
        await settle()
        assert (shop.begun, shop.queue.waiting) == (["a0", "d0"], 4)
        waiting.append(shop.ask("d", "d1"))
        with pytest.raises(Busy):
            shop.ask("d", "d2")
        await shop.end("a0", "a1", "a2", "b0", "c0", "d0", "d1")
        await asyncio.gather(*waiting)
        assert shop.queue.waiting == 0


async def test_a_line_has_nothing_waiting_that_was_done_elsewhere() -> None:
    """Ahead of others, or in another's turn."""
    async with workshop(at_once=1, per_line=2) as shop:
        waiting = [shop.ask("a", "a0"), shop.ask("b", "x"), shop.ask("b", "y", ahead=True)]
        waiting += [shop.ask("c", "x"), shop.ask("c", "y")]
        await shop.end("y")
        waiting.append(shop.ask("c", "c0"))
        with pytest.raises(Busy):
            shop.ask("c", "c1")
        await shop.end("a0")
        assert shop.begun == ["a0", "y", "x"]
        waiting.append(shop.ask("c", "c1"))
        await shop.end("x", "c0", "c1")
        await asyncio.gather(*waiting)


async def test_what_goes_ahead_has_a_place_of_its_own() -> None:
    """One at a time, and only so many of one line; what is too many stays in the line."""
    async with workshop(at_once=1) as shop:
        waiting = [shop.ask("a", "a0"), shop.ask("a", "a1")]
        often = [f"often {number}" for number in range(AHEAD_PER_LINE + 3)]
        waiting += [shop.ask("a", name, ahead=True) for name in often]
        waiting += [shop.ask("b", "b0"), shop.ask("b", "read", ahead=True)]
        await settle()
        # The first one began at once, and left its place ahead to another.
        assert shop.begun == ["a0", often[0]]
        await shop.end(*often, "read")
        assert shop.begun == ["a0", *often[: AHEAD_PER_LINE + 1], "read"]
        await shop.end("a0", "a1", "b0")
        await asyncio.gather(*waiting)
        assert len(shop.begun) == len(set(shop.begun))


async def test_what_goes_ahead_is_not_done_for_nobody_either() -> None:
    async with workshop(at_once=1) as shop:
        waiting = [shop.ask("a", "a0"), *(shop.ask("a", f"often {number}", ahead=True) for number in range(3))]
        await settle()
        shop.gone.add("a")
        joined = shop.ask("b", "often 2")
        await shop.end("often 0", "a0")
        assert shop.begun == ["a0", "often 0", "often 2"]
        await shop.end("often 2")
        assert await joined == "OFTEN 2"
        assert [type(found) for found in await asyncio.gather(*waiting, return_exceptions=True)] == [
            str,
            str,
            ClientGone,
            str,
        ]
        assert shop.queue.waiting == 0


async def test_a_place_ahead_is_given_back_by_a_requester_that_leaves() -> None:
    """And the job, which waits in the line, may be asked for ahead again."""
    async with workshop(at_once=1) as shop:
        first = [shop.ask("b", "b0"), shop.ask("b", "often", ahead=True)]
        await settle()
        waiting = []
        for number in range(AHEAD_PER_LINE + 1):
            shop.gone.add("a")
            waiting.append(shop.ask("a", f"left {number}", ahead=True))
            await shop.end("often")
            shop.gone.remove("a")
            first.append(shop.ask("b", "often", ahead=True))
            await settle()
        waiting.append(shop.ask("a", "read", ahead=True))
        await shop.end("often", "read")
        assert "read" in shop.begun
        assert "left 0" not in shop.begun
        await shop.end("b0", *(f"left {number}" for number in range(AHEAD_PER_LINE + 1)))
        await asyncio.gather(*first, *waiting)


def test_a_requester_that_does_not_read_has_a_turn_now_and_then() -> None:
    """Others' turns come meanwhile, also for the same; and theirs as before, when they have read."""

    async def talk() -> None:
        async with workshop() as shop:
            await shop.end("a1", "a2", "a3", "a4", "both", "b1")
            shop.unread["a"] = UNREAD_SLOW
            waiting = [shop.ask("a", name) for name in ("both", "a1")]
            await settle()
            made = await asyncio.gather(shop.ask("b", "b1"), shop.ask("b", "both"), waiting[0])
            assert list(made) == ["B1", "BOTH", "BOTH"]
            waiting.append(shop.ask("a", "a2", ahead=True))
            waiting.append(shop.ask("a", "a3"))
            await asyncio.sleep(UNREAD_SECONDS / 2)
            assert shop.begun == ["b1", "both"]
            shop.now = UNREAD_SECONDS
            await asyncio.sleep(10 * UNREAD_SECONDS)
            assert shop.begun == ["b1", "both", "a1"]
            shop.unread["a"] = UNREAD_SLOW - 1
            assert await asyncio.gather(*waiting[1:]) == ["A1", "A2", "A3"]
            shop.unread["a"] = UNREAD_MOST
            with pytest.raises(Busy, match="hasn't read"):
                await shop.ask("a", "a4")
            assert await shop.ask("b", "b1") == "B1"

    in_virtual_time(talk)


async def test_nothing_is_kept_of_requesters_that_have_been_served() -> None:
    """A million addresses leave no more behind than one."""
    async with workshop() as shop:
        for number in range(100):
            task = shop.ask(f"line {number}", "x")
            await shop.end("x")
            await task
        await asyncio.sleep(0)
        await settle()
        assert vars(shop.queue)["_lines"] == {}
        assert vars(shop.queue)["_jobs"] == {}


async def test_a_job_that_is_cancelled_ends_the_requesters_that_wait_for_it() -> None:
    """As the end of what it waits for does at the process's; its line goes on."""
    async with workshop() as shop:
        first, second = shop.ask("a", "x"), shop.ask("b", "x")
        await settle()
        assert shop.begun == ["x"]
        [task] = vars(shop.queue)["_running"]
        task.cancel()
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2
        await shop.end("y")
        assert await shop.ask("b", "y") == "Y"


async def test_a_job_is_found_until_the_last_of_its_name_is_over() -> None:
    """The end of the one before doesn't hide the one that was asked for since."""
    async with workshop(at_once=2) as shop:
        first = shop.ask("a", "x")
        await settle()
        second = shop.ask("b", "x")
        await settle()
        assert shop.begun == ["x", "x"]
        third = shop.ask("c", "x")
        waits = shop.queue.find("x")
        assert waits is not None
        first.cancel()
        # Tasks are numbered.
        min(vars(shop.queue)["_running"], key=lambda task: int(task.get_name().rpartition("-")[2])).cancel()
        await settle()
        assert shop.queue.find("x") is waits
        await shop.end("x")
        await asyncio.gather(second, third, return_exceptions=True)


async def test_a_requester_that_joins_a_job_that_waits_ahead_keeps_it_there() -> None:
    """It is done for them when the one who asked first has gone."""
    async with workshop(at_once=1) as shop:
        busy = [shop.ask("a", "a0"), shop.ask("b", "ahead", ahead=True)]
        await settle()
        later = [shop.ask("c", "hot", ahead=True), shop.ask("d", "hot")]
        await settle()
        shop.gone.add("c")
        await shop.end("ahead", "hot")
        assert await later[1] == "HOT"
        assert shop.begun == ["a0", "ahead", "hot"]
        await shop.end("a0")
        await asyncio.gather(*busy, *later)


async def test_closing_ends_what_is_under_way_and_what_waits() -> None:
    async with workshop(at_once=1) as shop:
        waiting = [shop.ask("a", f"a{number}") for number in range(3)]
        await settle()
        await shop.queue.close()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 3
