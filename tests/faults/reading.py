"""The entries of one viewer, and its next messages: the protocol (`docs/stream.md`), held strictly. No I/O.

A client only wants to be right in the end. This one also minds how it was made right: whatever the server may not send
on a connection (a gap without a `hello`, a change twice, an older one after a newer, a reset without need) is `Broken`,
even where a client would repair it by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liveserver.client import Step, Tracker
from liveserver.domain.change import Position
from liveserver.realtime.replay_cache import REPLAY_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

Message = dict[str, Any]

CHANGES = frozenset({"entry", "delete", "liveblog"})


class Broken(AssertionError):
    """A promise that wasn't kept. `kind`: lost, doubled, reordered, late, dropped, refused …"""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind


class Line:
    """One connection: what may come next on it."""

    def __init__(self, after: Position | None) -> None:
        self._after = after
        self._at: Position | None = None
        """The last change that came, or where `hello` put us."""
        self._section_end = 0
        """Up to this seq changes may skip."""
        self._reset_due: Position | None = None

    def check(self, message: Message) -> None:
        """Raises Broken if the server may not send this now."""
        kind = message["type"]
        if self._reset_due is not None and not self._settles(message):
            raise Broken("lost", f"a reset to {self._reset_due} is due, and {_short(message)} came")
        if self._at is None and kind != "hello":
            raise Broken("lost", f"a stream begins with hello, not with {_short(message)}")
        if kind == "hello":
            self._hello(_position(message), resumed=message["resumed"])
        elif kind == "reset":
            self._reset(_position(message))
        elif kind in CHANGES:
            self._change(message["seq"])
        elif kind == "heartbeat" and message["seq"] != self._reached:
            raise Broken("lost", f"a heartbeat at {message['seq']} on a stream that has come to {self._reached}")

    def _settles(self, message: Message) -> bool:
        """Whether it is the reset that is due; or the beginning again, of one who didn't take the reset at first."""
        if message["type"] == "hello":
            return not message["resumed"]
        return message["type"] == "reset" and _position(message) == self._reset_due

    @property
    def _reached(self) -> int:
        return 0 if self._at is None else max(self._at.seq, self._section_end)

    def _hello(self, told: Position, *, resumed: bool) -> None:
        before = self._after if self._at is None else self._at
        if before is None:
            if resumed:
                raise Broken("lost", "resumed without a position")
            self._at, self._section_end = told, told.seq
        elif resumed:
            if told.epoch != before.epoch or told.seq < before.seq or told.seq < self._section_end:
                raise Broken("lost", f"resumed at {told} a viewer who stood at {before}")
            self._at, self._section_end = before, told.seq
        elif self._reset_due is None and told.epoch == before.epoch and told.seq - before.seq <= REPLAY_MAX:
            raise Broken("reset", f"told to start afresh at {told}, without need, from {before}")
        else:
            self._at, self._section_end, self._reset_due = told, told.seq, told

    def _reset(self, told: Position) -> None:
        if self._reset_due is None and self._at is not None and told.epoch == self._at.epoch:
            raise Broken("reset", f"a reset to {told}, without need, at {self._at}")
        self._at, self._section_end, self._reset_due = told, told.seq, None

    def _change(self, seq: int) -> None:
        assert self._at is not None
        if seq <= self._at.seq:
            raise Broken("doubled" if seq == self._at.seq else "reordered", f"change {seq} after {self._at.seq}")
        if seq > self._section_end and seq != self._reached + 1:
            raise Broken("lost", f"change {seq} after {self._reached}")
        self._at = Position(self._at.epoch, seq)


