"""The rules of a follower, by themselves: what it does with each message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from liveserver.client import Message, Step, Tracker
from liveserver.domain.change import Position
from tests.support.checkout import ROOT
from tests.support.scripted_server import OTHER, at, entry, heartbeat, hello, reset

VECTORS = ROOT / "tests" / "vectors"


def cases() -> list[Any]:
    """The shared vectors; what they say of the page itself is the reader's own."""
    return [
        pytest.param(case, id=f"{path.stem}: {case['name']}")
        for path in sorted(VECTORS.glob("*.json"))
        for case in json.loads(path.read_text())
    ]


class Follower:
    """Takes the vectors' messages as a client does that goes on listening while it waits for an answer."""

    def __init__(self, start: Message) -> None:
        position = Position.parse(start["position"])
        assert position is not None
        self.tracker = Tracker(position)
        self.effects: list[str] = []
        self._pending: Step | None = None
        self._shown = position.seq
        """The highest seq that the stream has shown to exist."""
        self._written_in = (start["language"], start["timezone"])

    def take(self, message: Message) -> None:
        """One message, or one answer of `changes`."""
        if "changes" in message:
            self._take_changes(message["changes"])
            return
        step = self.tracker.step(message)
        if step in {Step.RESYNC, Step.RESET}:
            self._shown = max(self._shown, message["seq"])
            self._ask(step)
        elif step is Step.APPLY and message["type"] == "liveblog":
            liveblog = message["liveblog"]
            if (liveblog["language"], liveblog["timezone"]) != self._written_in:
                self._ask(Step.RESET)

    def _take_changes(self, answer: Message) -> None:
        if answer.get("reset"):
            self._ask(Step.RESET)
            return
        self._pending = None
        for event in answer["events"]:
            if event["type"] == "gone":
                self.tracker.step(event)
                continue
            self.tracker.caught_up(Position(answer["epoch"], event["seq"]))
        if answer["more"]:
            self._ask(Step.RESYNC)
            return
        self.tracker.caught_up(Position(answer["epoch"], answer["seq"]))
        self.take(heartbeat(self._shown))

    def _ask(self, step: Step) -> None:
        if self._pending is not step:
            self.effects.append({Step.RESYNC: "resync", Step.RESET: "snapshot"}[step])
        self._pending = step


@pytest.mark.parametrize("case", cases())
def test_the_shared_vectors(case: Message) -> None:
    follower = Follower(case["start"])
    for message in case["messages"]:
        follower.take(message)
    assert str(follower.tracker.position) == case["expected"]["position"]
    assert follower.effects == case["expected"]["effects"]


def test_there_are_vectors() -> None:
    assert len(cases()) > 20


def test_a_follower_without_position_begins_where_it_is_told() -> None:
    tracker = Tracker()
    steps = [tracker.step(message) for message in (entry(9), heartbeat(9), hello(5, resumed=False), entry(5), entry(6))]
    assert steps == [Step.IGNORE, Step.IGNORE, Step.IGNORE, Step.IGNORE, Step.APPLY]
    assert tracker.position == at(6)


def test_a_heartbeat_within_a_replay_asks_for_nothing() -> None:
    tracker = Tracker(at(2))
    assert [tracker.step(message) for message in (hello(9), entry(5), heartbeat(9))] == [
        *(Step.IGNORE, Step.APPLY, Step.IGNORE),
    ]
    assert tracker.step(heartbeat(10)) is Step.RESYNC


def test_a_hello_of_another_history_is_a_reset_whatever_it_says() -> None:
    assert Tracker(at(2)).step(hello(2, OTHER, resumed=True)) is Step.RESET
    assert Tracker(at(2)).step(hello(2, OTHER, resumed=False)) is Step.RESET


def test_a_reset_that_was_followed_already_is_not_followed_again() -> None:
    tracker = Tracker(at(9))
    assert tracker.step(hello(3, OTHER, resumed=False)) is Step.RESET
    tracker.caught_up(at(5, OTHER))
    steps = [tracker.step(message) for message in (reset(3, OTHER), entry(4), entry(5), entry(6))]
    assert steps == [Step.IGNORE, Step.IGNORE, Step.IGNORE, Step.APPLY]


def test_seqs_of_the_old_history_mean_nothing_after_the_snapshot_of_the_new() -> None:
    """`changes` can tell of the new history before the stream does."""
    tracker = Tracker(at(9))
    tracker.step(hello(9))
    tracker.caught_up(at(10, OTHER))
    assert tracker.step(entry(11)) is Step.IGNORE
    assert tracker.step(heartbeat(11)) is Step.RESET, "one of both is stale, and nobody knows which"
    assert tracker.step(reset(10, OTHER)) is Step.IGNORE
    assert tracker.step(entry(11)) is Step.APPLY


def test_in_the_stream_a_reset_stops_everything_until_the_snapshot() -> None:
    tracker = Tracker(at(2))
    tracker.step(hello(2))
    assert [tracker.step(message) for message in (reset(7, OTHER), entry(3), entry(8))] == [
        *(Step.RESET, Step.IGNORE, Step.IGNORE),
    ]
    tracker.caught_up(at(8, OTHER))
    assert tracker.step(entry(9)) is Step.APPLY


def test_the_memory_of_what_is_gone_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liveserver.client.tracker.GONE_MAX", 3)
    tracker = Tracker(at(2))
    steps = [tracker.step({"type": "gone", "id": each}) for each in "abcdda"]
    assert steps == [*[Step.APPLY] * 4, Step.IGNORE, Step.APPLY]
    assert len(tracker._gone) == 3


def test_an_entry_that_came_back_is_gone_once_more() -> None:
    """After its deletion had its turn, `gone` is news again."""
    tracker = Tracker(at(2))
    tracker.step(hello(2))
    gone = {"type": "gone", "id": "a"}
    messages = (gone, gone, {"type": "delete", "seq": 3, "id": "a"}, entry(4), gone)
    assert [tracker.step(message) for message in messages] == [
        *(Step.APPLY, Step.IGNORE, Step.APPLY, Step.APPLY, Step.APPLY)
    ]
