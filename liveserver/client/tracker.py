"""The position of a follower in a live blog's stream, and its next step for each message. No I/O."""

from __future__ import annotations

from enum import Enum, auto

from liveserver.domain.change import Position
from liveserver.protocol.json_encoding import JSON

Message = JSON
"""A message of the stream, or an answer of the API: a JSON object."""
GONE_MAX = 10_000
"""Withdrawn entries that a follower remembers, so that it handles each `gone` once."""


class Step(Enum):
    """The step that a follower has to take for a message."""

    APPLY = auto()
    """The message is the next one: use it."""
    IGNORE = auto()
    """The message is known, or has nothing to show."""
    RESYNC = auto()
    """Messages are missing before this one: ask `changes`."""
    RESET = auto()
    """The position is void: take a snapshot."""


class Tracker:
    """The tracker of a follower's position, which tells whether messages are contiguous. No I/O."""

    def __init__(self, position: Position | None = None) -> None:
        self.position = position
        self._stream_epoch: str | None = None
        """The epoch of the stream's seqs. If it isn't that of `position`, a snapshot must be taken first."""
        self._section_end = -1
        """The seq up to which seqs may skip: messages are a replay of latest states."""
        self._gone: dict[str, None] = {}
        """Entries withdrawn before their deletion has its turn, on a stream with a delay; oldest first."""

    def step(self, message: Message) -> Step:
        """Take one message of the stream, and return what to do with it."""
        match message["type"]:
            case "hello":
                return self._hello(message)
            case "reset":
                # The snapshot may have been taken already, after the `hello` with this position.
                position = Position(message["epoch"], message["seq"])
                self._stream_epoch = position.epoch
                return Step.IGNORE if self._stands_at_or_after(position) else Step.RESET
            case "heartbeat":
                return self._heartbeat(message["seq"])
            case "entry" | "delete" | "liveblog":
                return self._change(message["seq"])
            case "gone":
                # It doesn't change the position, and may come several times.
                if message["id"] in self._gone:
                    return Step.IGNORE
                if len(self._gone) >= GONE_MAX:
                    del self._gone[next(iter(self._gone))]
                self._gone[message["id"]] = None
                return Step.APPLY
            case _:
                return Step.IGNORE

    def caught_up(self, position: Position) -> None:
        """Move to the position of a snapshot, or of an answer of `changes`, that was applied."""
        self.position = position
        self._section_end = -1

    def _hello(self, message: Message) -> Step:
        position = Position(message["epoch"], message["seq"])
        self._stream_epoch = position.epoch
        if self.position is None:
            self.position = position
            return Step.IGNORE
        if position.epoch != self.position.epoch or (not message["resumed"] and position != self.position):
            return Step.RESET
        self._section_end = position.seq
        return Step.IGNORE

    def _stands_at_or_after(self, other: Position) -> bool:
        return self.position is not None and self.position.epoch == other.epoch and self.position.seq >= other.seq

    def _heartbeat(self, seq: int) -> Step:
        if self.position is None:
            return Step.IGNORE
        if self.position.epoch != self._stream_epoch:
            return Step.RESET
        return Step.RESYNC if seq > max(self.position.seq, self._section_end) else Step.IGNORE

    def _change(self, seq: int) -> Step:
        if self.position is None or self.position.epoch != self._stream_epoch or seq <= self.position.seq:
            return Step.IGNORE
        if seq != self.position.seq + 1 and seq > self._section_end:
            return Step.RESYNC
        self.position = Position(self.position.epoch, seq)
        return Step.APPLY
