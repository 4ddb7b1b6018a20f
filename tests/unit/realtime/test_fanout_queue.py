"""Frames on their way to a crowd: order, slices, bundles, and those that a late viewer has already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.domain.change import Position
from liveserver.protocol.frames import ChangeFrame
from liveserver.realtime import fanout_queue as fanout_queue_module
from liveserver.realtime.fanout_queue import FanoutQueue
from liveserver.realtime.viewer import ViewerSet
from tests.support.viewers import ListSink, set_batch_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from liveserver.protocol.frames import Frame
    from liveserver.realtime.viewer import Viewer


def change(seq: int, size: int = 1) -> ChangeFrame:
    return ChangeFrame(at(seq), "a", b'{"type":"entry","seq":%d,"entry":{"id":"%s"}}' % (seq, b"x" * size))


def at(seq: int) -> Position:
    return Position("abcdefgh", seq)


class CountingSink(ListSink):
    """Another class, which counts how often its viewers are written to together."""

    calls = 0

    @classmethod
    def write_all(cls, viewers: Sequence[Viewer], frames: Sequence[Frame], /) -> list[tuple[Viewer, int]]:
        cls.calls += 1
        return super().write_all(viewers, frames)


class Scene:
    """A crowd and its backlog; two viewers are written to in a turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, viewers: int = 3) -> None:
        set_batch_size(monkeypatch, 2)
        self.fanout_queue = FanoutQueue()
        self.viewer_set = ViewerSet()
        self.viewers = [self.join() for _ in range(viewers)]
        self.lagging: list[tuple[Viewer, Position]] = []

    def join(self, viewer: ListSink | None = None) -> ListSink:
        viewer = viewer or ListSink()
        self.viewer_set.add(viewer)
        self.fanout_queue.joined(viewer)
        return viewer

    def add(self, *seqs: int) -> None:
        for seq in seqs:
            assert self.fanout_queue.add(change(seq), at(seq - 1))

    def turns(self) -> int:
        """Go on to the end; in how many turns somebody was written to."""
        count = 0
        while self.fanout_queue:
            before = sum(len(viewer.frames) for viewer in self.viewers)
            self.lagging += self.fanout_queue.pump(self.viewer_set)
            count += sum(len(viewer.frames) for viewer in self.viewers) > before
        return count


def seqs(viewer: ListSink) -> list[int]:
    return [message["seq"] for message in viewer.messages]


def test_what_waits_is_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many turns for three messages as for one."""
    scene = Scene(monkeypatch)
    scene.add(1, 2, 3)
    assert scene.turns() == 2
    assert [seqs(viewer) for viewer in scene.viewers] == [[1, 2, 3]] * 3


def test_a_delivery_that_has_begun_takes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the first of its viewers would miss it."""
    scene = Scene(monkeypatch)
    scene.add(1)
    scene.fanout_queue.pump(scene.viewer_set)
    scene.add(2, 3)
    assert scene.turns() == 3
    assert [seqs(viewer) for viewer in scene.viewers] == [[1, 2, 3]] * 3


def test_a_bundle_is_no_larger_than_a_viewers_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout_queue_module, "BUNDLE_BYTES", 2 * len(change(1).message))
    scene = Scene(monkeypatch, viewers=2)
    scene.add(1, 2, 3, 4, 5)
    assert scene.turns() == 3
    assert fanout_queue_module.BUNDLE_BYTES < 64 * 1024


def test_one_message_larger_than_a_bundle_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout_queue_module, "BUNDLE_BYTES", 10)
    scene = Scene(monkeypatch, viewers=2)
    scene.add(1, 2)
    assert scene.turns() == 2
    assert seqs(scene.viewers[0]) == [1, 2]


def test_a_viewer_that_comes_while_a_bundle_waits_gets_the_rest_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.add(1, 2)
    middle = scene.join()
    scene.add(3)
    late = scene.join()
    scene.turns()
    assert (seqs(middle), seqs(late)) == ([3], [])
    assert [seqs(viewer) for viewer in scene.viewers] == [[1, 2, 3]] * 3
    scene.add(4)
    scene.turns()
    assert (seqs(middle), seqs(late)) == ([3, 4], [4])


def test_a_viewer_that_comes_after_a_bundle_has_begun_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.add(1)
    scene.fanout_queue.pump(scene.viewer_set)
    late = scene.join()
    scene.turns()
    assert seqs(late) == []


