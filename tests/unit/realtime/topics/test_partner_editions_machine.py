"""Two hubs with views, under everything at once: filters, delays, a bus that loses, doubles and reorders, a store away.

Time is virtual, and viewers are strict (`tests/support/hub_machine.py`). Whatever happens, each has in the end what its
view showed when it was that long ago, without what is deleted by now; and while all is well, nobody has an entry any
more in the moment after its deletion.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from liveserver.client import Step
from liveserver.domain.change import EntryChanged, Position
from liveserver.domain.topic import Topic
from liveserver.realtime.history import StoreHistory
from liveserver.realtime.hub import Hub
from liveserver.realtime.topics.partner_editions import PartnerEditions
from liveserver.realtime.topics.topic_bus import TopicBus
from tests.faults.reading import CHANGES
from tests.support.hub_machine import POLL, READERS, SETTINGS, BusEnd, HubsMachine, StrictReader
from tests.support.memory_store import EPOCH, LIVEBLOG, MemoryStore, PlainPresenter
from tests.support.store_samples import NOON
from tests.support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from liveserver.realtime.bus import Bus
    from tests.support.viewers import Message

MATCH = "match"
VIEWS = [
    Topic(MATCH),
    Topic(MATCH, ("sea",)),
    Topic(MATCH, (), 3),
    Topic(MATCH, ("sea",), 3),
    Topic(MATCH, ("sea", "sky"), 20),
]
TAGS: list[tuple[str, ...]] = [(), ("sea",), ("land",), ("sky", "land")]
NODES = st.integers(0, 1)
ENTRIES = st.sampled_from(["a", "b", "c", "d"])


class TwoEnds(BusEnd):
    """One hub's end of a bus that loses what it is told to lose, and brings everything twice."""

    def __init__(self, ends: list[TwoEnds]) -> None:
        super().__init__()
        self.deaf = False
        self._ends = ends

    def publish(self, slug: str, message: bytes) -> None:
        for end in self._ends:
            for _ in range(2):
                if end.receiver is not None and slug in end.subscribed and not end.deaf:
                    end.receiver.received(slug, message)


class Reader(StrictReader):
    """A strict viewer of a view."""

    def __init__(self, store: MemoryStore, view: Topic) -> None:
        super().__init__(view, None, {})
        self._store = store

    def expected(self) -> dict[str, int]:
        """The entries that a page that starts now would show, each with its last change."""
        then = self.moment()
        return {
            key: change.seq
            for key, change in self._store.latest(then).items()
            if isinstance(change, EntryChanged) and self.topic.shows(change.entry.tags) and key not in self.deleted()
        }

    def deleted(self) -> set[str]:
        """The entries that are deleted by now, and were there then."""
        return {each.id for _, each in self._store.gone(self.moment())}

    def moment(self) -> int:
        """How far the live blog had got, as long ago as the view is late."""
        return self._store.seq_then(self._store.clock() - timedelta(seconds=self.topic.delay))

    def take(self, message: Message) -> None:
        """Apply a message to what is shown."""
        fresh = message["type"] == "hello" and self.tracker.position is None
        step = self.tracker.step(message)
        if message["type"] == "gone":
            self.shown.pop(message["id"], None)
        elif fresh or step is Step.RESET or step is Step.RESYNC:
            self.resyncs += step is Step.RESYNC
            self.shown = self.expected()
            self.tracker.caught_up(Position(EPOCH, self.moment()))
        elif step is Step.APPLY and message["type"] != "liveblog":
            assert message["type"] in CHANGES
            if message["type"] == "delete":
                self.shown.pop(message["id"], None)
            else:
                entry: dict[str, Any] = message["entry"]
                assert self.topic.shows(entry["tags"]), "an entry that isn't part of the view"
                assert message["seq"] > self.shown.get(entry["id"], 0), "an older state over a newer"
                self.shown[entry["id"]] = message["seq"]


