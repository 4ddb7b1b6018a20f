"""Messages on their way to more viewers than are written to in one turn of the event loop.

They go out in the order in which they came, a row of the viewers at a time. Messages that come faster than they go
out are bundled, and written to each viewer together: one large write costs hardly more than a small one, so that a live
blog under pressure gets later, but not further and further behind.
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
"""How large messages that are written together may be; a viewer's kernel buffer should have room for them."""

BACKLOG_BYTES = 8 * 1024 * 1024
"""How much may wait. It is reached only where changes come faster than this machine can ever write them."""


@dataclass(slots=True)
class Delivery:
    """Messages that are written to each viewer together."""

    first: int
    """The number of the first; each message that was ever added has one."""
    frames: list[Frame] = field(default_factory=list)
    before: list[Position] = field(default_factory=list)
    """For each frame, the position of a viewer that has received everything before it."""
    size: int = 0
    rest: Iterator[ViewerBatch] | None = None
    """The rows that are still to be written to, of those that existed when it began. None: it hasn't begun."""

    @property
    def last(self) -> int:
        """The number of the last message."""
        return self.first + len(self.frames) - 1


class FanoutQueue:
    """Messages that are still to be written to a set of viewers. The caller calls `pump` until it is empty."""

    def __init__(self) -> None:
        self._deliveries: deque[Delivery] = deque()
        self._number = 0
        self._size = 0
        self._has: dict[Viewer, int] = {}
        """Viewers that were brought up to date while messages waited: each has those up to that number."""

    def __bool__(self) -> bool:
        return bool(self._deliveries)

    def add(self, frame: Frame, before: Position) -> bool:
        """Add a message; `before` is the position of a viewer that has all but it. False: too much waits already."""
        if self._size + len(frame.message) > BACKLOG_BYTES:
            return False
        self._put(frame, before)
        return True

    def replace(self, frame: Frame, before: Position) -> None:
        """Add a message in place of all that hasn't begun to be written."""
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
        """Note that a viewer has all the messages that wait: it was brought up to date."""
        if self._deliveries:
            self._has[viewer] = self._number

    def left(self, viewer: Viewer) -> None:
        """Forget a viewer."""
        self._has.pop(viewer, None)

    def pump(self, viewer_set: ViewerSet) -> list[tuple[Viewer, Position]]:
        """Write one bundle to the next row. Returns the lagging viewers, each with its last complete position."""
        delivery = self._deliveries[0]
        if delivery.rest is None:
            delivery.rest = iter(viewer_set.rows())
        row = next(delivery.rest, None)
        if row is None:
            self._deliveries.popleft()
            self._size -= delivery.size
            self._has = {viewer: number for viewer, number in self._has.items() if number > delivery.last}
            return []
        partly = [viewer for viewer in row.viewers if viewer in self._has] if self._has else []
        if partly:
            lagging = self._write_rest(delivery, row.kind, partly)
            lagging += row.kind.write_all(
                [viewer for viewer in row.viewers if viewer not in self._has], delivery.frames
            )
        else:
            lagging = row.write(delivery.frames)
        return [(viewer, delivery.before[taken]) for viewer, taken in lagging]

    def _write_rest(self, delivery: Delivery, kind: type[Viewer], viewers: list[Viewer]) -> list[tuple[Viewer, int]]:
        """Write to viewers that may have some of the messages already. Returns who lags, and how many each has."""
        lagging = []
        for viewer in viewers:
            had = max(self._has[viewer] - delivery.first + 1, 0)
            if rest := delivery.frames[had:]:
                lagging += [(one, had + taken) for one, taken in kind.write_all([viewer], rest)]
        return lagging
