"""Changes that wait for their time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from liveserver.domain.change import Position
from liveserver.protocol.frames import ChangeFrame
from liveserver.realtime.topics import delay_queue as delay_queue_module
from liveserver.realtime.topics.delay_queue import DelayQueue

if TYPE_CHECKING:
    import pytest

EPOCH = "abc"


def at(seq: int, epoch: str = EPOCH) -> Position:
    """A place in the history."""
    return Position(epoch, seq)


def change(seq: int, key: str = "a", words: str = "La mer monte.") -> ChangeFrame:
    """An entry that was published or edited."""
    message = orjson.dumps({"type": "entry", "seq": seq, "entry": {"id": key, "html": words}})
    return ChangeFrame(at(seq), key, message)


def started(seq: int = 0) -> DelayQueue:
    """A line that has heard of a history, and in which nothing waits."""
    line = DelayQueue()
    line.restart(at(seq), seq)
    return line


def test_all_come_in_their_turn() -> None:
    """Not before their time, and ascending by seq, whatever the order in which they came."""
    line = started()
    first, second, third = change(1), change(2), at(3)
    line.put(2, second, 11.0)
    line.put(1, first, 11.0)
    line.put(3, third, 12.0)
    assert line.due == 11.0
    assert line.take(10.9) == []
    assert line.take(11.0) == [first, second]
    assert line.due == 12.0
    assert line.take(99.0) == [third]
    assert line.due is None
    assert line.take(99.0) == []


def test_what_waits_keeps_its_time() -> None:
    """A message that comes after the store was read brings the words, and no other time; nor does it come twice."""
    line = started()
    line.put(1, at(1), 10.0)
    line.put(1, change(1), 15.0)
    line.put(1, change(1, words="Autre chose."), 5.0)
    assert line.due == 10.0
    [taken] = line.take(10.0)
    assert isinstance(taken, ChangeFrame)
    assert b"La mer monte." in taken.message
    line.put(1, change(1), 20.0)
    assert line.due is None, "it has had its time"


def test_what_is_gone_loses_its_words() -> None:
    """All that waits of the entry, and nothing else: not what was published again after that."""
    line = started()
    line.put(1, change(1, "a"), 1.0)
    line.put(2, change(2, "b"), 2.0)
    line.put(3, change(3, "a"), 3.0)
    line.put(5, change(5, "a"), 5.0)
    line.delete("a", 4)
    taken = line.take(9.0)
    assert [isinstance(each, ChangeFrame) and each.deletes for each in taken] == [True, False, True, False]
    assert [isinstance(each, ChangeFrame) and b"mer" in each.message for each in taken] == [False, True, False, True]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond, only the position waits; what was taken or is gone makes room."""
    monkeypatch.setattr(delay_queue_module, "QUEUE_BYTES", 2 * len(change(1).message) + 10)
    line = started()
    for seq in (1, 2, 3):
        line.put(seq, change(seq), float(seq))
    assert [each.seq for each in line.take(1.0)] == [1]
    line.put(4, change(4), 4.0)
    line.put(5, change(5), 5.0)
    assert [type(each) for each in line.take(9.0)] == [ChangeFrame, Position, ChangeFrame, Position]


def test_what_it_has_heard_of() -> None:
    """Nothing at first; then how far its own history has got. That another has begun, it isn't told by a position."""
    line = DelayQueue()
    assert line.is_behind(at(1))
    line.note_position(at(1))
    assert line.position is None
    line.restart(at(5), 3)
    assert [line.is_behind(at(5)), line.is_behind(at(6)), line.is_behind(at(1, "other"))] == [False, True, True]
    line.note_position(at(7))
    line.note_position(at(6))
    assert line.position == at(7)
    line.put(3, change(3), 1.0)
    line.put(4, change(4), 1.0)
    assert [each.seq for each in line.take(1.0)] == [4]
    line.put(8, change(8), 1.0)
    line.restart(at(0, "other"), 0)
    assert line.due is None
    assert line.position == at(0, "other")
