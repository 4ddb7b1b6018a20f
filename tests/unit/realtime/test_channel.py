"""A channel's decisions: which viewer gets what, from where, and when the store must be read."""

from __future__ import annotations

import pytest

from liveserver.domain.change import Position
from liveserver.domain.topic import Topic
from liveserver.realtime import channel as channel_module
from liveserver.realtime import fanout_queue
from liveserver.realtime.channel import AHEAD_MAX, Channel, Offer, latest
from tests.support.memory_history import EPOCH, LIVEBLOG, MemoryHistory
from tests.support.viewers import ListSink, set_batch_size

MATCH = "match"
NOW = 100.0


class World:
    """A history and a channel on it."""

    def __init__(self, *committed: str, recent_max: int = 100) -> None:
        self.history = MemoryHistory(MATCH)
        for key in committed:
            self.history.commit(MATCH, key)
        start = self.history.read_recent(MATCH, recent_max)
        self.channel = Channel(Topic(MATCH), start, recent_max=recent_max, heartbeat=25)

    def publish(self, key: str, *, deleted: bool = False) -> Offer:
        """Commit a change and offer it."""
        return self.channel.offer(self.history.commit(MATCH, key, deleted=deleted), NOW)

    def join(self, after: int | Position | None = None, *, room: int | None = None) -> ListSink:
        """A viewer that memory covers, or needs nothing."""
        viewer = ListSink(room)
        self.channel.join(viewer, Position(EPOCH, after) if isinstance(after, int) else after, NOW)
        return viewer

    def repair(self, after: int | None = None) -> bool:
        """Read the store from the channel's position, or another, and repair."""
        seq = self.channel.position.seq if after is None else after
        return self.channel.repair(self.history.read(MATCH, seq), NOW)


def test_a_viewer_without_position_gets_hello_and_what_comes() -> None:
    world = World("a", "b")
    viewer = world.join()
    assert viewer.messages == [{"type": "hello", "epoch": EPOCH, "seq": 2, "resumed": False, "heartbeat": 25}]
    world.publish("c")
    assert viewer.told == ["hello 2 fresh", "entry 3 c"]


def test_resume_gives_the_latest_state_only_in_ascending_order() -> None:
    world = World("a", "b")
    for key in ("a", "c", "a", LIVEBLOG, "c"):
        world.publish(key)
    assert world.join(1).told == ["hello 7", "entry 2 b", "entry 5 a", "liveblog 6", "entry 7 c"]
    assert world.join(6).told == ["hello 7", "entry 7 c"]
    assert world.join(7).told == ["hello 7"]


def test_resume_tells_of_a_delete_and_not_of_what_was_before_it() -> None:
    world = World("a", "b")
    world.publish("a", deleted=True)
    assert world.join(0).told == ["hello 3", "entry 2 b", "delete 3 a"]


@pytest.mark.parametrize("after", [Position("bbbbbbbb", 1), Position(EPOCH, 3), Position("0", 0)])
def test_a_void_position_is_told_so(after: Position) -> None:
    world = World("a", "b")
    viewer = world.join(after)
    assert viewer.messages[0]["resumed"] is False
    assert viewer.messages[1] == {"type": "reset", "epoch": EPOCH, "seq": 2}
    world.publish("c")
    assert viewer.told == ["hello 2 fresh", "reset 2", "entry 3 c"]


def test_a_void_viewer_that_could_not_take_its_reset_is_told_again() -> None:
    """Its position must not pass for a good one later, whatever has happened since."""
    for room in (0, 1):
        world = World("a", "b")
        viewer = world.join(Position(EPOCH, 5), room=room)
        lag = world.channel.lagging[viewer]
        for key in "cdefg":
            world.publish(key)
        assert not world.channel.covers(lag.position)
        viewer.room = None
        viewer.take()
        world.channel.resume(viewer, lag.position, NOW)
        assert viewer.told == ["hello 7 fresh", "reset 7"]


