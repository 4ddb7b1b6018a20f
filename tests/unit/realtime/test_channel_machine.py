"""A channel under everything at once: lost, doubled and crossing messages, late reads, slow and returning viewers.

The viewers follow the documented rules (`liveserver.client.Tracker`). Whatever happens, each of them sees every change
at most once and in order, and has the store's state in the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from liveserver.client import Step, Tracker
from liveserver.domain.topic import Topic
from liveserver.realtime.channel import Channel, Lag, Replay
from tests.support.effort import examples
from tests.support.memory_history import LIVEBLOG, MemoryHistory
from tests.support.viewers import ListSink, Message, set_batch_size

if TYPE_CHECKING:
    from liveserver.domain.change import Position
    from liveserver.protocol.frames import ChangeFrame

MATCH = "match"
NOW = 0.0
KEYS = st.sampled_from(["a", "b", "c", LIVEBLOG])


class Reader:
    """A client: what it shows, and how it stays right."""

    def __init__(self, history: MemoryHistory, after: Position | None, state: dict[str, int], room: int | None) -> None:
        self.viewer = ListSink(room)
        self.tracker = Tracker(after)
        self.shown = state
        self.resyncs = 0
        self.had = 0
        """The last change that came on this connection: none comes twice, whatever its reader would make of it."""
        self._history = history

    def pump(self) -> None:
        """Take in what has come."""
        messages = self.viewer.messages
        self.viewer.frames.clear()
        for message in messages:
            self._take(message)

    def _take(self, message: Message) -> None:
        if message["type"] == "hello" and self.tracker.position is None:
            self._start_afresh()
        if message["type"] == "reset":
            self.had = 0
        elif message["type"] in {"entry", "delete", "liveblog"}:
            assert message["seq"] > self.had, "sent twice, or out of order"
            self.had = message["seq"]
        before = self.tracker.position
        match self.tracker.step(message):
            case Step.APPLY:
                assert before is not None
                assert message["seq"] > before.seq, "out of order"
                self._show(message)
            case Step.RESET:
                self._start_afresh()
            case Step.RESYNC:
                self.resyncs += 1
                self._resync()
            case Step.IGNORE:
                pass

    def _show(self, message: Message) -> None:
        key = LIVEBLOG if message["type"] == "liveblog" else message.get("id") or message["entry"]["id"]
        assert message["seq"] > self.shown.get(key, 0), "applied twice, or an older state over a newer"
        self.shown[key] = message["seq"]

    def _start_afresh(self) -> None:
        self.shown = self._history.state(MATCH)
        self.tracker.caught_up(self._history.position(MATCH))

    def _resync(self) -> None:
        assert self.tracker.position is not None
        answer = self._history.read(MATCH, self.tracker.position.seq)
        if answer.position.epoch != self.tracker.position.epoch:
            self._start_afresh()
            return
        for frame in answer.frames:
            self.shown[frame.key] = frame.seq
        self.tracker.caught_up(answer.position)


class ChannelMachine(RuleBasedStateMachine):
    """Does to a channel what a hub does, in any order."""

    flying = Bundle("flying")
    readers = Bundle("readers")

    def __init__(self) -> None:
        super().__init__()
        self.history = MemoryHistory(MATCH)
        self.everyone: list[Reader] = []
        self.reading: Replay | None = None
        self.older: Replay | None = None
        self.epochs = 0
        self.restored = False
        """Whether history is replaced in this run: much is void then, which hides what else may go wrong."""

    @initialize(keys=st.lists(KEYS, max_size=6), recent_max=st.integers(1, 4), restored=st.sampled_from([False, True]))
    def open(self, keys: list[str], recent_max: int, restored: bool) -> None:
        self.restored = restored
        for key in keys:
            self.history.commit(MATCH, key)
        start = self.history.read_recent(MATCH, recent_max)
        self.channel = Channel(Topic(MATCH), start, recent_max=recent_max, heartbeat=25)

    @rule(target=flying, key=KEYS, deleted=st.booleans(), copies=st.sampled_from([0, 1, 1, 1, 2]))
    def commit(self, key: str, deleted: bool, copies: int) -> object:
        frame = self.history.commit(MATCH, key, deleted=deleted)
        return multiple(*[frame] * copies)

    @rule(frame=consumes(flying))
    def arrive(self, frame: ChangeFrame) -> None:
        self.channel.offer(frame, NOW)

    @rule(frame=consumes(flying))
    def lose(self, frame: ChangeFrame) -> None:
        pass

    @rule()
    def begin_to_read(self) -> None:
        if self.reading is None:
            self.reading = self.history.read(MATCH, self.channel.position.seq)

    @rule()
    def repair(self) -> None:
        if self.reading is not None:
            self.channel.repair(self.reading, NOW)
            self.reading = None

    @rule(seq=st.integers(0, 12))
    def begin_to_read_older(self, seq: int) -> None:
        self.older = self.history.read(MATCH, seq)

    @precondition(lambda self: self.restored)
    @rule(changes=st.integers(0, 12))
    def replace_history(self, changes: int) -> None:
        self.epochs += 1
        # A word of its own each time, as a real one is: with one that returns, no hub could tell two histories apart.
        self.history.restart(MATCH, f"b{self.epochs:07}", changes)

    @rule()
    def beat(self) -> None:
        self.channel.beat(NOW)

    @rule(target=readers, room=st.sampled_from([None, None, 0, 1, 2, 3]))
    def join_without_position(self, room: int | None) -> Reader:
        return self._register(Reader(self.history, None, {}, room))

    @rule(target=readers, room=st.sampled_from([None, None, 0, 1, 2, 3]))
    def join_from_a_snapshot(self, room: int | None) -> Reader:
        position, state = self.history.position(MATCH), self.history.state(MATCH)
        return self._register(Reader(self.history, position, state, room))

    @rule(reader=readers, room=st.sampled_from([None, None, 0, 1, 2, 3]))
    def come_back(self, reader: Reader, room: int | None) -> None:
        """The connection was lost, with what had not been read of it."""
        self.channel.leave(reader.viewer)
        tracker = Tracker(reader.tracker.position)
        reader.tracker, reader.viewer, reader.had = tracker, ListSink(room), 0
        if reader not in self.everyone:
            self.everyone.append(reader)
        self._join(reader.viewer, tracker.position)

    @rule(reader=consumes(readers))
    def leave(self, reader: Reader) -> None:
        self.channel.leave(reader.viewer)
        if reader in self.everyone:
            self.everyone.remove(reader)

    @rule(reader=readers, room=st.integers(0, 3))
    def become_slow(self, reader: Reader, room: int) -> None:
        reader.viewer.room = room

    @rule(reader=readers)
    def drain(self, reader: Reader) -> None:
        reader.pump()
        reader.viewer.room = None
        lag = self.channel.lagging.get(reader.viewer)
        if lag is not None:
            self._catch_up(reader.viewer, lag)

    @rule(reader=readers)
    def read(self, reader: Reader) -> None:
        reader.pump()

    @rule()
    def go_on(self) -> None:
        """The next turn of the event loop."""
        if self.channel.fanout_queue:
            self.channel.pump(NOW)

    @invariant()
    def memory_is_ordered_and_above_its_floor(self) -> None:
        if hasattr(self, "channel"):
            seqs = [self.channel.floor, *(frame.seq for frame in self.channel.recent)]
            assert seqs == sorted(set(seqs))
            assert seqs[-1] <= self.channel.position.seq

    def teardown(self) -> None:
        """Let the poll do its work at last; then everyone must be right."""
        if not hasattr(self, "channel"):
            return
        self.reading = None
        self._refresh()
        assert self.channel.position == self.history.position(MATCH)
        self._finish()
        for reader in self.everyone:
            self.drain(reader)
            reader.pump()
            self.channel.beat(NOW)
            self._finish()
            reader.pump()
            assert reader.tracker.position == self.history.position(MATCH)
            assert reader.shown == self.history.state(MATCH)
            assert reader.resyncs == 0 or self.epochs, "the channel left a gap, though history went on"

    def _register(self, reader: Reader) -> Reader:
        self.everyone.append(reader)
        self._join(reader.viewer, reader.tracker.position)
        return reader

    def _catch_up(self, viewer: ListSink, lag: Lag) -> None:
        if self.channel.covers(lag.position):
            del self.channel.lagging[viewer]
            self.channel.join(viewer, lag.position, NOW)
            return
        older = self._bridge(lag.position)
        del self.channel.lagging[viewer]
        self.channel.join(viewer, lag.position, NOW, older)

    def _join(self, viewer: ListSink, after: Position | None) -> None:
        self.channel.join(viewer, after, NOW, [] if after is None else self._bridge(after))

    def _bridge(self, after: Position) -> list[ChangeFrame]:
        """As the hub does it: a read that began earlier serves if it reaches the memory."""
        if after.epoch != self.channel.position.epoch or after.seq > self.channel.position.seq:
            self._refresh()
        if after.epoch != self.channel.position.epoch or after.seq >= self.channel.floor:
            return []
        older, self.older = self.older, None
        for replay in (older, self.history.read(MATCH, after.seq)):
            if (
                replay is not None
                and replay.floor <= after.seq
                and replay.position.epoch == self.channel.position.epoch
                and replay.position.seq >= self.channel.floor
            ):
                return replay.frames
        self._refresh()
        return self._bridge(after)

    def _finish(self) -> None:
        while self.channel.fanout_queue:
            self.channel.pump(NOW)

    def _refresh(self) -> None:
        assert self.channel.repair(self.history.read(MATCH, self.channel.position.seq), NOW)


class SlicedMachine(ChannelMachine):
    """The same with a crowd: one viewer is written to in a turn, and anything may happen between turns."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        set_batch_size(self.patch, 1)

    @rule(target=ChannelMachine.readers, registry=st.lists(st.sampled_from([None, 1, 2]), min_size=2, max_size=4))
    def join_together(self, registry: list[int | None]) -> object:
        position, state = self.history.position(MATCH), self.history.state(MATCH)
        return multiple(*[self._register(Reader(self.history, position, dict(state), room)) for room in registry])

    @rule(keys=st.lists(KEYS, min_size=1, max_size=3))
    def publish(self, keys: list[str]) -> None:
        """Nothing gets lost here, and nothing is written to the crowd yet."""
        self._refresh()
        for key in keys:
            self.channel.offer(self.history.commit(MATCH, key), NOW)

    @rule()
    def all_drain(self) -> None:
        for reader in self.everyone:
            if reader.viewer in self.channel.lagging:
                self.drain(reader)

    def teardown(self) -> None:
        """As above, and without a trace."""
        try:
            super().teardown()
            assert not hasattr(self, "channel") or not self.channel.fanout_queue._has
        finally:
            self.patch.undo()


TestChannelMachine = ChannelMachine.TestCase
TestChannelMachine.settings = settings(
    max_examples=examples(200), stateful_step_count=50, deadline=None, derandomize=True
)

TestSlicedMachine = SlicedMachine.TestCase
TestSlicedMachine.settings = settings(TestChannelMachine.settings)
