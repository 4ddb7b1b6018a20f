"""One viewer: a connection that follows a live stream, and keeps account of what it gets.

It is light enough for 20,000 to fit: a transport and a few numbers. Chunks of bytes that arrive at a viewer with
nothing half read are looked up first: what the same bytes mean has usually been worked out for another viewer.
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
"""Close codes after which one doesn't come back (docs/stream.md)."""

MEANINGS = 512
"""Chunks whose meaning is remembered."""


class Meanings:
    """What chunks of bytes said that arrived before. Mostly it is the one that arrived last."""

    def __init__(self) -> None:
        self._last = b""
        self._found: list[Message] = []
        self._known: dict[bytes, list[Message]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, data: bytes) -> list[Message] | None:
        """What these bytes say, if they came before."""
        # To compare two kilobytes takes a twentieth of the time in which they are hashed.
        if data == self._last:
            return self._found
        found = self._known.get(data)
        if found is not None:
            self._last, self._found = data, found
        return found

    def keep(self, data: bytes, found: list[Message]) -> None:
        """Remember what these bytes say."""
        if len(self._known) >= MEANINGS:
            self._known.clear()
        self._known[data] = found
        self._last, self._found = data, found


class Stage(Enum):
    """Where a viewer stands."""

    AWAY = auto()
    """It has no connection."""
    OPENING = auto()
    """The request was sent."""
    GREETING = auto()
    """The stream is open; its `hello` is awaited."""
    FOLLOWING = auto()
    ENDING = auto()
    """The connection is being closed."""


_FOLLOWING = Stage.FOLLOWING
"""To look a member up on its class is slow, and this one is asked for with every delivery."""


class ViewerEvents(Protocol):
    """What viewers of one process share."""

    opening: Opening
    greeted: bool
    """The server says `hello`. One that doesn't (in comparisons) counts from 1."""
    measurements: Measurements
    meanings: Meanings

    def arrived(self, mark: Mark | None, /) -> None:
        """A viewer got a change, in its turn."""

    def began(self, viewer: Viewer, /) -> None:
        """A viewer's stream has begun."""

    def ended(self, viewer: Viewer, reason: str, pause: float | None, /) -> None:
        """A viewer's connection is gone. It is to come back after the pause (in seconds), if it was told one."""


class Viewer(asyncio.Protocol):
    """One viewer, through as many connections as it takes."""

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
        """The seq at which it began; -1: it has never followed."""
        self.seq = -1
        """The last change that it got."""
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
        """It has no connection and is making none."""
        return self.stage is Stage.AWAY

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream, from where this viewer stands."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self.stage = Stage.OPENING
        self._held = self._raw = b""
        self._chunked = False
        self._reason = "closed without an answer"
        self._pause = None
        after = f"{self._epoch}-{self.seq}" if self._epoch else None
        self._transport.write(self._events.opening.request(after))

    def data_received(self, data: bytes) -> None:
        """Read on."""
        events = self._events
        events.measurements.received += len(data)
        at_rest = self.stage is _FOLLOWING and not self._held and not self._raw
        found = events.meanings.get(data) if at_rest else None
        try:
            if found is None:
                if self.stage is Stage.ENDING:
                    return
                found = self._read(data)
                if at_rest and not self._held and not self._raw:
                    events.meanings.keep(data, found)
            for message in found:
                self._take(message)
        except Broken as error:
            self.leave(str(error), code=1002)

    def eof_received(self) -> None:
        """The server has ended: the transport closes."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self.stage is Stage.FOLLOWING:
            self._events.measurements.following -= 1
        if self.stage is not Stage.ENDING and exc is not None:
            self._reason = str(exc) or type(exc).__name__
        self.stage = Stage.AWAY
        self._transport = None
        self._held = self._raw = b""
        self._events.ended(self, self._reason, self._pause)

    def leave(self, reason: str, *, code: int | None = None, pause: float | None = None) -> None:
        """End the connection, with a close frame if a code is given and it is a WebSocket's."""
        if self._transport is None or self.stage is Stage.ENDING:
            return
        if self.stage is Stage.FOLLOWING:
            self._events.measurements.following -= 1
        if code is not None and self.stage is not Stage.OPENING and self._is_websocket:
            self._say(Opcode.CLOSE, Close(code, "").serialize())
        self.stage = Stage.ENDING
        self._reason = reason
        self._pause = pause
        self._transport.close()

    def abandon(self, reason: str) -> None:
        """End the connection at once, whatever is under way."""
        self.leave(reason)
        if self._transport is not None:
            self._transport.abort()

    @property
    def _is_websocket(self) -> bool:
        return self._events.opening.transport is Transport.WS

    def _say(self, opcode: Opcode, payload: bytes) -> None:
        assert self._transport is not None
        self._transport.write(Frame(opcode, payload).serialize(mask=True))

    def _read(self, data: bytes) -> list[Message]:
        ended = False
        if self.stage is Stage.OPENING:
            whole = self._held + data
            answer = self._events.opening.read(whole)
            if answer is None:
                self._held = whole
                return []
            data, self._held = whole[answer.size :], b""
            self._chunked = answer.chunked
            self._events.measurements.deflated += answer.deflated
            self._reason = "closed without a close frame" if self._is_websocket else "the stream ended"
            self.stage = Stage.GREETING
            if not self._events.greeted:
                self._follow()
        if self._chunked:
            raw = self._raw + data
            data, used, ended = messages.read_chunks(raw)
            self._raw = raw[used:]
        whole = self._held + data if self._held else data
        read = messages.read_frames if self._is_websocket else messages.read_events
        found, used = read(whole)
        self._held = whole[used:]
        return [*found, End(1000)] if ended else found

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
                self._say(Opcode.PONG, payload)
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
            # Up to a hello's seq, changes may skip; after it, none may.
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
        """The position is void. A reader would take a snapshot; what lies between never came by the stream."""
        measurements = self._events.measurements
        if epoch != self._epoch:
            # What was missed of another history can't be known.
            measurements.resets += 1
        elif seq > self.seq:
            measurements.resets += 1
            measurements.lost += seq - self.seq
        else:
            # The `hello` before it has said so already, or there is nothing between.
            return
        self._epoch, self.seq, self._section_end = epoch, seq, -1

    def _follow(self) -> None:
        measurements = self._events.measurements
        self.stage = Stage.FOLLOWING
        measurements.following += 1
        if self.start < 0:
            self.start = self.seq = 0
        self._events.began(self)