def test_live_changes_are_contiguous_and_the_same_for_all() -> None:
    world = World()
    viewers = [world.join() for _ in range(3)]
    for key in ("a", "b", "a"):
        assert world.publish(key) is Offer.DELIVERED
    for viewer in viewers:
        assert viewer.told == ["hello 0 fresh", "entry 1 a", "entry 2 b", "entry 3 a"]
    assert viewers[0].frames[1] is viewers[1].frames[1], "one frame for all"


def test_what_is_known_is_not_delivered_again() -> None:
    world = World("a")
    viewer = world.join()
    frame = world.history.commit(MATCH, "b")
    assert [world.channel.offer(frame, NOW) for _ in range(3)] == [Offer.DELIVERED, Offer.KNOWN, Offer.KNOWN]
    assert viewer.told == ["hello 1 fresh", "entry 2 b"]


def test_messages_that_crossed_are_delivered_in_order_without_the_store() -> None:
    world = World()
    viewer = world.join()
    one, two, three, four = (world.history.commit(MATCH, key) for key in "abcd")
    offers = [world.channel.offer(frame, NOW) for frame in (three, two, one, four)]
    assert offers == [Offer.AHEAD, Offer.AHEAD, Offer.DELIVERED, Offer.DELIVERED]
    assert viewer.told == ["hello 0 fresh", "entry 1 a", "entry 2 b", "entry 3 c", "entry 4 d"]
    assert not world.channel.ahead


def test_what_comes_too_early_is_kept_within_bounds() -> None:
    world = World()
    world.history.commit(MATCH, "lost")
    for _ in range(AHEAD_MAX + 50):
        assert world.publish("a") is Offer.AHEAD
    assert len(world.channel.ahead) == AHEAD_MAX
    assert world.repair()
    assert world.channel.position.seq == AHEAD_MAX + 51
    assert not world.channel.ahead


def test_a_change_of_another_history_asks_for_the_store() -> None:
    world = World("a")
    world.history.restart(MATCH, "bbbbbbbb", 1)
    assert world.publish("b") is Offer.FOREIGN
    assert world.channel.position == Position(EPOCH, 1)


def test_a_repair_without_skips_is_delivered_as_live() -> None:
    world = World()
    viewer = world.join()
    world.history.commit(MATCH, "a")
    world.history.commit(MATCH, "b")
    assert world.repair()
    assert viewer.told == ["hello 0 fresh", "entry 1 a", "entry 2 b"]


def test_a_repair_that_skips_is_announced_by_a_hello() -> None:
    """Else a client would see a gap among live changes."""
    world = World("a")
    viewer = world.join()
    for key in ("b", "c", "b"):
        world.history.commit(MATCH, key)
    assert world.repair()
    world.publish("d")
    assert viewer.told == ["hello 1 fresh", "hello 4", "entry 3 c", "entry 4 b", "entry 5 d"]


def test_a_repair_brings_along_what_waited_behind_the_gap() -> None:
    world = World()
    viewer = world.join()
    world.history.commit(MATCH, "lost")
    replay = world.history.read(MATCH, 0)
    world.publish("b")
    assert world.channel.repair(replay, NOW)
    assert viewer.told == ["hello 0 fresh", "entry 1 lost", "entry 2 b"]


def test_a_repair_that_is_overtaken_changes_nothing() -> None:
    world = World()
    viewer = world.join()
    world.publish("a")
    replay = world.history.read(MATCH, 0)
    world.publish("b")
    assert world.channel.repair(replay, NOW)
    assert viewer.take() == ["hello 0 fresh", "entry 1 a", "entry 2 b"]
    assert world.channel.position.seq == 2


def test_a_repair_that_does_not_reach_back_is_refused() -> None:
    world = World("a")
    world.history.commit(MATCH, "b")
    world.history.commit(MATCH, "c")
    assert not world.repair(after=2)
    assert world.channel.position.seq == 1


