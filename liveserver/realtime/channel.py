"""One topic in the hub's memory: its position, its recent changes, its viewers. This module does no I/O.

The channel's memory (`recent`) promises this: for every position from `floor` on, it holds the latest state of
everything that changed after that position. It needn't hold every change, since a later change of an entry makes an
earlier one superfluous. So a replay may have gaps between its seqs. The message `hello`, which is sent before a replay,
has the seq up to which there may be such gaps.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.change import Position
from liveserver.protocol import messages
from liveserver.protocol.frames import ChangeFrame, Frame
from liveserver.realtime.fanout_queue import FanoutQueue
from liveserver.realtime.viewer import BATCH_SIZE, ViewerSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from liveserver.domain.change import Withdrawal
    from liveserver.domain.topic import Topic
    from liveserver.realtime.viewer import Viewer

AHEAD_MAX = 256
"""The greatest number of changes that a channel keeps while changes before them are missing.

Further changes aren't kept. They are read from the store."""

RECENT_BYTES = 8 * 1024 * 1024
"""The greatest size in bytes that the messages of a channel's recent changes may have together.

Beyond it, the oldest changes are forgotten. The newest change is kept whatever its size."""


_NOWHERE = Position("", 0)
"""The position of a viewer that still has to be sent the message `reset`. No live blog has an empty epoch."""


class Replay(NamedTuple):
    """Changes read from the store: the latest state of everything that changed after a seq, ascending by seq."""

    position: Position
    """The position of a viewer that has received all the frames. It may lie beyond the last frame."""
    floor: int
    """The seq from which on the replay is complete: it has everything that changed after this seq."""
    frames: list[ChangeFrame]
    withdrawn: tuple[Withdrawal, ...] = ()
    """The withdrawals of entries that are deleted, but whose deletion a delayed topic shows only later."""


class Offer(Enum):
    """The result of offering a change to a channel."""

    DELIVERED = auto()
    KNOWN = auto()
    AHEAD = auto()
    """Changes before this one are missing. The caller must read them from the store."""
    FOREIGN = auto()
    """The change has another epoch than the channel. The caller must read the live blog's changes from the store."""


class Lag(NamedTuple):
    """The lag of a viewer. Nothing is written to the viewer until its transport has drained."""

    position: Position
    """The last position up to which the viewer has received everything."""
    since: float
    """The time at which the viewer began to lag, in seconds of the caller's clock."""


