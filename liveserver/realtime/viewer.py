"""Viewers, as the hub sees them: one, a row that is written to in one step, and a set of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from liveserver.protocol.frames import Frame

ROW = 512
"""Viewers written to in one turn of the event loop: a few milliseconds, so that all else gets its turn too."""


class ViewerBatch:
    """Viewers of one class who are written to together, in one step: at most `ROW`.

    They stand without gaps, and about in the order in which they came, which is that in which they lie in memory.
    """

    __slots__ = ("kind", "viewer_set", "viewers")

    def __init__(self, viewer_set: ViewerSet, kind: type[Viewer]) -> None:
        self.viewer_set = viewer_set
        self.kind = kind
        self.viewers: list[Viewer] = []

    def add(self, viewer: Viewer) -> None:
        """Put a viewer at the end."""
        viewer.row, viewer.index = self, len(self.viewers)
        self.viewers.append(viewer)

    def discard(self, viewer: Viewer) -> None:
        """Take a viewer out; the last one gets its place."""
        last = self.viewers.pop()
        if last is not viewer:
            self.viewers[viewer.index] = last
            last.index = viewer.index
        viewer.row = None

    def write(self, frames: Sequence[Frame]) -> list[tuple[Viewer, int]]:
        """Write messages to all of them; those that lag, each with how many of the messages it took."""
        return self.kind.write_all(self.viewers, frames)


class Viewer(ABC):
    """A viewer. No call raises, waits, or calls the hub back from within."""

    __slots__ = ("index", "partner", "reply_id", "row")

    row_type: ClassVar[type[ViewerBatch]] = ViewerBatch
    """How viewers of this class are written to together."""

    def __init__(self, reply_id: str = "") -> None:
        self.reply_id = reply_id
        """By what it is known when it posts, as its `hello` says; "" for one that can answer on its own stream."""
        self.partner = ""
        """The partner on whose pages it reads; "" for none."""
        self.row: ViewerBatch | None = None
        """Its row in a `ViewerSet`, which alone changes this."""
        self.index = 0

    @abstractmethod
    def write(self, frame: Frame, /) -> bool:
        """Take one message. False: the viewer took nothing of it and lags, until `Hub.resume` is called."""

    @abstractmethod
    def close(self, code: int, /) -> None:
        """End the viewer's connection with a WebSocket close code (SSE just ends)."""

    @classmethod
    def write_all(cls, viewers: Sequence[Viewer], frames: Sequence[Frame], /) -> list[tuple[Viewer, int]]:
        """Write messages to many viewers of this class; those that lag, each with how many of the messages it took."""
        lagging = []
        for viewer in viewers:
            for taken, frame in enumerate(frames):
                if not viewer.write(frame):
                    lagging.append((viewer, taken))
                    break
        return lagging


class ViewerSet:
    """Many viewers, in rows. A viewer is in one set at most."""

    def __init__(self) -> None:
        self._rows: dict[ViewerBatch, None] = {}
        self._open: dict[type[Viewer], dict[ViewerBatch, None]] = {}
        """Those with room."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Viewer]:
        for row in self._rows:
            yield from row.viewers

    def __contains__(self, viewer: Viewer) -> bool:
        return viewer.row is not None and viewer.row.viewer_set is self

    def add(self, viewer: Viewer) -> None:
        """Put a viewer in; one that is there is no error."""
        if viewer in self:
            return
        kind = type(viewer)
        having_room = self._open.setdefault(kind, {})
        row = next(iter(having_room), None)
        if row is None:
            row = kind.row_type(self, kind)
            self._rows[row] = having_room[row] = None
        row.add(viewer)
        self._count += 1
        if len(row.viewers) >= ROW:
            del having_room[row]

    def discard(self, viewer: Viewer) -> None:
        """Take a viewer out; one that isn't there is no error."""
        row = viewer.row
        if row is None or row.viewer_set is not self:
            return
        row.discard(viewer)
        self._count -= 1
        having_room = self._open[row.kind]
        if row.viewers:
            having_room[row] = None
        else:
            having_room.pop(row, None)
            del self._rows[row]

    def rows(self) -> list[ViewerBatch]:
        """All rows that there are now.

        A viewer that comes later gets a place in any row; one that is in a row stays in it until it leaves.
        """
        return list(self._rows)
