"""Turns: which line has the next one, and which has no place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from liveserver.utils.limits.turns import Room, Turns

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from liveserver.utils.limits.turns import Place


class Work:
    """Turns in the order in which they begin. Each goes on until it is told to end."""

    def __init__(self, *rooms: Room, at_once: int = 1) -> None:
        self.turns = Turns(at_once, *rooms)
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, room: Room, line: Hashable, *names: str) -> None:
        """Ask for turns, each with a name of its own."""
        for name in names:
            place = self.turns.place(room, line)
            assert place is not None, name
            self._ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._do(place, name))
        await ready()

    async def _do(self, place: Place, name: str) -> None:
        try:
            async with place.turn():
                self.begun.append(name)
                await self._ends[name].wait()
        finally:
            place.release()

    async def end(self, *names: str) -> None:
        """Let turns end, one after the other."""
        for name in names:
            self._ends[name].set()
            await self.tasks[name]
            await ready()


async def ready() -> None:
    """Let everything run that can run now."""
    for _ in range(5):
        await asyncio.sleep(0)


def a_room(per_line: int = 5, in_all: int = 30, one_each: int = 100) -> Room:
    return Room(per_line=per_line, in_all=in_all, one_each=one_each)


def held(turns: Turns, room: Room, line: Hashable, tries: int, *, crowd: bool = False) -> int:
    """How many of so many places a line gets."""

    def places() -> Iterator[bool]:
        for _ in range(tries):
            yield turns.place(room, line, crowd=crowd) is not None

    return sum(places())


async def test_lines_take_turns() -> None:
    """A line that asks for one turn waits for one turn of each other line, however many those ask for."""
    room = a_room()
    work = Work(room)
    await work.ask(room, "flood", *"abcd")
    await work.ask(room, "one", "x")
    await work.ask(room, "two", "y")
    assert work.begun == ["a"]
    await work.end("a", "x", "y", "b")
    assert work.begun == ["a", "x", "y", "b", "c"]
    await work.end("c", "d")
    assert room.held == 0


async def test_a_line_has_one_turn_at_a_time() -> None:
    """So no line takes all that may be under way."""
    room = a_room()
    work = Work(room, at_once=2)
    await work.ask(room, "flood", *"abc")
    assert work.begun == ["a"]
    await work.ask(room, "one", "x")
    assert work.begun == ["a", "x"]
    await work.ask(room, "two", "y")
    await work.end("x")
    assert work.begun == ["a", "x", "y"]
    await work.end("a", "y", "b", "c")


async def test_an_earlier_room_comes_first() -> None:
    first, second = a_room(), a_room()
    work = Work(first, second)
    for number in range(20):
        await work.ask(second, number, f"stranger {number}")
    await work.ask(first, "Ada", "Ada")
    await work.end("stranger 0")
    assert work.begun == ["stranger 0", "Ada"]
    await work.end("Ada")
    assert work.begun[2:] == ["stranger 1"]
    await work.end(*(f"stranger {number}" for number in range(1, 20)))


async def test_one_that_leaves_while_it_waits_costs_no_turn() -> None:
    room = a_room()
    work = Work(room)
    await work.ask(room, "one", "a", "b", "c")
    await work.ask(room, "two", "x")
    for name in ("b", "x"):
        work.tasks[name].cancel()
    await ready()
    assert room.held == 2
    await work.end("a", "c")
    assert work.begun == ["a", "c"]
    assert room.held == 0


async def test_one_that_leaves_in_the_moment_at_which_its_turn_begins_costs_no_turn() -> None:
    room = a_room()
    work = Work(room)
    place = work.turns.place(room, "one")
    assert place is not None
    async with place.turn():
        await work.ask(room, "two", "x")
        await work.ask(room, "three", "y")
    # The turn was given to x, which hasn't run since.
    work.tasks["x"].cancel()
    await ready()
    assert work.begun == ["y"]
    await work.end("y")


async def test_a_failure_ends_the_turn() -> None:
    room = a_room()
    work = Work(room)
    place = work.turns.place(room, "one")
    assert place is not None
    with pytest.raises(ZeroDivisionError):
        async with place.turn():
            raise ZeroDivisionError
    place.release()
    await work.ask(room, "one", "a")
    assert work.begun == ["a"]
    await work.end("a")


def test_a_line_holds_so_many_places() -> None:
    room = a_room(per_line=5)
    turns = Turns(1, room)
    assert held(turns, room, "one", 100) == 5
    assert held(turns, room, "two", 100) == 5


def test_a_full_room_has_one_place_for_each_line_that_has_none() -> None:
    """Few lines don't use up the room, and very many lines don't make it endless."""
    room = a_room(per_line=5, in_all=30, one_each=100)
    turns = Turns(1, room)
    taken = [held(turns, room, line, 100) for line in range(200)]
    assert taken[:5] == [5] * 5
    assert sum(taken) == room.held == 100
    assert set(taken[8:]) == {1, 0}


def test_a_place_that_is_given_back_can_be_taken_again() -> None:
    room = a_room(per_line=1)
    turns = Turns(1, room)
    place = turns.place(room, "one")
    assert place is not None
    assert turns.place(room, "one") is None
    place.release()
    assert room.held == 0
    assert turns.place(room, "one") is not None


def test_clients_that_cannot_be_told_apart_share_the_whole_room() -> None:
    room = a_room(per_line=5, in_all=30)
    assert 5 < held(Turns(1, room), room, None, 100, crowd=True) <= 30