def test_a_viewer_that_lags_within_a_bundle_stands_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that came in the middle of it."""
    scene = Scene(monkeypatch, viewers=1)
    slow = scene.viewers[0]
    slow.room = 2
    scene.add(1, 2)
    late = scene.join(ListSink(1))
    scene.add(3, 4, 5)
    scene.turns()
    assert (seqs(slow), seqs(late)) == ([1, 2], [3])
    assert scene.lagging == [(late, at(3)), (slow, at(2))]


def test_a_viewer_that_has_left_is_written_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not kept in memory either."""
    scene = Scene(monkeypatch, viewers=6)
    scene.add(1)
    scene.fanout_queue.pump(scene.viewer_set)
    scene.add(2)
    came_and_went = scene.join()
    for viewer in (*scene.viewers[2:4], came_and_went):
        scene.viewer_set.discard(viewer)
        scene.fanout_queue.left(viewer)
    scene.turns()
    assert [seqs(viewer) for viewer in scene.viewers] == [[1, 2]] * 2 + [[]] * 2 + [[1, 2]] * 2
    assert not scene.fanout_queue._has


def test_a_viewer_that_was_ahead_is_remembered_only_while_it_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog that is never empty must not keep everyone who ever came."""
    scene = Scene(monkeypatch)
    scene.add(1)
    scene.join()
    scene.fanout_queue.pump(scene.viewer_set)
    scene.add(2)
    later = scene.join()
    while not scene.lagging and scene.fanout_queue._has.keys() != {later}:
        scene.fanout_queue.pump(scene.viewer_set)
    assert scene.fanout_queue


def test_too_much_is_refused_and_can_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that has begun goes on to its end; one that hasn't is dropped."""
    monkeypatch.setattr(fanout_queue_module, "BACKLOG_BYTES", 3 * len(change(1).message))
    scene = Scene(monkeypatch)
    scene.add(1)
    scene.fanout_queue.pump(scene.viewer_set)
    scene.add(2, 3)
    assert not scene.fanout_queue.add(change(4), at(3))
    scene.fanout_queue.replace(change(4), at(0))
    scene.add(5)
    scene.turns()
    assert [seqs(viewer) for viewer in scene.viewers] == [[1, 4, 5]] * 3
    scene.add(6, 7, 8)
    assert scene.turns() == 2


def test_viewers_of_a_class_are_written_to_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call for a slice of each class."""
    scene = Scene(monkeypatch, viewers=3)
    others = [scene.join(CountingSink()) for _ in range(4)]
    scene.add(1, 2)
    CountingSink.calls = 0
    scene.turns()
    assert CountingSink.calls == 2
    assert [seqs(viewer) for viewer in [*scene.viewers, *others]] == [[1, 2]] * 7


def test_a_crowd_counts_lists_and_forgets() -> None:
    viewer_set = ViewerSet()
    one, two, other = ListSink(), ListSink(), CountingSink()
    for viewer in (one, two, other, two):
        viewer_set.add(viewer)
    assert (len(viewer_set), list(viewer_set)) == (3, [one, two, other])
    assert [(batch.viewer_class, batch.viewers) for batch in viewer_set.batches()] == [
        (ListSink, [one, two]),
        (CountingSink, [other]),
    ]
    for _ in range(2):
        viewer_set.discard(two)
    assert (len(viewer_set), two in viewer_set, other in viewer_set) == (2, False, True)
    elsewhere = ViewerSet()
    elsewhere.add(two)
    viewer_set.discard(two)
    assert (len(viewer_set), two in viewer_set, len(elsewhere), two in elsewhere) == (2, False, 1, True)


def test_rows_have_no_gaps_and_room_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a viewer that stays keeps its batch: a delivery that goes through them must not miss it."""
    set_batch_size(monkeypatch, 4)
    viewer_set = ViewerSet()
    viewers = [ListSink() for _ in range(10)]
    for viewer in viewers:
        viewer_set.add(viewer)
    stood = {viewer: viewer.batch for viewer in viewer_set}
    for place in (0, 2, 6, 8, 9):
        viewer_set.discard(viewers[place])
    assert [batch.viewers for batch in viewer_set.batches()] == [
        [viewers[3], viewers[1]],
        [viewers[4], viewers[5], viewers[7]],
    ]
    assert all(
        viewer.batch is batch and batch.viewers[viewer.index] is viewer
        for batch in viewer_set.batches()
        for viewer in batch.viewers
    )
    assert all(viewer.batch is stood[viewer] for viewer in viewer_set)
    new = [ListSink() for _ in range(4)]
    for viewer in new:
        viewer_set.add(viewer)
    assert [len(batch.viewers) for batch in viewer_set.batches()] == [4, 4, 1]
    assert sorted(map(id, viewer_set)) == sorted(map(id, [*(viewers[place] for place in (1, 3, 4, 5, 7)), *new]))
    for one in list(viewer_set):
        viewer_set.discard(one)
    assert (len(viewer_set), viewer_set.batches()) == (0, [])
    viewer_set.add(new[0])
    assert [batch.viewers for batch in viewer_set.batches()] == [[new[0]]]