class Reading:
    """One viewer's state, kept over all its connections.

    `returning`: True if an entry may be withdrawn, which readers see as a deletion, and be published again.
    """

    def __init__(self, *, returning: bool = False) -> None:
        self._returning = returning
        self.tracker = Tracker()
        self.line = Line(None)
        self.entries: dict[str, Message] = {}
        self.liveblog: Message = {}
        self.gone: dict[str, int] = {}
        """Deleted entries, with the change that deleted them."""
        self.applied = 0
        self.resyncs = 0
        self.resets = 0

    @property
    def position(self) -> Position | None:
        """Where it stands."""
        return self.tracker.position

    @property
    def seq(self) -> int:
        """The last change it has; 0 without any."""
        return self.position.seq if self.position else 0

    def forget(self) -> None:
        """Start like somebody who was never here. An entry that it saw deleted stays deleted."""
        self.tracker = Tracker()
        self.entries, self.liveblog = {}, {}

    def connect(self) -> Position | None:
        """Open a new connection; returns what to ask for."""
        after = self.position
        self.tracker = Tracker(after)
        self.line = Line(after)
        return after

    def take(self, message: Message) -> Step:
        """Take one message. RESYNC and RESET: the caller asks `changes` or takes a snapshot, and takes it again."""
        self.line.check(message)
        return self.step(message)

    def step(self, message: Message) -> Step:
        """The same for a message whose place on its connection has been checked."""
        fresh = message["type"] == "hello" and self.position is None
        step = self.tracker.step(message)
        if step is Step.APPLY:
            self._apply(message)
        return Step.RESET if fresh else step

    def take_changes(self, after: Position, answer: Message) -> bool:
        """Take an answer of `changes`. False if it says that the position is void."""
        here = _position(answer)
        if answer.get("reset"):
            if here.epoch == after.epoch:
                raise Broken("reset", f"changes after {after} are void, and history is at {here}")
            return False
        seq = after.seq
        for event in answer["events"]:
            if event["seq"] <= seq:
                raise Broken("reordered", f"changes after {after} tell of {event['seq']} after {seq}")
            seq = event["seq"]
            self._apply(event)
        if here.epoch != after.epoch or here.seq < seq:
            raise Broken("lost", f"changes after {after} end at {here}")
        self.tracker.caught_up(here)
        return True

    def take_snapshot(self, snapshot: Message, older: Iterable[Message]) -> None:
        """Replace everything by a snapshot and the pages that follow it."""
        here = _position(snapshot)
        for entry in (*snapshot["pinned"], *snapshot["key_events"], *snapshot["entries"]):
            gone = self.gone.get(entry["id"], here.seq + 1)
            if gone <= here.seq and not (self._returning and entry["seq"] > gone):
                raise Broken("undeleted", f"entry {entry['id']} is in the snapshot at {here}")
        self.entries = {entry["id"]: entry for entry in (*snapshot["entries"], *older)}
        self.liveblog = snapshot["liveblog"]
        self.tracker.caught_up(here)

    def _apply(self, message: Message) -> None:
        self.applied += 1
        match message["type"]:
            case "liveblog":
                self.liveblog = message["liveblog"]
            case "delete":
                self.entries.pop(message["id"], None)
                self.gone[message["id"]] = message["seq"]
            case "entry":
                self._show(message["seq"], message["entry"])

    def _show(self, seq: int, entry: Message) -> None:
        name = entry["id"]
        if entry["seq"] != seq:
            raise Broken("mixed", f"change {seq} carries entry {name} as of {entry['seq']}")
        if self._returning and self.gone.get(name, seq) < seq:
            del self.gone[name]
        if name in self.gone:
            raise Broken("undeleted", f"entry {name}, deleted by {self.gone[name]}, is back with {seq}")
        known = self.entries.get(name)
        # A page of older entries, taken after the snapshot, may be ahead of the stream.
        if known is None or known["seq"] < seq:
            if known is not None and known["version"] >= entry["version"]:
                raise Broken("mixed", f"version {entry['version']} of entry {name} after {known['version']}")
            self.entries[name] = entry


def _position(message: Message) -> Position:
    return Position(message["epoch"], message["seq"])


def _short(message: Message) -> str:
    return " ".join(str(message[name]) for name in ("type", "epoch", "seq") if name in message)