class ViewsMachine(HubsMachine):
    """Does to two hubs what the world does."""

    everyone: list[Reader]

    @initialize(old=st.sets(ENTRIES, min_size=2), recent_max=st.sampled_from([1, 3, 50]))
    def begin(self, old: set[str], recent_max: int) -> None:
        self.loop = VirtualTimeLoop()
        self.store = MemoryStore(self._now)
        self.everyone = []
        self.troubled_at = self.loop.time()
        for key in sorted(old):
            self.store.commit(key, tags=("sea",))
        self.loop.spend(60)
        self.ends: list[TwoEnds] = []
        self.ends += [TwoEnds(self.ends) for _ in range(2)]
        self.hubs = []
        for end in self.ends:
            history = StoreHistory(cast("Any", self.store), cast("Any", PlainPresenter()), clock=self._now)
            views = TopicBus(cast("Bus", end), PartnerEditions(history))
            hub = Hub(history, views, poll=POLL, poll_fast=0.5, lag_timeout=5, heartbeat=2, recent_max=recent_max)
            self.loop.finish(hub.start())
            self.hubs.append(hub)

    def _now(self) -> datetime:
        moment = NOON + timedelta(seconds=self.loop.time())
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    @rule(node=NODES, key=ENTRIES, tags=st.sampled_from(TAGS))
    def publish(self, node: int, key: str, tags: tuple[str, ...]) -> None:
        if self._there(key) is not False:
            self._tell(node, key, tags=tags)

    @rule(node=NODES)
    def change_the_live_blog(self, node: int) -> None:
        self._tell(node, LIVEBLOG)

    @rule(node=NODES, key=ENTRIES)
    def delete(self, node: int, key: str) -> None:
        if self._there(key):
            self._tell(node, key, deleted=True)

    @rule(key=ENTRIES, tags=st.sampled_from(TAGS), deleted=st.booleans())
    def publish_and_die(self, key: str, tags: tuple[str, ...], deleted: bool) -> None:
        """Committed, and nobody was told."""
        self._trouble()
        if self._there(key) if deleted else self._there(key) is not False:
            self.store.commit(key, tags=tags, deleted=deleted)

    @rule(node=NODES, deaf=st.booleans())
    def the_bus(self, node: int, deaf: bool) -> None:
        self.ends[node].deaf = deaf
        self._trouble()

    @rule(down=st.booleans())
    def the_store(self, down: bool) -> None:
        self.store.down = down
        self._trouble()

    @rule(target=READERS, node=NODES, view=st.sampled_from(VIEWS), room=st.sampled_from([None, None, 1, 3]))
    def join(self, node: int, view: Topic, room: int | None) -> Reader:
        reader = Reader(self.store, view)
        self.everyone.append(reader)
        self.do(reader.connect, self.loop, self.hubs[node], room)
        return reader

    @rule(reader=READERS, node=NODES, room=st.sampled_from([None, None, 0, 1, 3]))
    def come_back(self, reader: Reader, node: int, room: int | None) -> None:
        """On any node, also while the old connection is still there."""
        self.do(reader.connect, self.loop, self.hubs[node], room)

    @rule(seconds=st.sampled_from([0.01, 0.06, 0.6, 2.0, 3.0, 9.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.loop.spend(seconds)

    @invariant()
    def nobody_has_what_was_deleted(self) -> None:
        """Neither viewers that stayed, nor those that came back, whatever they had; nobody has anything too early."""
        if not hasattr(self, "loop"):
            return
        calm = self.loop.time() >= self.troubled_at + 2 * POLL
        for reader in self.everyone:
            if self._hears(reader):
                reader.read()
                assert not calm or all(self._there(key) for key in reader.shown)
            assert reader.tracker.position is None or reader.tracker.position.seq <= reader.moment()

    def teardown(self) -> None:
        """All is well again; after two polls and a heartbeat everybody must be right, and a while later still."""
        if not hasattr(self, "loop"):
            return
        with self.closing():
            self._heal()
            # Not in the very moment in which something becomes due.
            self.loop.spend(0.013)
            for _ in range(3):
                for reader in self.everyone:
                    reader.read()
                    assert not reader.cut_off
                    assert reader.tracker.position == Position(EPOCH, reader.moment())
                    assert reader.shown == reader.expected()
                    assert reader.resyncs == 0, "a hub left a gap, though history went on"
                self.loop.spend(9.0)

    def _heal(self) -> None:
        self.store.down = False
        for end in self.ends:
            end.deaf = False
        self.recover()

    def _there(self, key: str) -> bool | None:
        """Whether the entry is published; None if it never was. A deleted entry doesn't come back."""
        change = self.store.latest(len(self.store.log)).get(key)
        return None if change is None else isinstance(change, EntryChanged)

    def _trouble(self) -> None:
        """Something is lost now, or will be: the hubs have two polls to find it."""
        self.troubled_at = self.loop.time() + (1_000_000 if self.store.down or any(e.deaf for e in self.ends) else 0)

    def _tell(self, node: int, key: str, **change: Any) -> None:
        frame = self.store.commit(key, **change)
        self.do(self.hubs[node].publish, MATCH, frame)

    def _hears(self, reader: Reader) -> bool:
        """Whether a reader is connected and up to date, by a hub that is."""
        if reader.cut_off or reader.hub is None or reader.viewer.room is not None or self.store.down:
            return False
        if self.ends[self.hubs.index(reader.hub)].deaf:
            return False
        channels = [channel for channel in reader.hub.channels() if channel.topic == reader.topic]
        here = Position(EPOCH, reader.moment())
        return any(reader.viewer in channel.viewers and channel.position == here for channel in channels)


TestViewsMachine = ViewsMachine.TestCase
TestViewsMachine.settings = SETTINGS


def test_a_deletion_that_is_missing_while_the_store_is_away() -> None:
    """A later change was heard of: the poll finds the deletion all the same, and nobody has to wait for its turn."""
    machine = ViewsMachine()
    machine.begin(old={"a", "b"}, recent_max=1)
    machine.join(node=0, view=Topic(MATCH, (), 20), room=None)
    machine.everyone[0].read()
    machine.the_store(down=True)
    machine.publish_and_die(key="a", tags=(), deleted=True)
    machine.change_the_live_blog(node=0)
    machine.teardown()
