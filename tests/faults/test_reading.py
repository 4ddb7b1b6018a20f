"""The strict reader lets through what the server may send, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from liveserver.client import Step
from liveserver.domain.change import Position
from tests.faults.reading import Broken, Line, Reading

Message = dict[str, Any]

EPOCH = "aaaaaaaa"


def hello(seq: int, *, resumed: bool = True, epoch: str = EPOCH) -> Message:
    return {"type": "hello", "epoch": epoch, "seq": seq, "resumed": resumed, "heartbeat": 2}


def reset(seq: int, epoch: str = EPOCH) -> Message:
    return {"type": "reset", "epoch": epoch, "seq": seq}


def entry(seq: int, name: str = "a", version: int | None = None) -> Message:
    return {"type": "entry", "seq": seq, "entry": {"id": name, "seq": seq, "version": version or seq}}


def delete(seq: int, name: str = "a") -> Message:
    return {"type": "delete", "seq": seq, "id": name}


def heartbeat(seq: int) -> Message:
    return {"type": "heartbeat", "seq": seq, "viewers": 1}


GOOD: dict[str, tuple[int | None, list[Message]]] = {
    "live": (None, [hello(5, resumed=False), entry(6), delete(7), heartbeat(7), entry(8, "b")]),
    "a replay that skips": (3, [hello(9), entry(5), entry(9, "b"), heartbeat(9), entry(10)]),
    "a replay without its last": (3, [hello(9), entry(5), entry(10, "b")]),
    "nothing missed": (9, [hello(9), entry(10)]),
    "caught up in mid-stream": (9, [hello(9), entry(10), hello(14), entry(12), entry(14, "b"), entry(15)]),
    "lagging within a replay": (3, [hello(9), entry(5), hello(11), entry(9, "b"), entry(11)]),
    "far behind": (3, [hello(2000, resumed=False), reset(2000), entry(2001)]),
    "lagging before the reset": (3, [hello(2000, resumed=False), hello(2001, resumed=False), reset(2001)]),
    "another history": (3, [hello(1, resumed=False, epoch="bbbbbbbb"), reset(1, "bbbbbbbb"), entry(2)]),
    "another history in mid-stream": (9, [hello(9), reset(2, "bbbbbbbb"), entry(3)]),
    "sent away": (9, [hello(9), {"type": "reconnect", "after_ms": 100}]),
}

BAD: dict[str, tuple[int | None, list[Message], str]] = {
    "no hello": (9, [entry(10)], "lost"),
    "a gap": (9, [hello(9), entry(11)], "lost"),
    "a gap after a replay": (3, [hello(9), entry(5), entry(11)], "lost"),
    "a gap without position": (None, [hello(9, resumed=False), entry(11)], "lost"),
    "a gap after a reset": (9, [hello(9), reset(2, "bbbbbbbb"), entry(4)], "lost"),
    "doubled": (9, [hello(9), entry(10), entry(10)], "doubled"),
    "what was had already": (9, [hello(9), entry(9)], "doubled"),
    "an older one": (3, [hello(9), entry(7), entry(6)], "reordered"),
    "resumed behind the viewer": (9, [hello(8)], "lost"),
    "resumed in another history": (9, [hello(9, epoch="bbbbbbbb")], "lost"),
    "resumed from nowhere": (None, [hello(9)], "lost"),
    "back within a replay": (3, [hello(9), hello(8)], "lost"),
    "a heartbeat ahead": (9, [hello(9), heartbeat(10)], "lost"),
    "a heartbeat behind": (9, [hello(9), entry(10), heartbeat(9)], "lost"),
    "afresh without need": (9, [hello(12, resumed=False)], "reset"),
    "afresh for one ahead": (9, [hello(7, resumed=False)], "reset"),
    "afresh without a reset": (3, [hello(2000, resumed=False), entry(2001)], "lost"),
    "resumed before the reset": (3, [hello(2000, resumed=False), hello(2000)], "lost"),
    "another reset than told": (3, [hello(2000, resumed=False), reset(1999)], "lost"),
    "a reset without need": (9, [hello(9), reset(9)], "reset"),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_the_server_may_send(case: str) -> None:
    after, messages = GOOD[case]
    line = Line(None if after is None else Position(EPOCH, after))
    for message in messages:
        line.check(message)


@pytest.mark.parametrize("case", BAD)
def test_what_it_may_not(case: str) -> None:
    """The last message, and no earlier one."""
    after, messages, kind = BAD[case]
    line = Line(None if after is None else Position(EPOCH, after))
    for message in messages[:-1]:
        line.check(message)
    with pytest.raises(Broken) as caught:
        line.check(messages[-1])
    assert caught.value.kind == kind


def a_reading(*entries: Message, seq: int = 5) -> Reading:
    reading = Reading()
    reading.take_snapshot(snapshot(*entries, seq=seq), [])
    reading.connect()
    return reading


def snapshot(*entries: Message, seq: int) -> Message:
    shown = [one["entry"] for one in entries]
    return {"epoch": EPOCH, "seq": seq, "liveblog": {}, "pinned": [], "key_events": [], "entries": shown}


def test_changes_are_applied_once_and_in_order() -> None:
    reading = a_reading(entry(5))
    assert [reading.take(message) for message in (hello(5), entry(6), entry(7, "b"), delete(8))] == [
        Step.IGNORE,
        Step.APPLY,
        Step.APPLY,
        Step.APPLY,
    ]
    assert list(reading.entries) == ["b"]
    assert (reading.seq, reading.applied) == (8, 3)


def test_a_viewer_without_position_starts_afresh() -> None:
    reading = Reading()
    assert reading.connect() is None
    assert reading.take(hello(5, resumed=False)) is Step.RESET
    reading.take_snapshot(snapshot(entry(6), seq=6), [])
    assert reading.take(entry(6)) is Step.IGNORE
    assert reading.take(entry(7, "b")) is Step.APPLY


def test_a_page_taken_after_the_snapshot_may_be_ahead() -> None:
    reading = Reading()
    reading.take_snapshot(snapshot(seq=5), [entry(7, version=2)["entry"]])
    reading.connect()
    for message in (hello(5), entry(6, version=1), entry(7, version=2)):
        reading.take(message)
    assert reading.entries["a"]["seq"] == 7


def test_an_entry_that_was_withdrawn_may_return() -> None:
    reading = Reading(returning=True)
    reading.take_snapshot(snapshot(entry(5), seq=5), [])
    reading.connect()
    for message in (hello(5), delete(6), entry(7, version=4)):
        reading.take(message)
    assert reading.entries["a"]["version"] == 4
    reading.take(delete(8))
    with pytest.raises(Broken, match="undeleted"):
        reading.take_snapshot(snapshot(entry(7, version=4), seq=9), [])


@pytest.mark.parametrize(
    ("messages", "kind"),
    [
        ([hello(5), delete(6), entry(7)], "undeleted"),
        ([hello(5), entry(6, version=5)], "mixed"),
        ([hello(5), {**entry(6), "entry": {"id": "a", "seq": 5, "version": 6}}], "mixed"),
    ],
)
def test_what_an_entry_may_not_become(messages: list[Message], kind: str) -> None:
    reading = a_reading(entry(5))
    for message in messages[:-1]:
        reading.take(message)
    with pytest.raises(Broken) as caught:
        reading.take(messages[-1])
    assert caught.value.kind == kind


def test_a_snapshot_may_not_bring_back_what_was_deleted() -> None:
    reading = a_reading(entry(5))
    reading.take(hello(5))
    reading.take(delete(6))
    reading.take_snapshot(snapshot(entry(5), seq=5), [])
    with pytest.raises(Broken):
        reading.take_snapshot(snapshot(entry(5), seq=6), [])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"reset": True, "epoch": EPOCH, "seq": 9}, "reset"),
        ({"epoch": EPOCH, "seq": 7, "events": [entry(7), entry(6)], "more": False}, "reordered"),
        ({"epoch": EPOCH, "seq": 5, "events": [entry(5, "b")], "more": False}, "reordered"),
        ({"epoch": EPOCH, "seq": 6, "events": [entry(7)], "more": False}, "lost"),
    ],
)
def test_what_changes_may_not_answer(answer: Message, kind: str) -> None:
    reading = a_reading(entry(5))
    with pytest.raises(Broken) as caught:
        reading.take_changes(Position(EPOCH, 5), answer)
    assert caught.value.kind == kind


def test_changes_may_skip_and_end_beyond_their_last() -> None:
    reading = a_reading(entry(5))
    events = [entry(7), delete(9, "b")]
    assert reading.take_changes(Position(EPOCH, 5), {"epoch": EPOCH, "seq": 10, "events": events, "more": False})
    assert reading.position == Position(EPOCH, 10)
    assert not reading.take_changes(Position(EPOCH, 10), {"reset": True, "epoch": "bbbbbbbb", "seq": 9})
