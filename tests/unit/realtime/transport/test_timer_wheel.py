"""The wheel that times the pings, on a clock of its own."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import capture_logs

from liveserver.realtime.transport import timer_wheel
from liveserver.realtime.transport.timer_wheel import SLICE, SLOTS, TimerWheel, wheel_of

if TYPE_CHECKING:
    from collections.abc import Callable


class Loop:
    """As much of an event loop as the wheel needs; time passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        self.timers.append((self.now + delay, callback))
        self.timers.sort(key=lambda timer: timer[0])

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.call_later(0, callback)

    def pass_time(self, seconds: float) -> None:
        """Let that much time pass."""
        until = self.now + seconds
        while self.timers and self.timers[0][0] <= until:
            when, callback = self.timers.pop(0)
            self.now = max(self.now, when)
            callback()
        self.now = until


def wheel_on(loop: Loop) -> TimerWheel:
    return TimerWheel(cast("asyncio.AbstractEventLoop", loop))


class Member:
    """Notes when it was due."""

    def __init__(self, loop: Loop, again: int | None = None) -> None:
        self.slot = 0
        self.loop = loop
        self.again = again
        self.held: object = None
        self.calls: list[float] = []

    def due(self) -> int | None:
        self.calls.append(self.loop.now)
        return self.again


def test_a_member_is_due_once_after_its_seconds() -> None:
    loop = Loop()
    wheel = wheel_on(loop)
    members = {seconds: Member(loop) for seconds in (1, 2, 20, SLOTS - 1)}
    for seconds, member in members.items():
        wheel.add(member, seconds)
    assert len(wheel) == 4
    loop.pass_time(2 * SLOTS)
    assert {seconds: member.calls for seconds, member in members.items()} == {s: [float(s)] for s in members}
    assert len(wheel) == 0


def test_what_due_returns_is_when_it_is_due_again() -> None:
    loop = Loop()
    wheel = wheel_on(loop)
    member = Member(loop, 3)
    wheel.add(member, 5)
    loop.pass_time(12)
    assert member.calls == [5, 8, 11]
    assert len(wheel) == 1
    member.again = None
    loop.pass_time(SLOTS)
    assert member.calls == [5, 8, 11, 14]
    assert len(wheel) == 0


def test_a_whole_turn_of_the_wheel_comes_back_to_the_member() -> None:
    loop = Loop()
    wheel = wheel_on(loop)
    member = Member(loop, 100)
    wheel.add(member, 100)
    loop.pass_time(1000)
    assert member.calls == [100 * n for n in range(1, 11)]


def test_a_discarded_member_is_never_due() -> None:
    loop = Loop()
    wheel = wheel_on(loop)
    gone, stays = Member(loop), Member(loop)
    wheel.add(gone, 3)
    wheel.add(stays, 3)
    wheel.discard(gone)
    wheel.discard(gone)
    assert len(wheel) == 1
    loop.pass_time(10)
    assert (gone.calls, stays.calls) == ([], [3])


def test_discarding_a_member_that_was_never_there_or_was_due_already_changes_nothing() -> None:
    loop = Loop()
    wheel = wheel_on(loop)
    member, other = Member(loop), Member(loop)
    wheel.add(other, 2)
    wheel.discard(member)
    loop.pass_time(2)
    wheel.add(member, 2)
    wheel.discard(other)
    assert len(wheel) == 1


def test_members_may_come_and_go_while_others_are_due() -> None:
    loop = Loop()
    wheel = wheel_on(loop)
    late = Member(loop)

    class Busy(Member):
        def due(self) -> int | None:
            wheel.add(late, 1)
            wheel.discard(self)
            return super().due()

    busy = Busy(loop)
    wheel.add(busy, 1)
    loop.pass_time(5)
    assert (busy.calls, late.calls) == ([1], [2])
    assert len(wheel) == 0


def test_the_timer_stops_when_the_wheel_is_empty_and_starts_again() -> None:
    loop = Loop()
    wheel = wheel_on(loop)
    assert not loop.timers
    member = Member(loop)
    for _ in range(2):
        wheel.add(member, 2)
        assert len(loop.timers) == 1
        loop.pass_time(4)
        assert not loop.timers
    assert member.calls == [2, 6]