def test_another_history_resets_everyone_and_voids_the_memory() -> None:
    world = World("a", "b")
    viewer, slow = world.join(), world.join(room=1)
    world.publish("c")
    assert slow in world.channel.lagging
    assert (world.channel.lagging_readers, world.channel.desk_streams) == (1, {})
    world.channel.desk_streams[slow] = {}
    assert world.channel.lagging_readers == 0
    del world.channel.desk_streams[slow]
    world.history.restart(MATCH, "bbbbbbbb", 5)
    assert world.repair(after=0)
    assert viewer.messages[-1] == {"type": "reset", "epoch": "bbbbbbbb", "seq": 5}
    lag = world.channel.lagging[slow]
    assert not world.channel.covers(lag.position)
    slow.room = None
    world.channel.resume(slow, lag.position, NOW)
    assert slow.told == ["hello 2 fresh", "hello 5 fresh", "reset 5"]
    assert world.join(Position("bbbbbbbb", 3)).told == ["hello 5", "entry 4 restored-0", "entry 5 restored-1"]
    assert world.join(3).told == ["hello 5 fresh", "reset 5"]


def test_memory_of_a_shorter_history_reaches_to_its_end() -> None:
    """It was read from the old, higher position: nothing comes after that, and nothing is missing before it."""
    world = World(*("a" * 40))
    world.history.restart(MATCH, "bbbbbbbb", 3)
    assert world.repair()
    assert world.channel.position == Position("bbbbbbbb", 3)
    assert world.channel.covers(Position("bbbbbbbb", 3))
    assert not world.channel.covers(Position("bbbbbbbb", 2))
    world.publish("z")
    assert world.join(Position("bbbbbbbb", 3)).told == ["hello 4", "entry 4 z"]


def test_what_waited_behind_a_gap_of_the_old_history_is_not_delivered_in_the_new() -> None:
    world = World("a")
    viewer = world.join()
    world.history.commit(MATCH, "lost")
    for key in ("c", "d", "e"):
        world.publish(key)
    world.history.restart(MATCH, "bbbbbbbb", 1)
    assert world.repair()
    world.publish("z")
    assert viewer.told == ["hello 1 fresh", "reset 1", "entry 2 z"]


def test_memory_is_bounded_by_number_and_says_from_where_it_is_complete() -> None:
    world = World(recent_max=3)
    for key in "abcde":
        world.publish(key)
    assert [frame.seq for frame in world.channel.recent] == [3, 4, 5]
    assert [world.channel.covers(Position(EPOCH, seq)) for seq in range(7)] == [False, False, *[True] * 4, False]


def test_memory_is_bounded_by_bytes_and_keeps_the_last_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "RECENT_BYTES", 1000)
    world = World()
    for size in (300, 300, 300, 5000):
        world.channel.offer(world.history.commit(MATCH, "a", size=size), NOW)
    assert [frame.seq for frame in world.channel.recent] == [4]
    assert world.channel.floor == 3
    world.channel.offer(world.history.commit(MATCH, "b", size=300), NOW)
    assert [frame.seq for frame in world.channel.recent] == [5]


def test_memory_after_a_repair_serves_viewers_from_before_it() -> None:
    world = World("a")
    for key in ("b", "c", "b", "c"):
        world.history.commit(MATCH, key)
    assert world.repair()
    assert world.join(2).told == ["hello 5", "entry 4 b", "entry 5 c"]


def test_older_frames_bridge_to_the_memory() -> None:
    world = World(*"abcabc", recent_max=2)
    assert not world.channel.covers(Position(EPOCH, 1))
    older = world.history.read(MATCH, 1).frames
    viewer = ListSink()
    world.channel.join(viewer, Position(EPOCH, 1), NOW, older)
    assert viewer.told == ["hello 6", "entry 4 a", "entry 5 b", "entry 6 c"]


