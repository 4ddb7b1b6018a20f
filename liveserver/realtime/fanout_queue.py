"""A queue of messages for a topic with so many viewers that one turn of the event loop can't serve all of them.

Messages are written in order, to one batch of viewers at a time. If messages come faster than they can be written, they
are bundled, and each viewer gets several messages in one write. One large write costs hardly more than a small one. So
if many messages come, viewers get them late, but the delay doesn't keep growing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liveserver.domain.change import Position
    from liveserver.protocol.frames import Frame
    from liveserver.realtime.viewer import Viewer, ViewerBatch, ViewerSet

BUNDLE_BYTES = 32 * 1024
"""The greatest size in bytes of a bundle of several messages. Such a bundle should fit into a socket's send buffer."""

BACKLOG_BYTES = 8 * 1024 * 1024
"""The greatest total size in bytes of the waiting messages. `add` refuses a message that would exceed this limit.

The limit is reached only if changes come faster than this machine can write them, even in bundles."""


@dataclass(slots=True)
class Delivery:
    """A bundle of messages that each viewer gets in one write."""

    first: int
    """The number of the first message. Messages are numbered in the order in which they are added to the queue."""
    frames: list[Frame] = field(default_factory=list)
    before: list[Position] = field(default_factory=list)
    """For each frame in `frames`, the position of a viewer that has received everything before this frame."""
    size: int = 0
    rest: Iterator[ViewerBatch] | None = None
    """The batches to which this bundle must still be written; None until the writing of the bundle begins.

    The iterator doesn't have batches that are made after the writing has begun.
    """

    @property
    def last(self) -> int:
        """The number of the bundle's last message, counted as in `first`."""
        return self.first + len(self.frames) - 1


class FanoutQueue:
    """The queue of messages for a set of viewers. The caller must call `pump` until the queue is empty."""

    def __init__(self) -> None:
        self._deliveries: deque[Delivery] = deque()
        self._number = 0
        self._size = 0
        self._has: dict[Viewer, int] = {}
        """The number of the last message that a viewer has, for each viewer that joined while messages waited.

        Other viewers aren't in this dictionary: they need all messages of the queue.
        """

    def __bool__(self) -> bool:
        return bool(self._deliveries)

    def add(self, frame: Frame, before: Position) -> bool:
        """Add a message. Returns False, and adds nothing, if the queue would have more than BACKLOG_BYTES with it.

        `before`: the position of a viewer that has received everything before this message.
        """
        if self._size + len(frame.message) > BACKLOG_BYTES:
            return False
        self._put(frame, before)
        return True

    def replace(self, frame: Frame, before: Position) -> None:
        """Drop all bundles whose writing hasn't begun, and add a message in place of them.

        `before`: the position that `pump` returns for a viewer that lags before it gets this message.
        """
        while self._deliveries and self._deliveries[-1].rest is None:
            self._size -= self._deliveries.pop().size
        self._put(frame, before)

    def _put(self, frame: Frame, before: Position) -> None:
        size = len(frame.message)
        last = self._deliveries[-1] if self._deliveries else None
        if last is None or last.rest is not None or last.size + size > BUNDLE_BYTES:
            last = Delivery(self._number + 1)
            self._deliveries.append(last)
        self._number += 1
        self._size += size
        last.frames.append(frame)
        last.before.append(before)
        last.size += size

    def joined(self, viewer: Viewer) -> None:
        """Note that a viewer has got all changes up to now, so that the messages that wait now aren't written to it."""
        if self._deliveries:
            self._has[viewer] = self._number

    def left(self, viewer: Viewer) -> None:
        """Forget what `joined` noted for a viewer, which has left or lags. Does nothing if `joined` noted nothing."""
        self._has.pop(viewer, None)

    def pump(self, viewer_set: ViewerSet) -> list[tuple[Viewer, Position]]:
        """Write the first bundle to the next batch of viewers. If all batches have got the bundle, drop it instead.

        Returns the viewers that lag now, each with the position up to which it has received everything. Must not be
        called while the queue is empty.
        """
        delivery = self._deliveries[0]
        if delivery.rest is None:
            delivery.rest = iter(viewer_set.batches())
        batch = next(delivery.rest, None)
        if batch is None:
            self._deliveries.popleft()
            self._size -= delivery.size
            self._has = {viewer: number for viewer, number in self._has.items() if number > delivery.last}
            return []
        partly_served = [viewer for viewer in batch.viewers if viewer in self._has] if self._has else []
        if partly_served:
            lagging = self._write_rest(delivery, batch.viewer_class, partly_served)
            lagging += batch.viewer_class.write_all(
                [viewer for viewer in batch.viewers if viewer not in self._has], delivery.frames
            )
        else:
            lagging = batch.write(delivery.frames)
        return [(viewer, delivery.before[taken]) for viewer, taken in lagging]

    def _write_rest(
        self, delivery: Delivery, viewer_class: type[Viewer], viewers: list[Viewer]
    ) -> list[tuple[Viewer, int]]:
        """Write a bundle's messages to these viewers. Each viewer gets only the messages that it doesn't have yet.

        Returns the viewers that lag now, each with a count: how many of the bundle's messages it has received.
        """
        lagging = []
        for viewer in viewers:
            had = max(self._has[viewer] - delivery.first + 1, 0)
            if rest := delivery.frames[had:]:
                lagging += [(laggard, had + taken) for laggard, taken in viewer_class.write_all([viewer], rest)]
        return lagging