def test_there_is_one_timer_for_all() -> None:
    loop = Loop()
    wheel = wheel_on(loop)
    for n in range(1000):
        wheel.add(Member(loop), n % SLOTS)
    assert len(wheel) == 1000
    assert len(loop.timers) == 1


def test_the_wheel_looks_at_most_a_turn_ahead_and_at_least_a_second() -> None:
    loop = Loop()
    wheel = wheel_on(loop)
    far, near, past = Member(loop), Member(loop), Member(loop)
    wheel.add(far, 10 * SLOTS)
    wheel.add(near, 0)
    wheel.add(past, -5)
    loop.pass_time(2 * SLOTS)
    assert (far.calls, near.calls, past.calls) == ([SLOTS - 1], [1], [1])


def test_a_member_that_fails_costs_the_others_nothing() -> None:
    loop = Loop()
    wheel = wheel_on(loop)

    class Failing(Member):
        def due(self) -> int | None:
            super().due()
            raise LookupError

    failing = [Failing(loop) for _ in range(10)]
    others = [Member(loop, 1) for _ in range(10)]
    for member in [*failing, *others]:
        wheel.add(member, 1)
    with capture_logs() as logs:
        loop.pass_time(3)
    assert [member.calls for member in failing] == [[1]] * 10
    assert [member.calls for member in others] == [[1, 2, 3]] * 10
    assert [entry["event"] for entry in logs] == ["keepalive.failed"] * 10
    assert len(wheel) == 10


def test_others_have_their_turn_between_slices() -> None:
    loop = Loop()
    wheel = wheel_on(loop)
    members = [Member(loop, 1) for _ in range(2 * SLICE + 1)]
    called: list[int] = []
    for member in members:
        wheel.add(member, 1)
    loop.call_later(1, lambda: called.append(sum(len(member.calls) for member in members)))
    loop.call_later(1, lambda: wheel.discard(next(member for member in members if not member.calls)))
    loop.pass_time(1)
    assert called == [SLICE]
    assert sum(len(member.calls) for member in members) == 2 * SLICE
    assert len(wheel) == 2 * SLICE


@pytest.mark.parametrize("leave", ["due", "discarded"])
def test_a_rush_leaves_no_room_behind(leave: str) -> None:
    loop = Loop()
    wheel = wheel_on(loop)
    empty = sum(sys.getsizeof(slot) for slot in wheel._slots)
    members = [Member(loop) for _ in range(10_000)]
    for member in members:
        wheel.add(member, 2)
    if leave == "due":
        loop.pass_time(3)
    else:
        for member in members:
            wheel.discard(member)
    assert sum(sys.getsizeof(slot) for slot in wheel._slots) == empty


def test_a_second_passes_between_two_calls_however_late_the_wheel_is() -> None:
    loop = Loop()
    wheel = wheel_on(loop)

    class Slow(Member):
        def due(self) -> int | None:
            super().due()
            self.loop.now += 4.5
            return None

    often = [Member(loop, 1) for _ in range(10)]
    for member in [*often, Slow(loop)]:
        wheel.add(member, 1)
    loop.pass_time(12)
    for member in often:
        assert len(member.calls) >= 7
        assert all(later - earlier >= 1 for earlier, later in pairwise(member.calls))


def test_a_loop_that_is_closed_leaves_no_wheel_behind() -> None:
    members = []
    loops = []
    for _ in range(5):
        loop = asyncio.new_event_loop()
        wheel = wheel_of(loop)
        assert wheel_of(loop) is wheel
        member = Member(Loop())
        # As connections do that their loop has outlived: they hold it.
        member.held = loop
        wheel.add(member, 1)
        members.append(weakref.ref(member))
        loops.append(weakref.ref(loop))
        loop.close()
    del loop, wheel, member
    gc.collect()
    assert len(timer_wheel._wheels) == 1
    assert [reference() is None for reference in members] == [True] * 4 + [False]
    assert [reference() is None for reference in loops] == [True] * 4 + [False]
