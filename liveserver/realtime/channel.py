"""One topic in the hub's memory: its position, its recent changes, its viewers. This module does no I/O.

The channel's memory is `recent`. For every position from `floor` on, it has the latest state of everything that changed
after that position. If an entry has changed twice, the memory may lack the earlier change. So a replay may have gaps
between its seqs. The message `hello`, which is sent before a replay, has the seq up to which there may be such gaps.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NamedTuple

from liveserver.domain.change import Position
from liveserver.protocol import messages
from liveserver.protocol.frames import ChangeFrame, Frame
from liveserver.realtime.fanout_queue import FanoutQueue
from liveserver.realtime.viewer import BATCH_SIZE, ViewerSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from liveserver.domain.change import GoneNotice
    from liveserver.domain.topic import Topic
    from liveserver.realtime.viewer import Viewer

AHEAD_MAX = 256
"""The greatest number of changes that a channel keeps while earlier changes are missing.

If more changes come, they aren't kept. They are read from the store later."""

RECENT_BYTES = 8 * 1024 * 1024
"""The greatest size in bytes of the messages of a channel's recent changes, all together.

If the messages are larger, the oldest changes are forgotten. The newest change is always kept, however large it is."""


_NOWHERE = Position("", 0)
"""The position that is noted for a lagging viewer if the viewer still needs the message `reset`.

No live blog has an empty epoch. So the viewer gets the `reset` when its lag ends."""


class Replay(NamedTuple):
    """Changes read from the store: the latest state of everything that changed after a seq, ascending by seq."""

    position: Position
    """The position that a viewer has reached after all the frames. Its seq may be higher than the last frame's seq."""
    floor: int
    """The seq after which the replay has everything that changed."""
    frames: list[ChangeFrame]
    gone: tuple[GoneNotice, ...] = ()
    """Notices of entries that are gone before the topic shows their deletions. () if the topic isn't delayed."""


class Offer(Enum):
    """The result of offering a change to a channel."""

    DELIVERED = auto()
    KNOWN = auto()
    AHEAD = auto()
    """Earlier changes are missing. The caller must read the missing changes from the store."""
    FOREIGN = auto()
    """The change's epoch isn't the channel's epoch. The caller must read the live blog's changes from the store."""


class Lag(NamedTuple):
    """The lag of a viewer. Nothing is written to the viewer until its transport has drained."""

    position: Position
    """The last position up to which the viewer has received everything."""
    since: float
    """The time at which the viewer began to lag, in seconds of the caller's clock."""


