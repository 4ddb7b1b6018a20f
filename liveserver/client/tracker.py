"""The position of a follower in a live blog's stream, and what the follower has to do with each message. No I/O."""

from __future__ import annotations

from enum import Enum, auto

from liveserver.domain.change import Position
from liveserver.protocol.json_encoding import JSON

Message = JSON
"""A message of the stream, or an answer of the API, as a JSON object."""
GONE_MAX = 10_000
"""How many entries that are gone a follower remembers, so that it handles only the first message `gone` for each.
Beyond this number, it forgets the entries that went first."""


class Step(Enum):
    """The next step of a follower that has got a message."""

    APPLY = auto()
    """Apply the message: it is the next message that this follower needs."""
    IGNORE = auto()
    """Ignore the message: it was applied before, or it contains no change."""
    RESYNC = auto()
    """Read, over HTTP, the changes after the follower's position: some changes before this message are missing."""
    RESET = auto()
    """Load a snapshot: the stream can't continue from the follower's position."""


class Tracker:
    """The tracker of a follower's position. It detects missing changes between two messages.

    `position`: the position up to which the follower has applied the changes; None to begin with the position that
    the stream's first message names.
    """

    def __init__(self, position: Position | None = None) -> None:
        self.position = position
        self._stream_epoch: str | None = None
        """The epoch to which the seqs of the stream's messages belong; None before the first `hello`. If `position` has
        another epoch, a snapshot must be loaded before changes are applied."""
        self._section_end = -1
        """The seq at which the stream's latest replay ends; -1 if there is none. Up to this seq, the seqs of messages
        may have gaps, as a replay has only the latest state of each entry."""
        self._gone: dict[str, None] = {}
        """The ids of the last `GONE_MAX` entries that a message `gone` has named, in the order of these messages. In a
        stream with a delay, the message `gone` comes before the message `delete` of the same entry."""

    def step(self, message: Message) -> Step:
        """Return what the follower has to do with a message of the stream.

        If the result is APPLY, `position` is now the message's position. A message `gone` has no position, and leaves
        `position` unchanged. With any other result, `position` is unchanged, too. Exception: if it is None, the first
        `hello` sets it.
        """
        match message["type"]:
            case "hello":
                return self._hello(message)
            case "reset":
                # The follower may have taken the snapshot already, because of the `hello` with this position.
                position = Position(message["epoch"], message["seq"])
                self._stream_epoch = position.epoch
                return Step.IGNORE if self._stands_at_or_after(position) else Step.RESET
            case "heartbeat":
                return self._heartbeat(message["seq"])
            case "entry" | "delete" | "liveblog":
                step = self._change(message["seq"])
                if step is Step.APPLY and message["type"] == "delete":
                    # From here on, the entry may be published again, and be gone again.
                    self._gone.pop(message["id"], None)
                return step
            case "gone":
                # A `gone` doesn't change the position, and may come several times.
                if message["id"] in self._gone:
                    return Step.IGNORE
                if len(self._gone) >= GONE_MAX:
                    del self._gone[next(iter(self._gone))]
                self._gone[message["id"]] = None
                return Step.APPLY
            case _:
                return Step.IGNORE

    def caught_up(self, position: Position) -> None:
        """Set the follower's position, after it has applied a snapshot, or changes that it read over HTTP."""
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
