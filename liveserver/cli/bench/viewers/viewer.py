"""One viewer: a connection that follows a live stream, and counts the changes that it gets.

A viewer consists of a transport and a few numbers, so that 20,000 viewers fit into memory. All viewers of a process
share a cache of parsed messages. Usually, the bytes that a viewer gets have been parsed for another viewer already. A
viewer that has only the beginning of a message doesn't use the cache until this message is complete.
"""

from __future__ import annotations

import asyncio
import math
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol, cast

from websockets.frames import Close, Frame, Opcode

from liveserver.cli.bench.errors import Broken
from liveserver.cli.bench.viewers import messages
from liveserver.cli.bench.viewers.handshake import Opening, Transport
from liveserver.cli.bench.viewers.messages import Change, End, Farewell, Hello, Message, Ping, Reset

if TYPE_CHECKING:
    from liveserver.cli.bench.measuring.histogram import Measurements
    from liveserver.cli.bench.viewers.messages import Mark

FINAL_CODES = range(4500, 5000)
"""The close codes after which a viewer doesn't connect again (docs/stream.md)."""

MEANINGS = 512
"""The greatest number of entries in the cache `Meanings`. A full cache is emptied before it gets a new entry."""


class Meanings:
    """A cache of parsed messages, by the bytes that they were parsed from. It is fastest if the same bytes are looked
    up several times in a row."""

    def __init__(self) -> None:
        self._last = b""
        self._last_messages: list[Message] = []
        self._messages: dict[bytes, list[Message]] = {}

    def __len__(self) -> int:
        return len(self._messages)

    def get(self, data: bytes) -> list[Message] | None:
        """Return the messages in `data`; None if `data` isn't in the cache."""
        # Comparing two kilobytes takes a twentieth of the time of hashing them.
        if data == self._last:
            return self._last_messages
        messages = self._messages.get(data)
        if messages is not None:
            self._last, self._last_messages = data, messages
        return messages

    def keep(self, data: bytes, messages: list[Message]) -> None:
        """Put `messages` into the cache, as the messages that were parsed from `data`."""
        if len(self._messages) >= MEANINGS:
            self._messages.clear()
        self._messages[data] = messages
        self._last, self._last_messages = data, messages


class Stage(Enum):
    """The stage of a viewer's connection."""

    AWAY = auto()
    """The viewer has no connection."""
    OPENING = auto()
    """The viewer has sent its request, and waits for the answer."""
    GREETING = auto()
    """The stream is open, and the viewer waits for its `hello`."""
    FOLLOWING = auto()
    """The viewer has got the `hello`, and gets changes."""
    ENDING = auto()
    """The viewer is closing its connection."""


_FOLLOWING = Stage.FOLLOWING
"""`Stage.FOLLOWING`, as a global name. Looking up a member of an Enum is slow, and each delivery needs this member."""


class ViewerEvents(Protocol):
    """The object to which the viewers of one process report. The object also has the state that these viewers share.
    `Worker` implements this protocol."""

    opening: Opening
    greeted: bool
    """True if the server sends `hello`. False if it is other server software (in comparisons), which sends no `hello`
    and gives its first change the seq 1."""
    measurements: Measurements
    meanings: Meanings

    def arrived(self, mark: Mark | None, /) -> None:
        """Count a change that a viewer got, and that isn't a duplicate. `mark`: the change's mark; None if the change
        has no mark."""

    def began(self, viewer: Viewer, /) -> None:
        """Count that a viewer's stream has begun, for the first time or again."""

    def ended(self, viewer: Viewer, reason: str, pause: float | None, /) -> None:
        """Handle the end of a viewer's connection.

        `pause`: after how many seconds the server wants the viewer to connect again. None: the server named no pause.
        Infinite: the viewer mustn't connect again.
        """