def test_older_frames_that_know_more_than_the_channel_wait_for_it() -> None:
    """The store was read after a change that the channel doesn't have yet: that one comes live."""
    world = World(*"abcd", recent_max=2)
    frame = world.history.commit(MATCH, "b")
    viewer = ListSink()
    world.channel.join(viewer, Position(EPOCH, 0), NOW, world.history.read(MATCH, 0).frames)
    assert viewer.take() == ["hello 4", "entry 1 a", "entry 3 c", "entry 4 d"]
    world.channel.offer(frame, NOW)
    assert viewer.take() == ["entry 5 b"]


def test_a_viewer_that_lags_is_written_nothing_and_remembered_with_what_it_has() -> None:
    world = World()
    viewer, slow = world.join(), world.join(room=2)
    for key in "abc":
        world.publish(key)
    assert slow.told == ["hello 0 fresh", "entry 1 a"]
    assert world.channel.lagging[slow] == (Position(EPOCH, 1), NOW)
    assert world.channel.count == 2
    assert viewer.told[-1] == "entry 3 c"
    slow.room = None
    world.publish("b")
    assert slow.told == ["hello 0 fresh", "entry 1 a"], "not before it is caught up"
    world.channel.resume(slow, world.channel.lagging[slow].position, NOW)
    assert slow.told == ["hello 0 fresh", "entry 1 a", "hello 4", "entry 3 c", "entry 4 b"]


def test_a_viewer_that_is_resumed_lags_no_more() -> None:
    """One that doesn't lag isn't resumed, nor one that has left: else it would get again what it has."""
    world = World()
    viewer, slow = world.join(), world.join(room=1)
    world.publish("a")
    slow.room = None
    for _ in range(2):
        world.channel.resume(slow, Position(EPOCH, 0), NOW)
        assert slow.told == ["hello 0 fresh", "hello 1", "entry 1 a"]
    assert (slow in world.channel.viewers, world.channel.lagging) == (True, {})
    world.channel.resume(viewer, Position(EPOCH, 0), NOW)
    assert viewer.told == ["hello 0 fresh", "entry 1 a"]
    world.channel.leave(slow)
    world.channel.resume(slow, Position(EPOCH, 0), NOW)
    assert world.channel.count == 1


@pytest.mark.parametrize(("room", "reached"), [(0, 1), (1, 1), (2, 2), (3, 3)])
def test_a_viewer_that_lags_within_its_replay_is_where_the_replay_brought_it(room: int, reached: int) -> None:
    world = World(*"abcd")
    slow = world.join(1, room=room)
    assert world.channel.lagging[slow].position == Position(EPOCH, reached)


def test_a_viewer_that_lags_within_a_skipping_repair_misses_nothing() -> None:
    for room in (1, 2, 3):
        world = World()
        slow = world.join(room=room)
        for key in ("a", "b", "a", "c"):
            world.history.commit(MATCH, key)
        assert world.repair()
        slow.room = None
        if slow in world.channel.lagging:
            world.channel.resume(slow, world.channel.lagging[slow].position, NOW)
        seqs = [message["seq"] for message in slow.messages if message["type"] == "entry"]
        assert seqs == [2, 3, 4], f"with room for {room}"


def test_a_heartbeat_says_the_position_and_counts_the_lagging_too() -> None:
    world = World("a")
    viewer, slow = world.join(), world.join(room=1)
    world.publish("b")
    world.channel.beat(NOW)
    assert viewer.messages[-1] == {"type": "heartbeat", "seq": 2, "viewers": 2}
    assert slow.told == ["hello 1 fresh"]


def test_a_heartbeat_that_is_not_taken_makes_a_viewer_lag_where_it_stands() -> None:
    world = World("a")
    slow = world.join(room=1)
    world.channel.beat(NOW)
    assert world.channel.lagging[slow].position == Position(EPOCH, 1)


def test_overdue_are_those_that_lag_since_before() -> None:
    world = World()
    slow, slower = world.join(room=2), world.join(room=1)
    world.channel.offer(world.history.commit(MATCH, "a"), 10.0)
    world.channel.offer(world.history.commit(MATCH, "b"), 20.0)
    assert world.channel.overdue(10.0) == []
    assert world.channel.overdue(15.0) == [slower]
    assert set(world.channel.overdue(25.0)) == {slow, slower}


