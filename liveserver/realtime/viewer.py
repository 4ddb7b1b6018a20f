"""Viewers, as the hub sees them: a viewer, a batch that is written to in one step, and a set of batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from liveserver.protocol.frames import Frame

BATCH_SIZE = 512
"""Viewers written to in one turn of the event loop: that takes a few milliseconds, so others get their turn soon."""


class ViewerBatch:
    """A batch of at most `BATCH_SIZE` viewers of one class, which are written to in one step.

    `viewers` has no gaps. It is roughly in the order in which they came, which is also their order in memory.
    """

    __slots__ = ("viewer_class", "viewer_set", "viewers")

    def __init__(self, viewer_set: ViewerSet, viewer_class: type[Viewer]) -> None:
        self.viewer_set = viewer_set
        self.viewer_class = viewer_class
        self.viewers: list[Viewer] = []

    def add(self, viewer: Viewer) -> None:
        """Add a viewer at the end."""
        viewer.batch, viewer.index = self, len(self.viewers)
        self.viewers.append(viewer)

    def discard(self, viewer: Viewer) -> None:
        """Remove a viewer; the last one gets its place."""
        last = self.viewers.pop()
        if last is not viewer:
            self.viewers[viewer.index] = last
            last.index = viewer.index
        viewer.batch = None

    def write(self, frames: Sequence[Frame]) -> list[tuple[Viewer, int]]:
        """Write messages to all viewers; return the lagging ones, each with the number of messages that it took."""
        return self.viewer_class.write_all(self.viewers, frames)


class Viewer(ABC):
    """A viewer, as the hub knows it. No call raises, waits, or calls the hub."""

    __slots__ = ("batch", "index", "partner", "reply_id")

    batch_type: ClassVar[type[ViewerBatch]] = ViewerBatch
    """The class of batches for viewers of this class."""

    def __init__(self, reply_id: str = "") -> None:
        self.reply_id = reply_id
        """The id from its `hello` that it gives when it answers by POST; "" if it can answer on its stream."""
        self.partner = ""
        """The id of the partner whose page it is on; "" for none."""
        self.batch: ViewerBatch | None = None
        """The viewer's batch in a `ViewerSet`, which alone changes this; None if it is in no set."""
        self.index = 0

    @abstractmethod
    def write(self, frame: Frame, /) -> bool:
        """Take one message. False: the viewer took nothing of it and lags, until `Hub.resume` is called."""

    @abstractmethod
    def close(self, code: int, /) -> None:
        """End the viewer's connection with a WebSocket close code (SSE just ends)."""

    @classmethod
    def write_all(cls, viewers: Sequence[Viewer], frames: Sequence[Frame], /) -> list[tuple[Viewer, int]]:
        """Write messages to many viewers of this class; return the lagging ones, each with how many it took."""
        lagging = []
        for viewer in viewers:
            for taken, frame in enumerate(frames):
                if not viewer.write(frame):
                    lagging.append((viewer, taken))
                    break
        return lagging


class ViewerSet:
    """A set of viewers, in batches. A viewer is in one set at most."""

    def __init__(self) -> None:
        self._batches: dict[ViewerBatch, None] = {}
        self._open: dict[type[Viewer], dict[ViewerBatch, None]] = {}
        """The batches with room for more, by viewer class."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Viewer]:
        for batch in self._batches:
            yield from batch.viewers

    def __contains__(self, viewer: Viewer) -> bool:
        return viewer.batch is not None and viewer.batch.viewer_set is self

    def add(self, viewer: Viewer) -> None:
        """Add a viewer. Does nothing if it is in the set already."""
        if viewer in self:
            return
        viewer_class = type(viewer)
        with_room = self._open.setdefault(viewer_class, {})
        batch = next(iter(with_room), None)
        if batch is None:
            batch = viewer_class.batch_type(self, viewer_class)
            self._batches[batch] = with_room[batch] = None
        batch.add(viewer)
        self._count += 1
        if len(batch.viewers) >= BATCH_SIZE:
            del with_room[batch]

    def discard(self, viewer: Viewer) -> None:
        """Remove a viewer. Does nothing if it isn't in the set."""
        batch = viewer.batch
        if batch is None or batch.viewer_set is not self:
            return
        batch.discard(viewer)
        self._count -= 1
        with_room = self._open[batch.viewer_class]
        if batch.viewers:
            with_room[batch] = None
        else:
            with_room.pop(batch, None)
            del self._batches[batch]

    def batches(self) -> list[ViewerBatch]:
        """Return the present batches.

        A new viewer may be added to any of them; a viewer stays in its batch until it leaves.
        """
        return list(self._batches)
