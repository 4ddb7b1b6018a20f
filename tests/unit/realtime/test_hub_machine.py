"""Two hubs under everything at once: a bus that loses, doubles and reorders, a store that is away or answers late.

Time is virtual, so that polls, grace and time-outs take part. The viewers are the fault harness's strict ones
(`tests/faults/reading.py`): whatever happens, none is sent a gap, a change twice, or an older one after a newer; and
seconds after all is well again, each has the store's state.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, multiple, precondition, rule

from liveserver.client import Step, Tracker
from liveserver.domain.errors import StoreUnavailable
from liveserver.domain.topic import Topic
from tests.faults.reading import CHANGES, Line
from tests.support.effort import examples
from tests.support.memory_history import LIVEBLOG, MemoryHistory, hub_on
from tests.support.viewers import ListSink, Message, set_batch_size
from tests.support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from liveserver.domain.change import Position
    from liveserver.protocol.frames import Frame
    from liveserver.realtime.bus.port import Receiver
    from liveserver.realtime.hub import Hub

MATCH = "match"
WHOLE = Topic(MATCH)
POLL = 1.5
LAG_TIMEOUT = 5.0
NODES = st.integers(0, 1)
KEYS = st.sampled_from(["a", "b", "c", LIVEBLOG])
ROOMS = st.sampled_from([None, None, None, 0, 1, 3])


class LossyBus:
    """One hub's end of a bus whose messages arrive when, if and as often as the test says."""

    def __init__(self, outbox: list[bytes]) -> None:
        self.up = True
        self.subscribed: set[str] = set()
        self.receiver: Receiver | None = None
        self._outbox = outbox

    async def start(self, receiver: Receiver) -> None:
        self.receiver = receiver

    async def close(self) -> None:
        self.receiver = None

    def publish(self, slug: str, message: bytes) -> None:
        self._outbox.append(message)

    async def subscribe(self, slug: str) -> None:
        self.subscribed.add(slug)

    async def unsubscribe(self, slug: str) -> None:
        self.subscribed.discard(slug)

    def announce(self, message: bytes) -> None:
        """Lost: how many viewers there are elsewhere is another matter."""

    def deliver(self, message: bytes) -> None:
        """A message arrives, if anybody listens."""
        if self.up and self.receiver is not None and MATCH in self.subscribed:
            self.receiver.received(MATCH, message)

    def turn(self, up: bool) -> None:
        """Go down, or come back."""
        self.up = up
        if self.receiver is not None:
            self.receiver.link_changed(up)


class Socket(ListSink):
    """A new connection takes its first message, whatever becomes of the next."""

    def write(self, frame: Frame) -> bool:
        """Take a frame, if there is room, or if it is the first."""
        if self.room == 0 and not self.frames and not self.begun:
            self.room = 1
        self.begun = True
        return super().write(frame)

    begun = False


class Reader:
    """A strict viewer, and the connection that it has at the moment."""

    def __init__(self, history: MemoryHistory, after: Position | None, state: dict[str, int]) -> None:
        self.tracker = Tracker(after)
        self.line = Line(after)
        self.shown = state
        self.viewer = Socket()
        self.joining: asyncio.Task[None] | None = None
        self.hub: Hub | None = None
        self.resyncs = 0
        self._history = history

    def connect(self, loop: VirtualTimeLoop, hub: Hub, room: int | None) -> None:
        """Come by a new connection, wherever one was before."""
        self.disconnect()
        after = self.tracker.position
        self.tracker, self.line, self.viewer, self.hub = Tracker(after), Line(after), Socket(room), hub
        self.joining = loop.create_task(hub.join(WHOLE, self.viewer, after))
        self.joining.add_done_callback(_refused)

    def disconnect(self) -> None:
        """The connection is lost, with what had not been read of it."""
        if self.hub is not None:
            self.hub.leave(WHOLE, self.viewer)
        self.hub = None

    @property
    def cut_off(self) -> bool:
        """Whether the hub has ended it, or refused it."""
        refused = self.joining is not None and self.joining.done() and self.joining.exception() is not None
        return self.hub is None or refused or self.viewer.closed is not None

    def read(self) -> None:
        """Take in what has come."""
        messages = self.viewer.messages
        self.viewer.frames.clear()
        for message in messages:
            self.line.check(message)
            self._take(message)

    def drain(self) -> None:
        """Read everything, and say so."""
        self.read()
        self.viewer.room = None
        if self.hub is not None:
            self.hub.resume(WHOLE, self.viewer)

    def _take(self, message: Message) -> None:
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