def test_a_viewer_that_leaves_is_forgotten_and_leaving_twice_is_no_error() -> None:
    world = World()
    viewer, slow = world.join(), world.join(room=0)
    for one in (viewer, slow, viewer):
        world.channel.leave(one)
    world.publish("a")
    assert world.channel.count == 0
    assert (viewer.told, slow.told) == (["hello 0 fresh"], [])


# With more viewers than are written to in one turn


class Crowd(World):
    """More viewers than a batch, of whom two are written to in a turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *committed: str, viewers: int = 5) -> None:
        set_batch_size(monkeypatch, 2)
        super().__init__(*committed)
        self.viewer_set = [self.join() for _ in range(viewers)]

    def turn(self) -> list[ListSink]:
        """Go on by a batch; the viewers of the crowd that were written to."""
        before = [len(viewer.frames) for viewer in self.viewer_set]
        self.channel.pump(NOW)
        return [viewer for viewer, had in zip(self.viewer_set, before, strict=True) if len(viewer.frames) > had]

    def finish(self) -> None:
        """Go on until nothing is left to do."""
        while self.channel.fanout_queue:
            self.channel.pump(NOW)
        assert not self.channel.fanout_queue._has


@pytest.mark.parametrize("viewers", [3, 4, 5])
def test_a_crowd_is_written_to_row_by_row(monkeypatch: pytest.MonkeyPatch, viewers: int) -> None:
    """Each viewer once for each change, in order, with the one frame; nobody before the first turn."""
    world = Crowd(monkeypatch, viewers=viewers)
    for key in "ab":
        assert world.publish(key) is Offer.DELIVERED
    assert {len(viewer.frames) for viewer in world.viewer_set} == {1}
    assert len(world.turn()) == 2
    world.publish("c")
    world.finish()
    for viewer in world.viewer_set:
        assert viewer.told == ["hello 0 fresh", "entry 1 a", "entry 2 b", "entry 3 c"]
    assert len({id(viewer.frames[2]) for viewer in world.viewer_set}) == 1


def test_changes_that_outpace_the_writing_for_long_make_everyone_start_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue is bounded; a viewer that has begun to get something gets all of it first; then live changes go on."""
    monkeypatch.setattr(fanout_queue, "BACKLOG_BYTES", 400)
    world = Crowd(monkeypatch)
    world.publish("a")
    first = world.turn()
    for _ in range(20):
        world.publish("b")
    slow = world.join(0, room=0)
    late = world.join(20)
    world.finish()
    world.publish("c")
    world.finish()
    for viewer in world.viewer_set:
        told = viewer.told
        assert told[1] == "entry 1 a"
        reset = next(index for index, word in enumerate(told) if word.startswith("reset"))
        seq = int(told[reset].split()[1])
        assert reset < 6
        assert told[reset + 1 :] == [f"entry {n} b" for n in range(seq + 1, 22)] + ["entry 22 c"]
    assert first
    assert late.told[:2] == ["hello 21", "entry 21 b"]
    assert late.told[-1] == "entry 22 c"
    assert slow in world.channel.lagging


def test_few_viewers_are_written_to_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Crowd(monkeypatch, viewers=2)
    world.publish("a")
    assert not world.channel.fanout_queue
    assert [viewer.told[-1] for viewer in world.viewer_set] == ["entry 1 a"] * 2


