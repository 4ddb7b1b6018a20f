"""Viewers, as the hub sees them: one, and a crowd of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from liveserver.frames import Frame


class Sink(ABC):
    """A viewer. No call raises, waits, or calls the hub back from within."""

    __slots__ = ("partner", "word")

    def __init__(self, word: str = "") -> None:
        self.word = word
        """By what it is known when it posts, as its `hello` says; "" for one that can answer on its own stream."""
        self.partner = ""
        """The partner on whose pages it reads; "" for none."""

    @abstractmethod
    def write(self, frame: Frame, /) -> bool:
        """Take one message. False: the viewer lags, took nothing of it, and will be reported by `Hub.drained`."""

    @abstractmethod
    def close(self, code: int, /) -> None:
        """End the viewer's connection with a WebSocket close code (SSE just ends)."""

    @classmethod
    def write_all(cls, sinks: Sequence[Sink], frames: Sequence[Frame], /) -> list[tuple[Sink, int]]:
        """Write messages to many viewers of this class; those that lag, each with how many of the messages it took."""
        lagging = []
        for sink in sinks:
            for taken, frame in enumerate(frames):
                if not sink.write(frame):
                    lagging.append((sink, taken))
                    break
        return lagging


class Crowd:
    """Many viewers, kept by their classes, since those of one class can be written to together."""

    def __init__(self) -> None:
        # In the order in which they came, which is about the order in which they lie in memory.
        self._kinds: dict[type[Sink], dict[Sink, None]] = {}
        self.departures = 0
        """How many have been taken out so far."""

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    def __iter__(self) -> Iterator[Sink]:
        for group in self._kinds.values():
            yield from group

    def __contains__(self, sink: Sink) -> bool:
        return sink in self._kinds.get(type(sink), ())

    def add(self, sink: Sink) -> None:
        """Put a viewer in."""
        self._kinds.setdefault(type(sink), {})[sink] = None

    def discard(self, sink: Sink) -> None:
        """Take a viewer out; one that isn't there is no error."""
        if sink in self:
            del self._kinds[type(sink)][sink]
            self.departures += 1

    def slices(self, size: int) -> Iterator[tuple[type[Sink], list[Sink]]]:
        """Who is there now, at most `size` at a time, each time of one class."""
        for kind, group in [(kind, list(group)) for kind, group in self._kinds.items()]:
            for start in range(0, len(group), size):
                yield kind, group[start : start + size]