class Channel:
    """The channel of one topic: its viewers, and the changes that these viewers get.

    In all methods, `now` is the present time in seconds of the caller's clock.
    """

    def __init__(self, topic: Topic, start: Replay, *, recent_max: int, heartbeat: int) -> None:
        self.topic = topic
        self.position = start.position
        self.floor = _floor(start)
        self.recent: deque[ChangeFrame] = deque()
        self.viewers = ViewerSet()
        self.lagging: dict[Viewer, Lag] = {}
        self.desk_streams: dict[Viewer, Mapping[str, Any]] = {}
        """The desk streams among the viewers, including lagging ones, each with further fields of its `hello`.

        A desk stream gets all messages, but `readers` doesn't count it.
        """
        self.ahead: dict[int, ChangeFrame] = {}
        self.fanout_queue = FanoutQueue()
        self._hellos: dict[bool, tuple[Position, Frame]] = {}
        """The last two messages `hello`, one with `resumed` True and one with False, by the value of `resumed`.

        Each `hello` is kept together with the position in it. A `hello` with a viewer's reply id isn't kept.
        """
        self._recent_bytes = 0
        self._recent_max = recent_max
        self._heartbeat = heartbeat
        self._gone: dict[str, tuple[int, Frame]] = {}
        """The entries that are gone, by id: the seq of the entry's deletion, and the message `gone` for viewers.

        An entry is removed from this dictionary when the channel's position reaches the deletion's seq.
        """
        self._note(start.gone)
        for frame in start.frames:
            self._remember(self._shown(frame))

    @property
    def count(self) -> int:
        """The number of connected viewers, including lagging viewers."""
        return len(self.viewers) + len(self.lagging)

    @property
    def readers(self) -> int:
        """The number of connected viewers that aren't desk streams, including lagging viewers."""
        return self.count - len(self.desk_streams)

    @property
    def lagging_readers(self) -> int:
        """The number of lagging viewers that aren't desk streams."""
        return len(self.lagging.keys() - self.desk_streams.keys())

    def everyone(self) -> list[Viewer]:
        """Return all viewers, including lagging viewers."""
        return [*self.viewers, *self.lagging]

    def offer(self, frame: ChangeFrame, now: float) -> Offer:
        """Deliver a change to all viewers if its seq comes directly after the channel's position. Returns the result.

        If earlier changes are missing, the result is AHEAD. The change is kept, and is delivered once the channel has
        the missing changes. But if AHEAD_MAX changes are kept already, the change isn't kept. A change that the channel
        has already (KNOWN), or that has another epoch than the channel (FOREIGN), is ignored.
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
        """Deliver the changes of a replay that the channel lacks. Then deliver the kept changes that come directly
        after the replay.

        If the replay has another epoch than the channel, the channel starts anew with the replay, and all viewers get a
        `reset`. Returns False, and delivers no changes, if changes are missing between the channel's position and the
        replay. In that case, the caller must read another replay, from the channel's position on. Otherwise returns
        True.
        """
        if replay.position.epoch != self.position.epoch:
            self._replace(replay, now)
            return True
        self.tell_gone(replay.gone, now)
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

    def tell_gone(self, notices: Iterable[GoneNotice], now: float) -> None:
        """Tell viewers at once that entries are gone. From now on no viewer gets the content of these entries.

        A notice is ignored if it was noted before, or if the channel's position has reached the entry's deletion.
        """
        for frame in self._note(notices):
            self._write(frame, self.position, now)

    def covers(self, after: Position) -> bool:
        """Return True if the channel's memory has everything that changed after a position.

        False for a position with another epoch than the channel, or later than the channel's position.
        """
        return after.epoch == self.position.epoch and self.floor <= after.seq <= self.position.seq

    def join(
        self,
        viewer: Viewer,
        after: Position | None,
        now: float,
        older: Iterable[ChangeFrame] = (),
        *,
        desk_fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Register a viewer, and send the viewer all changes between `after` and the channel's position.

        `after`: the viewer's position; None for a viewer that needs no earlier changes. If the channel never had this
        position, the viewer gets a `reset`. `older`: the changes after `after` that the channel's memory has forgotten.
        The caller has read them from the store. `desk_fields`: further fields of `hello` for a desk stream; None for
        other viewers.
        """
        if desk_fields is not None:
            self.desk_streams[viewer] = desk_fields
        if after is None:
            hello = self._hello(self.position, resumed=False, viewer=viewer)
            self._enter(viewer, [hello, *self._gone_messages()], self.position, now)
        elif after.epoch != self.position.epoch or after.seq > self.position.seq:
            hello = self._hello(self.position, resumed=False, viewer=viewer)
            frames = [hello, Frame(messages.reset(self.position))]
            self._enter(viewer, frames, _NOWHERE, now)
        else:
            hello = self._hello(self.position, resumed=True, viewer=viewer)
            before = [self._shown(frame) for frame in older if frame.seq <= self.floor]
            replay = latest([*before, *self.recent], after.seq)
            self._enter(viewer, [hello, *replay, *self._gone_messages()], after, now)

    def resume(self, viewer: Viewer, after: Position, now: float, older: Iterable[ChangeFrame] = ()) -> None:
        """Send a lagging viewer the changes after `after`, and end its lag. Does nothing if the viewer doesn't lag.

        `after` and `older` have the same meaning as in `join`.
        """
        if self.lagging.pop(viewer, None) is not None:
            self.join(viewer, after, now, older)

    def leave(self, viewer: Viewer) -> bool:
        """Forget a viewer. Returns False if the channel didn't have the viewer."""
        was_known = viewer in self.viewers or viewer in self.lagging
        self.desk_streams.pop(viewer, None)
        self.viewers.discard(viewer)
        self.fanout_queue.left(viewer)
        self.lagging.pop(viewer, None)
        return was_known

    def beat(self, now: float, elsewhere: int = 0) -> None:
        """Send all viewers that don't lag a heartbeat with the number of the live blog's viewers.

        `elsewhere`: how many viewers the live blog and its editions have outside of this channel, on all nodes. The
        channel's own readers are added.
        """
        self._write(Frame(messages.heartbeat(self.position.seq, self.readers + elsewhere)), self.position, now)

    def overdue(self, before: float) -> list[Viewer]:
        """Return the viewers that began to lag before the time `before`, and still lag."""
        return [viewer for viewer, lag in self.lagging.items() if lag.since < before]

    def _hello(self, position: Position, *, resumed: bool, viewer: Viewer | None = None) -> Frame:
        if viewer is not None and (viewer.reply_id or viewer in self.desk_streams):
            more = self.desk_streams.get(viewer)
            return Frame(
                messages.hello(
                    position, resumed=resumed, heartbeat=self._heartbeat, viewer=viewer.reply_id, desk_fields=more
                )
            )
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

    def _gone_messages(self) -> list[Frame]:
        return [frame for _, frame in self._gone.values()]

    def _shown(self, frame: ChangeFrame) -> ChangeFrame:
        """Return a change as viewers may see it: a deletion if the entry is gone, else the change itself.

        A change after the entry's deletion is shown: the entry was published again.
        """
        seq, _ = self._gone.get(frame.key, (-1, None))
        return frame.as_deletion() if frame.position.seq < seq and not frame.deletes else frame

    def _note(self, notices: Iterable[GoneNotice]) -> list[Frame]:
        """Remember entries that are gone. Returns the message `gone` for each one that wasn't known as gone before.

        An entry is ignored if the channel's position has reached the entry's deletion already.
        """
        new_notices = {
            entry_id: (seq, Frame(messages.gone_message(entry_id, within=within)))
            for entry_id, seq, within in notices
            if seq > max(self.position.seq, self._gone.get(entry_id, (-1, None))[0])
        }
        if new_notices:
            self._gone.update(new_notices)
            self.recent = deque(map(self._shown, self.recent))
            self._recent_bytes = sum(len(frame.message) for frame in self.recent)
        return [frame for _, frame in new_notices.values()]

    def _forget_gone(self) -> None:
        """Forget the gone entries whose deletions the channel's position has reached."""
        if self._gone:
            waiting = self._gone.items()
            self._gone = {key: value for key, value in waiting if value[0] > self.position.seq}

    def _deliver(self, frame: ChangeFrame, now: float) -> None:
        frame = self._shown(frame)
        before = self.position
        self.position = frame.position
        self._remember(frame)
        self._write(frame, before, now)
        self._forget_gone()

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
        self._forget_gone()

    def _replace(self, start: Replay, now: float) -> None:
        before = self.position
        self.position = start.position
        self.floor = _floor(start)
        self.recent.clear()
        self._recent_bytes = 0
        self.ahead.clear()
        self._gone.clear()
        self._note(start.gone)
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
            # Too many bytes wait. A `reset` has few bytes: viewers then load a snapshot, and need no waiting messages.
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
    """Return the floor for a channel that starts with `replay`: the lower of its `floor` and `position.seq`.

    The `floor` is higher if the replay was read after a position that the store hadn't reached.
    """
    return min(replay.floor, replay.position.seq)


def latest(frames: list[ChangeFrame], after: int) -> list[ChangeFrame]:
    """Return the frames with a seq above `after`. Of several frames with the same key, only the last one is returned.

    Both `frames` and the result are in ascending order of seqs.
    """
    chosen: dict[str, ChangeFrame] = {}
    for frame in reversed(frames):
        if frame.seq <= after:
            break
        chosen.setdefault(frame.key, frame)
    return sorted(chosen.values(), key=lambda frame: frame.seq)
