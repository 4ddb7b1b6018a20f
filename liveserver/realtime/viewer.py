"""Viewers, as the hub sees them: single viewers, batches of viewers, and the set of all viewers of a topic."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from liveserver.protocol.frames import Frame

BATCH_SIZE = 512
"""The greatest number of viewers that are written to in one turn of the event loop.

Writing to that many viewers takes a few milliseconds. After that, other tasks can run."""


class ViewerBatch:
    """At most `BATCH_SIZE` viewers, all of the same Python class (`viewer_class`).

    A message is written to all of them in one turn of the event loop. `viewers` is in the order of arrival. But if a
    viewer leaves, the last viewer is moved to the leaving viewer's index, so that there are never gaps.
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
        """Remove a viewer, and move the last viewer of the batch to the free index."""
        last = self.viewers.pop()
        if last is not viewer:
            self.viewers[viewer.index] = last
            last.index = viewer.index
        viewer.batch = None

    def write(self, frames: Sequence[Frame]) -> list[tuple[Viewer, int]]:
        """Write messages to all viewers of the batch.

        Returns the viewers that lag now, each with the number of these messages that the viewer has accepted.
        """
        return self.viewer_class.write_all(self.viewers, frames)


class Viewer(ABC):
    """A viewer, as the hub knows it. Its methods never raise, wait, or call the hub."""

    __slots__ = ("batch", "index", "partner", "reply_id")

    batch_type: ClassVar[type[ViewerBatch]] = ViewerBatch
    """The class of batches for viewers of this class."""

    def __init__(self, reply_id: str = "") -> None:
        self.reply_id = reply_id
        """The id that the viewer sends with an answer by POST. The viewer gets this id in the message `hello`.

        "" if the viewer answers on its stream.
        """
        self.partner = ""
        """The id of the partner, if the viewer is on a partner's page; otherwise ""."""
        self.batch: ViewerBatch | None = None
        """The batch that the viewer is in; None if it is in no set. Only the batch changes this."""
        self.index = 0

    @abstractmethod
    def write(self, frame: Frame, /) -> bool:
        """Accept one message, and return True. If the viewer lags, accept nothing, and return False.

        The viewer lags until its transport has drained. When it has drained, the viewer's connection calls
        `Hub.resume`.
        """

    @abstractmethod
    def close(self, code: int, /) -> None:
        """End the viewer's connection. `code`: the WebSocket close code to send; an SSE stream ends without a code."""

    @classmethod
    def write_all(cls, viewers: Sequence[Viewer], frames: Sequence[Frame], /) -> list[tuple[Viewer, int]]:
        """Write messages to many viewers of this Python class.

        Returns the viewers that lag now, each with the number of these messages that the viewer has accepted.
        """
        lagging = []
        for viewer in viewers:
            for taken, frame in enumerate(frames):
                if not viewer.write(frame):
                    lagging.append((viewer, taken))
                    break
        return lagging


class ViewerSet:
    """A set of viewers, divided into batches. A viewer can be in only one set at a time."""

    def __init__(self) -> None:
        self._batches: dict[ViewerBatch, None] = {}
        self._open: dict[type[Viewer], dict[ViewerBatch, None]] = {}
        """The batches with fewer than BATCH_SIZE viewers, by the Python class of these viewers."""
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
        """Return the batches that the set has now.

        New viewers may be added to any of these batches later. A viewer stays in its batch until it leaves the set.
        """
        return list(self._batches)
