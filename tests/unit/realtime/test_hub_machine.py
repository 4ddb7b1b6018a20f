"""Two hubs under everything at once: a bus that loses, doubles and reorders, a store that is away or answers late.

Time is virtual, so that polls, grace and time-outs take part. Viewers are strict (`tests/support/hub_machine.py`), and
seconds after all is well again, each has the store's state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, initialize, multiple, precondition, rule

from liveserver.client import Step
from liveserver.domain.topic import Topic
from tests.faults.reading import CHANGES
from tests.support.hub_machine import POLL, READERS, SETTINGS, BusEnd, HubsMachine, StrictReader
from tests.support.memory_history import LIVEBLOG, MemoryHistory, hub_on
from tests.support.viewers import Message, set_batch_size
from tests.support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from liveserver.domain.change import Position

MATCH = "match"
WHOLE = Topic(MATCH)
LAG_TIMEOUT = 5.0
NODES = st.integers(0, 1)
KEYS = st.sampled_from(["a", "b", "c", LIVEBLOG])
ROOMS = st.sampled_from([None, None, None, 0, 1, 3])


class LossyBus(BusEnd):
    """One hub's end of a bus whose messages arrive when, if and as often as the test says."""

    def __init__(self, outbox: list[bytes]) -> None:
        super().__init__()
        self._outbox = outbox

    def publish(self, slug: str, message: bytes) -> None:
        self._outbox.append(message)

    def deliver(self, message: bytes) -> None:
        """A message arrives, if anybody listens."""
        if self.up and self.receiver is not None and MATCH in self.subscribed:
            self.receiver.received(MATCH, message)

    def turn(self, up: bool) -> None:
        """Go down, or come back."""
        self.up = up
        if self.receiver is not None:
            self.receiver.link_changed(up)


class Reader(StrictReader):
    """A strict viewer of the whole live blog."""

    def __init__(self, history: MemoryHistory, after: Position | None, state: dict[str, int]) -> None:
        super().__init__(WHOLE, after, state)
        self._history = history

    def take(self, message: Message) -> None:
        """Apply a message to what is shown."""
        fresh = message["type"] == "hello" and self.tracker.position is None
        step = self.tracker.step(message)
        if fresh or step is Step.RESET:
            self._start_afresh()
        elif step is Step.RESYNC:
            self.resyncs += 1
            self._start_afresh()
        elif step is Step.APPLY:
            assert message["type"] in CHANGES
            key = LIVEBLOG if message["type"] == "liveblog" else message.get("id") or message["entry"]["id"]
            assert message["seq"] > self.shown.get(key, 0), "an older state over a newer"
            self.shown[key] = message["seq"]

    def _start_afresh(self) -> None:
        self.shown = self._history.state(MATCH)
        self.tracker.caught_up(self._history.position(MATCH))


class HubMachine(HubsMachine):
    """Does to two hubs what the world does."""

    everyone: list[Reader]
    messages = Bundle("messages")

    @initialize(
        keys=st.lists(KEYS, max_size=6), recent_max=st.integers(1, 5), restored=st.sampled_from([False] * 3 + [True])
    )
    def begin(self, keys: list[str], recent_max: int, restored: bool) -> None:
        self.loop = VirtualTimeLoop()
        self.history = MemoryHistory(MATCH)
        self.restored = restored
        self.epochs = 0
        self.everyone = []
        self.outbox: list[bytes] = []
        self.held = False
        for key in keys:
            self.history.commit(MATCH, key)
        self.buses = [LossyBus(self.outbox) for _ in range(2)]
        self.hubs = [
            hub_on(
                self.history, bus, poll=POLL, poll_fast=0.5, lag_timeout=LAG_TIMEOUT, heartbeat=2, recent_max=recent_max
            )
            for bus in self.buses
        ]
        for hub in self.hubs:
            self.loop.finish(hub.start())
        self.patch = pytest.MonkeyPatch()

    @precondition(lambda self: not self.everyone)
    @rule()
    def make_two_a_crowd(self) -> None:
        """From now on one viewer is written to in a turn of the loop."""
        set_batch_size(self.patch, 1)

    @rule(target=messages, node=NODES, key=KEYS, deleted=st.booleans(), size=st.sampled_from([0, 0, 0, 70_000]))
    def publish(self, node: int, key: str, deleted: bool, size: int) -> object:
        frame = self.history.commit(MATCH, key, deleted=deleted, size=0 if deleted else size)
        self.outbox.clear()
        self.do(self.hubs[node].publish, MATCH, frame)
        return multiple(*self.outbox)

    @rule(key=KEYS)
    def publish_and_die(self, key: str) -> None:
        """Committed, and nobody was told."""
        self.history.commit(MATCH, key)

    @rule(message=messages, node=NODES)
    def arrive(self, message: bytes, node: int) -> None:
        """Late, in any order, and perhaps again."""
        self.do(self.buses[node].deliver, message)

    @rule(message=consumes(messages))
    def arrive_everywhere(self, message: bytes) -> None:
        for bus in self.buses:
            self.do(bus.deliver, message)

    @rule(node=NODES, up=st.booleans())
    def the_bus(self, node: int, up: bool) -> None:
        self.do(self.buses[node].turn, up)

    @rule(down=st.booleans())
    def the_store(self, down: bool) -> None:
        self.history.down = down

    @rule(held=st.booleans())
    def answers_are_late(self, held: bool) -> None:
        self.held = held
        if held:
            self.history.hold()
        else:
            self.history.release()
        self.loop.settle()

    @precondition(lambda self: self.restored)
    @rule(changes=st.integers(0, 12))
    def replace_history(self, changes: int) -> None:
        self.epochs += 1
        self.history.restart(MATCH, f"restored{self.epochs}", changes)

    @rule(target=READERS, node=NODES, room=ROOMS, fresh=st.booleans())
    def join(self, node: int, room: int | None, fresh: bool) -> Reader:
        position, state = self.history.position(MATCH), self.history.state(MATCH)
        reader = Reader(self.history, None if fresh else position, {} if fresh else state)
        self.everyone.append(reader)
        self.do(reader.connect, self.loop, self.hubs[node], room)
        return reader

    @rule(reader=READERS, node=NODES, room=ROOMS)
    def come_back(self, reader: Reader, node: int, room: int | None) -> None:
        """On any node, also while the old connection is still there."""
        self.do(reader.connect, self.loop, self.hubs[node], room)

    @rule(reader=READERS, room=st.integers(0, 3))
    def become_slow(self, reader: Reader, room: int) -> None:
        reader.viewer.room = room

    @rule(seconds=st.sampled_from([0.01, 0.06, 0.6, 2.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.loop.spend(seconds)

    def teardown(self) -> None:
        """All is well again; after two polls and a heartbeat everybody must be right."""
        if not hasattr(self, "loop"):
            return
        with self.closing():
            try:
                self._heal()
                for reader in self.everyone:
                    assert not reader.cut_off
                    assert reader.tracker.position == self.history.position(MATCH)
                    assert reader.shown == self.history.state(MATCH)
                    assert reader.resyncs == 0 or self.epochs, "a hub left a gap, though history went on"
            finally:
                self.patch.undo()

    def _heal(self) -> None:
        self.history.down = False
        self.history.release()
        for bus in self.buses:
            self.do(bus.turn, True)
        self.recover()
        for reader in self.everyone:
            reader.read()


TestHubMachine = HubMachine.TestCase
TestHubMachine.settings = SETTINGS