class Channel:
    """The channel of one topic: its viewers, and the changes that these viewers get.

    `now`, in all methods: the time in seconds of the caller's clock.
    """

    def __init__(self, topic: Topic, start: Replay, *, recent_max: int, heartbeat: int) -> None:
        self.topic = topic
        self.position = start.position
        self.floor = _floor(start)
        self.recent: deque[ChangeFrame] = deque()
        self.viewers = ViewerSet()
        self.lagging: dict[Viewer, Lag] = {}
        self.ahead: dict[int, ChangeFrame] = {}
        self.fanout_queue = FanoutQueue()
        self._hellos: dict[bool, tuple[Position, Frame]] = {}
        """The last `hello` for viewers that get a replay (key True), and for those that don't (key False).

        Each comes with the position that it names.
        """
        self._recent_bytes = 0
        self._recent_max = recent_max
        self._heartbeat = heartbeat
        self._withdrawn: dict[str, tuple[int, Frame]] = {}
        """For each withdrawn entry, by id: the seq of its deletion, and the message that viewers get at once.

        The entry is removed from this dictionary when the channel's position reaches that seq.
        """
        self._note(start.withdrawn)
        for frame in start.frames:
            self._remember(self._shown(frame))

    @property
    def count(self) -> int:
        """The number of connected viewers, the lagging ones included."""
        return len(self.viewers) + len(self.lagging)

    def everyone(self) -> list[Viewer]:
        """Return all viewers, the lagging ones included."""
        return [*self.viewers, *self.lagging]

    def offer(self, frame: ChangeFrame, now: float) -> Offer:
        """Deliver a change to all viewers if its seq is the next one. Returns what became of the change.

        If changes before this one are missing (AHEAD), this one is kept, and is delivered once the channel has the
        missing ones. If AHEAD_MAX changes are kept already, this one isn't kept.
        """
        if frame.position.epoch != self.position.epoch:
            return Offer.FOREIGN
        if frame.seq <= self.position.seq:
            return Offer.KNOWN
        if frame.seq != self.position.seq + 1:
            if len(self.ahead) < AHEAD_MAX:
                self.ahead[frame.seq] = frame
            return Offer.AHEAD
        self._deliver(frame, now)
        self._deliver_ahead(now)
        return Offer.DELIVERED

    def repair(self, replay: Replay, now: float) -> bool:
        """Deliver those changes of a replay that the channel lacks, and then the changes that waited for them.

        If the replay has another epoch, the channel starts anew with it, and all viewers get a `reset`. Returns False
        if changes are missing between the channel's position and the replay. Then the caller must read another replay,
        from the channel's position on.
        """
        if replay.position.epoch != self.position.epoch:
            self._replace(replay, now)
            return True
        self.withdraw(replay.withdrawn, now)
        if replay.floor > self.position.seq:
            return False
        frames = [frame for frame in replay.frames if frame.seq > self.position.seq]
        last = max(replay.position.seq, self.position.seq)
        if [frame.seq for frame in frames] == list(range(self.position.seq + 1, last + 1)):
            for frame in frames:
                self._deliver(frame, now)
        else:
            self._deliver_section(frames, Position(self.position.epoch, last), now)
        self._deliver_ahead(now)
        return True

    def withdraw(self, withdrawals: Iterable[Withdrawal], now: float) -> None:
        """Tell viewers at once that entries are gone. From now on no viewer gets the content of these entries."""
        for frame in self._note(withdrawals):
            self._write(frame, self.position, now)

    def covers(self, after: Position) -> bool:
        """Return True if the channel's memory holds everything that changed after a position."""
        return after.epoch == self.position.epoch and self.floor <= after.seq <= self.position.seq

    def join(self, viewer: Viewer, after: Position | None, now: float, older: Iterable[ChangeFrame] = ()) -> None:
        """Register a viewer, and send it the changes after `after`, so that it reaches the channel's position.

        `after`: the viewer's position. If it is None, the viewer gets no earlier changes. If the channel never had this
        position, the viewer gets a `reset`. `older`: the changes between `after` and the oldest ones in the channel's
        memory, as frames read from the store. They are needed if the memory doesn't reach back to `after`.
        """
        if after is None:
            hello = self._hello(self.position, resumed=False, viewer=viewer.reply_id)
            self._enter(viewer, [hello, *self._gone()], self.position, now)
        elif after.epoch != self.position.epoch or after.seq > self.position.seq:
            hello = self._hello(self.position, resumed=False, viewer=viewer.reply_id)
            frames = [hello, Frame(messages.reset(self.position))]
            self._enter(viewer, frames, _NOWHERE, now)
        else:
            hello = self._hello(self.position, resumed=True, viewer=viewer.reply_id)
            before = [self._shown(frame) for frame in older if frame.seq <= self.floor]
            replay = latest([*before, *self.recent], after.seq)
            self._enter(viewer, [hello, *replay, *self._gone()], after, now)

    def resume(self, viewer: Viewer, after: Position, now: float, older: Iterable[ChangeFrame] = ()) -> None:
        """Send a lagging viewer the changes after `after`, and end its lag. Does nothing if the viewer doesn't lag.

        `after` and `older` are as in `join`.
        """
        if self.lagging.pop(viewer, None) is not None:
            self.join(viewer, after, now, older)

    def leave(self, viewer: Viewer) -> bool:
        """Forget a viewer. Returns False if the channel didn't have it."""
        was_known = viewer in self.viewers or viewer in self.lagging
        self.viewers.discard(viewer)
        self.fanout_queue.left(viewer)
        self.lagging.pop(viewer, None)
        return was_known

    def beat(self, now: float, elsewhere: int = 0) -> None:
        """Send a heartbeat to all viewers. It has the number of viewers: this channel's number plus `elsewhere`."""
        self._write(Frame(messages.heartbeat(self.position.seq, self.count + elsewhere)), self.position, now)

    def overdue(self, before: float) -> list[Viewer]:
        """Return the viewers that began to lag before the time `before`, and still lag."""
        return [viewer for viewer, lag in self.lagging.items() if lag.since < before]

    def _hello(self, position: Position, *, resumed: bool, viewer: str = "") -> Frame:
        if viewer:
            return Frame(messages.hello(position, resumed=resumed, heartbeat=self._heartbeat, viewer=viewer))
        # All viewers that come while the position stays the same get the same bytes.
        last_hello = self._hellos.get(resumed)
        if last_hello is None or last_hello[0] != position:
            frame = Frame(messages.hello(position, resumed=resumed, heartbeat=self._heartbeat))
            last_hello = self._hellos[resumed] = (position, frame)
        return last_hello[1]

    def _enter(self, viewer: Viewer, frames: list[Frame], reached: Position, now: float) -> None:
        for frame in frames:
            if not viewer.write(frame):
                self.lagging[viewer] = Lag(reached, now)
                return
            reached = frame.event_id or reached
        self.viewers.add(viewer)
        self.fanout_queue.joined(viewer)

    def _gone(self) -> list[Frame]:
        return [frame for _, frame in self._withdrawn.values()]

    def _shown(self, frame: ChangeFrame) -> ChangeFrame:
        """Return a change as viewers may see it: a deletion if the entry is withdrawn, else the change itself."""
        return frame.withdrawn() if frame.key in self._withdrawn and not frame.deletes else frame

    def _note(self, withdrawals: Iterable[Withdrawal]) -> list[Frame]:
        """Remember withdrawn entries. Returns one message for each entry that wasn't known to be withdrawn.

        An entry is left out if the channel's position has reached the entry's deletion.
        """
        new_withdrawals = {
            entry_id: (seq, Frame(messages.withdrawal_message(entry_id, within=within)))
            for entry_id, seq, within in withdrawals
            if seq > self.position.seq and entry_id not in self._withdrawn
        }
        if new_withdrawals:
            self._withdrawn.update(new_withdrawals)
            self.recent = deque(map(self._shown, self.recent))
            self._recent_bytes = sum(len(frame.message) for frame in self.recent)
        return [frame for _, frame in new_withdrawals.values()]

    def _forget_withdrawn(self) -> None:
        """Forget each withdrawn entry if the channel's position has reached the entry's deletion."""
        if self._withdrawn:
            waiting = self._withdrawn.items()
            self._withdrawn = {key: value for key, value in waiting if value[0] > self.position.seq}

    def _deliver(self, frame: ChangeFrame, now: float) -> None:
        frame = self._shown(frame)
        before = self.position
        self.position = frame.position
        self._remember(frame)
        self._write(frame, before, now)
        self._forget_withdrawn()

    def _deliver_ahead(self, now: float) -> None:
        while (frame := self.ahead.pop(self.position.seq + 1, None)) is not None:
            self._deliver(frame, now)
        for seq in [seq for seq in self.ahead if seq <= self.position.seq]:
            del self.ahead[seq]

    def _deliver_section(self, frames: list[ChangeFrame], position: Position, now: float) -> None:
        before = self.position
        self.position = position
        self._write(self._hello(position, resumed=True), before, now)
        for frame in map(self._shown, frames):
            self._remember(frame)
            self._write(frame, before, now)
            before = frame.position
        self._forget_withdrawn()

    def _replace(self, start: Replay, now: float) -> None:
        before = self.position
        self.position = start.position
        self.floor = _floor(start)
        self.recent.clear()
        self._recent_bytes = 0
        self.ahead.clear()
        self._withdrawn.clear()
        self._note(start.withdrawn)
        for frame in start.frames:
            self._remember(self._shown(frame))
        reset = Frame(messages.reset(self.position))
        if self.fanout_queue:
            self.fanout_queue.replace(reset, before)
        else:
            self._write(reset, before, now)

    def pump(self, now: float) -> None:
        """Write the next bundle of queued messages to the next batch of viewers, and note which viewers lag now."""
        self._mark(self.fanout_queue.pump(self.viewers), now)

    def _write(self, frame: Frame, before: Position, now: float) -> None:
        if not self.fanout_queue and len(self.viewers) <= BATCH_SIZE:
            for batch in self.viewers.batches():
                self._mark([(viewer, before) for viewer, _ in batch.write([frame])], now)
        elif not self.fanout_queue.add(frame, before):
            # Too many bytes wait. A `reset` takes less: viewers then load a snapshot instead of the waiting messages.
            self.fanout_queue.replace(Frame(messages.reset(self.position)), _NOWHERE)

    def _mark(self, lagging: list[tuple[Viewer, Position]], now: float) -> None:
        for viewer, position in lagging:
            self.viewers.discard(viewer)
            self.fanout_queue.left(viewer)
            self.lagging[viewer] = Lag(position, now)

    def _remember(self, frame: ChangeFrame) -> None:
        self.recent.append(frame)
        self._recent_bytes += len(frame.message)
        while len(self.recent) > self._recent_max or (self._recent_bytes > RECENT_BYTES and len(self.recent) > 1):
            forgotten = self.recent.popleft()
            self._recent_bytes -= len(forgotten.message)
            self.floor = max(self.floor, forgotten.seq)


def _floor(replay: Replay) -> int:
    """Return the seq from which on a replay is complete: it has everything that changed after this seq.

    That is `replay.floor`. But if the replay was read from beyond the end of the history, it is the history's last seq.
    """
    return min(replay.floor, replay.position.seq)


def latest(frames: list[ChangeFrame], after: int) -> list[ChangeFrame]:
    """Return the frames with a seq above `after`. Of several frames with the same key, only the last is returned.

    `frames` is in ascending order of seqs, and so is the result.
    """
    chosen: dict[str, ChangeFrame] = {}
    for frame in reversed(frames):
        if frame.seq <= after:
            break
        chosen.setdefault(frame.key, frame)
    return sorted(chosen.values(), key=lambda frame: frame.seq)
