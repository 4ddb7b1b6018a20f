"""The position of a follower in a live blog's stream, and what it does with each message. No I/O."""

from __future__ import annotations

from enum import Enum, auto

from liveserver.domain.change import Position
from liveserver.protocol.encoding import JSON

Message = JSON
"""A message of the stream, or an answer of the API: an object of JSON."""
GONE_MAX = 10_000
"""Entries taken away early that a follower knows of, so that it isn't told twice of the same."""


class Step(Enum):
    """The action that a message asks of a follower."""

    APPLY = auto()
    """It is new and the next: use it."""
    IGNORE = auto()
    """It is known, or carries nothing to show."""
    RESYNC = auto()
    """Something is missing before it: ask `changes`."""
    RESET = auto()
    """The position is void: take a snapshot."""


class Tracker:
    """Position of a follower, and its judgement whether arriving messages are contiguous. No I/O."""

    def __init__(self, position: Position | None = None) -> None:
        self.position = position
        self._stream_epoch: str | None = None
        """The history that the stream's seqs count in; until a snapshot of it is taken, they mean nothing here."""
        self._section_end = -1
        """Up to this seq messages may skip: they are a replay of latest states."""
        self._gone: dict[str, None] = {}
        """Entries that were taken away before their deletion had its turn, on a stream that is late; oldest first."""

    def step(self, message: Message) -> Step:
        """Take one message of the stream, and return what to do with it."""
        match message["type"]:
            case "hello":
                return self._hello(message)
            case "reset":
                # After the `hello` that told of it, the snapshot may have been taken already.
                told = Position(message["epoch"], message["seq"])
                self._stream_epoch = told.epoch
                return Step.IGNORE if self._stands_at_or_after(told) else Step.RESET
            case "heartbeat":
                return self._heartbeat(message["seq"])
            case "entry" | "delete" | "liveblog":
                return self._change(message["seq"])
            case "gone":
                # It moves nobody, and may be told again and again.
                if message["id"] in self._gone:
                    return Step.IGNORE
                if len(self._gone) >= GONE_MAX:
                    del self._gone[next(iter(self._gone))]
                self._gone[message["id"]] = None
                return Step.APPLY
            case _:
                return Step.IGNORE

    def caught_up(self, position: Position) -> None:
        """Move to the position of a snapshot, or of an answer of `changes`, that was taken."""
        self.position = position
        self._section_end = -1

    def _hello(self, message: Message) -> Step:
        told = Position(message["epoch"], message["seq"])
        self._stream_epoch = told.epoch
        if self.position is None:
            self.position = told
            return Step.IGNORE
        if told.epoch != self.position.epoch or (not message["resumed"] and told != self.position):
            return Step.RESET
        self._section_end = told.seq
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