def test_what_comes_after_a_backlog_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when so many have left meanwhile that they would no longer be a crowd."""
    world = Crowd(monkeypatch)
    world.publish("a")
    for viewer in world.viewer_set[1:]:
        world.channel.leave(viewer)
    world.publish("b")
    world.channel.beat(NOW)
    world.finish()
    assert world.viewer_set[0].told == ["hello 0 fresh", "entry 1 a", "entry 2 b", "heartbeat 2"]
    assert [viewer.told for viewer in world.viewer_set[1:]] == [["hello 0 fresh"]] * 4


def test_a_viewer_that_joins_during_a_backlog_gets_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Crowd(monkeypatch)
    world.publish("a")
    world.turn()
    world.publish("b")
    fresh, resumed, void = world.join(), world.join(0), world.join(Position("bbbbbbbb", 7))
    world.turn()
    world.publish("c")
    late = world.join(1)
    world.finish()
    assert fresh.told == ["hello 2 fresh", "entry 3 c"]
    assert resumed.told == ["hello 2", "entry 1 a", "entry 2 b", "entry 3 c"]
    assert void.told == ["hello 2 fresh", "reset 2", "entry 3 c"]
    assert late.told == ["hello 3", "entry 2 b", "entry 3 c"]
    for viewer in world.viewer_set:
        assert viewer.told == ["hello 0 fresh", "entry 1 a", "entry 2 b", "entry 3 c"]


def test_a_viewer_that_left_is_written_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Crowd(monkeypatch)
    for key in "ab":
        world.publish(key)
    first = world.turn()
    for viewer in world.viewer_set:
        world.channel.leave(viewer)
    world.finish()
    for viewer in world.viewer_set:
        assert viewer.told == ["hello 0 fresh", *(["entry 1 a", "entry 2 b"] if viewer in first else [])]
    assert world.channel.count == 0


def test_a_viewer_that_lags_within_a_backlog_is_caught_up_with_all_of_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever it drains: while others are still to be written to, or after."""
    for turns in range(10):
        for room in (0, 1, 2):
            world = Crowd(monkeypatch)
            slow = world.viewer_set[0]
            slow.room = room
            for key in "abc":
                world.publish(key)
            while slow not in world.channel.lagging:
                world.turn()
            assert world.channel.lagging[slow].position == Position(EPOCH, room)
            for _ in range(turns):
                if world.channel.fanout_queue:
                    world.turn()
            slow.room = None
            world.channel.resume(slow, world.channel.lagging[slow].position, NOW)
            world.publish("d")
            world.finish()
            seqs = [message["seq"] for message in slow.messages if message["type"] == "entry"]
            assert seqs == [1, 2, 3, 4]
            assert world.channel.count == 5
            for viewer in world.viewer_set[1:]:
                assert viewer.told[1:] == ["entry 1 a", "entry 2 b", "entry 3 c", "entry 4 d"]


def test_heartbeats_and_resets_keep_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames on their way when history was replaced come before the reset, those of the new history after it."""
    world = Crowd(monkeypatch, "z")
    world.publish("a")
    world.channel.beat(NOW)
    world.publish("b")
    world.turn()
    world.history.restart(MATCH, "bbbbbbbb", 1)
    assert world.repair(after=0)
    world.publish("c")
    world.finish()
    expected = ["hello 1 fresh", "entry 2 a", "heartbeat 2", "entry 3 b", "reset 1", "entry 2 c"]
    for viewer in world.viewer_set:
        assert viewer.told == expected


def test_a_repair_that_skips_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Crowd(monkeypatch)
    for key in ("a", "b", "a"):
        world.history.commit(MATCH, key)
    assert world.repair()
    late = world.join(1)
    world.publish("c")
    world.finish()
    for viewer in world.viewer_set:
        assert viewer.told == ["hello 0 fresh", "hello 3", "entry 2 b", "entry 3 a", "entry 4 c"]
    assert late.told == ["hello 3", "entry 2 b", "entry 3 a", "entry 4 c"]


def test_latest_takes_the_last_state_of_each_key() -> None:
    world = World()
    frames = [world.history.commit(MATCH, key) for key in "abab"]
    assert [frame.seq for frame in latest(frames, 0)] == [3, 4]
    assert [frame.seq for frame in latest(frames, 3)] == [4]
    assert latest(frames, 4) == []
    assert latest([], 0) == []