def _refused(joining: asyncio.Task[None]) -> None:
    """A viewer may be refused while the store is away; it comes back like one that was cut off."""
    assert joining.cancelled() or isinstance(joining.exception(), StoreUnavailable | None)


class HubMachine(RuleBasedStateMachine):
    """Does to two hubs what the world does."""

    readers = Bundle("readers")
    messages = Bundle("messages")

    @initialize(
        keys=st.lists(KEYS, max_size=6), recent_max=st.integers(1, 5), restored=st.sampled_from([False] * 3 + [True])
    )
    def begin(self, keys: list[str], recent_max: int, restored: bool) -> None:
        self.loop = VirtualTimeLoop()
        self.history = MemoryHistory(MATCH)
        self.restored = restored
        self.epochs = 0
        self.everyone: list[Reader] = []
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
        self._do(self.hubs[node].publish, MATCH, frame)
        return multiple(*self.outbox)

    @rule(key=KEYS)
    def publish_and_die(self, key: str) -> None:
        """Committed, and nobody was told."""
        self.history.commit(MATCH, key)

    @rule(message=messages, node=NODES)
    def arrive(self, message: bytes, node: int) -> None:
        """Late, in any order, and perhaps again."""
        self._do(self.buses[node].deliver, message)

    @rule(message=consumes(messages))
    def arrive_everywhere(self, message: bytes) -> None:
        for bus in self.buses:
            self._do(bus.deliver, message)

    @rule(node=NODES, up=st.booleans())
    def the_bus(self, node: int, up: bool) -> None:
        self._do(self.buses[node].turn, up)

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

    @rule(target=readers, node=NODES, room=ROOMS, fresh=st.booleans())
    def join(self, node: int, room: int | None, fresh: bool) -> Reader:
        position, state = self.history.position(MATCH), self.history.state(MATCH)
        reader = Reader(self.history, None if fresh else position, {} if fresh else state)
        self.everyone.append(reader)
        self._connect(reader, node, room)
        return reader

    @rule(reader=readers, node=NODES, room=ROOMS)
    def come_back(self, reader: Reader, node: int, room: int | None) -> None:
        """On any node, also while the old connection is still there."""
        self._connect(reader, node, room)

    @rule(reader=readers)
    def leave(self, reader: Reader) -> None:
        self._do(reader.disconnect)

    @rule(reader=readers, room=st.integers(0, 3))
    def become_slow(self, reader: Reader, room: int) -> None:
        reader.viewer.room = room

    @rule(reader=readers)
    def read(self, reader: Reader) -> None:
        reader.read()

    @rule(reader=readers)
    def drain(self, reader: Reader) -> None:
        self._do(reader.drain)

    @rule(seconds=st.sampled_from([0.01, 0.06, 0.6, 2.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.loop.spend(seconds)

    def teardown(self) -> None:
        """All is well again; after two polls and a heartbeat everybody must be right."""
        if not hasattr(self, "loop"):
            return
        try:
            self._heal()
            for reader in self.everyone:
                assert not reader.cut_off
                assert reader.tracker.position == self.history.position(MATCH)
                assert reader.shown == self.history.state(MATCH)
                assert reader.resyncs == 0 or self.epochs, "a hub left a gap, though history went on"
        finally:
            self.patch.undo()
            for hub in self.hubs:
                self.loop.finish(hub.close())
            left = asyncio.all_tasks(self.loop)
            self.loop.close()
        assert not left

    def _heal(self) -> None:
        self.history.down = False
        self.history.release()
        for bus in self.buses:
            self._do(bus.turn, True)
        self.loop.spend(2 * POLL)
        for _ in range(2):
            for reader in self.everyone:
                if reader.cut_off:
                    self._connect(reader, 0, None)
                self._do(reader.drain)
            self.loop.spend(2 * POLL)
        for reader in self.everyone:
            reader.read()

    def _connect(self, reader: Reader, node: int, room: int | None) -> None:
        self._do(reader.connect, self.loop, self.hubs[node], room)

    def _do(self, call: object, *arguments: object) -> None:
        """Call from within the loop, and let follow what follows at once."""

        async def do() -> None:
            assert callable(call)
            call(*arguments)

        self.loop.finish(do())
        self.loop.settle()


TestHubMachine = HubMachine.TestCase
TestHubMachine.settings = settings(max_examples=examples(100), stateful_step_count=40, deadline=None, derandomize=True)