class Viewer(asyncio.Protocol):
    """One viewer. If its connection ends, the same viewer goes on with a new connection."""

    __slots__ = (
        "_chunked",
        "_epoch",
        "_events",
        "_held",
        "_pause",
        "_raw",
        "_reason",
        "_section_end",
        "_transport",
        "number",
        "seq",
        "stage",
        "start",
    )

    def __init__(self, number: int, events: ViewerEvents) -> None:
        self.number = number
        self.stage = Stage.AWAY
        self.start = -1
        """The live blog's seq when the viewer followed for the first time; -1 if the viewer has never followed."""
        self.seq = -1
        """The seq of the viewer's position: changes up to this seq have come, or won't come any more. -1 if the viewer
        has never followed."""
        self._events = events
        self._epoch = ""
        self._section_end = -1
        self._transport: asyncio.Transport | None = None
        self._held = b""
        self._raw = b""
        self._chunked = False
        self._reason = ""
        self._pause: float | None = None

    @property
    def away(self) -> bool:
        """True if the viewer has no connection."""
        return self.stage is Stage.AWAY

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Request the stream from the viewer's position on; from the next change on if the viewer has no position."""
        # The cast is needed, as uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self.stage = Stage.OPENING
        self._held = self._raw = b""
        self._chunked = False
        self._reason = "closed without an answer"
        self._pause = None
        after = f"{self._epoch}-{self.seq}" if self._epoch else None
        self._transport.write(self._events.opening.request(after))

    def data_received(self, data: bytes) -> None:
        """Parse data from the server, and handle the messages in it. If the data breaks the protocol, end the
        connection."""
        events = self._events
        events.measurements.received += len(data)
        at_rest = self.stage is _FOLLOWING and not self._held and not self._raw
        parsed = events.meanings.get(data) if at_rest else None
        try:
            if parsed is None:
                if self.stage is Stage.ENDING:
                    return
                parsed = self._read(data)
                if at_rest and not self._held and not self._raw:
                    events.meanings.keep(data, parsed)
            for message in parsed:
                self._take(message)
        except Broken as error:
            self.leave(str(error), code=1002)

    def eof_received(self) -> None:
        """Let the transport close, as the server has ended the stream. Returning None has this effect."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Report that the connection has ended, and why."""
        if self.stage is Stage.FOLLOWING:
            self._events.measurements.following -= 1
        if self.stage is not Stage.ENDING and exc is not None:
            self._reason = str(exc) or type(exc).__name__
        self.stage = Stage.AWAY
        self._transport = None
        self._held = self._raw = b""
        self._events.ended(self, self._reason, self._pause)

    def leave(self, reason: str, *, code: int | None = None, pause: float | None = None) -> None:
        """End the connection. If there is no connection, or it is being closed already, do nothing.

        If the stream is an open WebSocket and `code` isn't None, send a close frame with this code first. `reason` and
        `pause` are reported to `ViewerEvents.ended` when the connection has ended.
        """
        if self._transport is None or self.stage is Stage.ENDING:
            return
        if self.stage is Stage.FOLLOWING:
            self._events.measurements.following -= 1
        if code is not None and self.stage is not Stage.OPENING and self._is_websocket:
            self._send(Opcode.CLOSE, Close(code, "").serialize())
        self.stage = Stage.ENDING
        self._reason = reason
        self._pause = pause
        self._transport.close()

    def abandon(self, reason: str) -> None:
        """End the connection immediately, without sending or reading anything more."""
        self.leave(reason)
        if self._transport is not None:
            self._transport.abort()

    @property
    def _is_websocket(self) -> bool:
        return self._events.opening.transport is Transport.WS

    def _send(self, opcode: Opcode, payload: bytes) -> None:
        assert self._transport is not None
        self._transport.write(Frame(opcode, payload).serialize(mask=True))

    def _read(self, data: bytes) -> list[Message]:
        ended = False
        if self.stage is Stage.OPENING:
            held_and_new = self._held + data
            answer = self._events.opening.read(held_and_new)
            if answer is None:
                self._held = held_and_new
                return []
            data, self._held = held_and_new[answer.size :], b""
            self._chunked = answer.chunked
            self._events.measurements.deflated += answer.deflated
            self._reason = "closed without a close frame" if self._is_websocket else "the stream ended"
            self.stage = Stage.GREETING
            if not self._events.greeted:
                self._follow()
        if self._chunked:
            raw = self._raw + data
            data, consumed, ended = messages.read_chunks(raw)
            self._raw = raw[consumed:]
        held_and_new = self._held + data if self._held else data
        read = messages.read_frames if self._is_websocket else messages.read_events
        parsed, consumed = read(held_and_new)
        self._held = held_and_new[consumed:]
        return [*parsed, End(1000)] if ended else parsed

    def _take(self, message: Message) -> None:
        if type(message) is Change and self.stage is _FOLLOWING:
            self._change(*message)
            return
        match message:
            case _ if self.stage is Stage.ENDING:
                pass
            case Change():
                raise Broken("a change before the hello")
            case Hello():
                self._hello(message)
            case Reset(epoch, seq):
                self._start_afresh(epoch, seq)
            case Ping(payload):
                self._send(Opcode.PONG, payload)
            case Farewell(after):
                self.leave("asked to come back", code=1000, pause=after)
            case End(code) if self._is_websocket:
                pause = math.inf if code in FINAL_CODES else None
                self.leave(f"closed with {code}", code=code if code != 1005 else 1000, pause=pause)
            case End():
                self.leave("the stream ended")

    def _change(self, seq: int, mark: Mark | None) -> None:
        measurements = self._events.measurements
        if seq != self.seq + 1:
            if seq <= self.seq:
                measurements.duplicated += 1
                return
            # Up to the seq of a `hello`, seqs may have gaps, as these changes are a replay. After it, they mustn't.
            excused = min(seq - 1, max(self.seq, self._section_end))
            measurements.superseded += excused - self.seq
            measurements.lost += seq - 1 - excused
        self.seq = seq
        measurements.delivered += 1
        self._events.arrived(mark)

    def _hello(self, hello: Hello) -> None:
        if self.start < 0:
            self.start = self.seq = hello.seq
            self._epoch = hello.epoch
        elif hello.resumed and hello.epoch == self._epoch:
            self._section_end = hello.seq
        else:
            self._start_afresh(hello.epoch, hello.seq)
        if self.stage is Stage.GREETING:
            self._follow()

    def _start_afresh(self, epoch: str, seq: int) -> None:
        """Move the viewer to the position that the server named, as the stream can't continue from the viewer's own.

        A reader's page would load a snapshot instead. If both positions have the same epoch, the changes between them
        count as lost. Within one epoch, the viewer never moves back.
        """
        measurements = self._events.measurements
        if epoch != self._epoch:
            # How many changes of another history the viewer has missed can't be known.
            measurements.resets += 1
        elif seq > self.seq:
            measurements.resets += 1
            measurements.lost += seq - self.seq
        else:
            # The `hello` before this message has led to this position already, or no changes are missing.
            return
        self._epoch, self.seq, self._section_end = epoch, seq, -1

    def _follow(self) -> None:
        measurements = self._events.measurements
        self.stage = Stage.FOLLOWING
        measurements.following += 1
        if self.start < 0:
            self.start = self.seq = 0
        self._events.began(self)
