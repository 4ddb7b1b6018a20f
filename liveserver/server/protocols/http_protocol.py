"""uvicorn's HTTP protocol, made for viewers: bounded in what a head may weigh, in time, and in how many there are.

An upgrade is handed over as it was parsed. The scope has an extension, `liveserver.viewer`: a function by which an
endpoint hands its connection over, and returns. From then on the connection is a viewer: no task, no queue, no parser
(`realtime/transport/socket_viewer.py`).

What is used of uvicorn beside `Config.ws` and `Config.http` is listed in
`tests/unit/server/protocols/test_websocket_protocol.py`, which fails when a release changes it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import ref

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected, get_remote_addr, is_ssl

from liveserver.domain.errors import Conflict
from liveserver.realtime.transport.event_stream_viewer import EventStreamViewer
from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.realtime.transport.socket_viewer import LINGER, hang_up
from liveserver.realtime.transport.timer_wheel import wheel_of
from liveserver.realtime.transport.websocket.handshake import Request
from liveserver.server.protocols import denials
from liveserver.server.protocols.connection_room import LEAVING_MAX, LEAVING_SECONDS, ConnectionRoom
from liveserver.server.protocols.denials import Denied, TooManyWaiting
from liveserver.server.protocols.framing import HEADERS_MAX, TARGET_MAX, Allowance
from liveserver.server.protocols.scope_functions import answer_head, hand_over, is_gone, no_bytes
from liveserver.server.protocols.websocket_protocol import ViewerProtocol
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from liveserver.realtime.transport.socket_viewer import SocketViewer, ViewerEvents
    from liveserver.server.protocols.denials import Denial

BODY_RATE = 1024
"""Bytes a second at which a body may come for as long as it takes: a picture is sent from a telephone in a place where
everybody telephones."""

WAITING_MAX = 16
"""Requests that may wait on a connection while one is answered. Browsers don't do that at all (pipelining), proxies
neither; each takes some kilobytes."""

LATE_BYTES = 1024 * 1024
"""Bytes that are read, and thrown away, of a peer that was told why it isn't served. More waits in the kernel: reading
costs time, too, and ends with the connection."""

BODY_WAITING = 16 * 1024
"""Bytes of a body that wait for the application before the rest does in the kernel; beside what comes with the last of
them in one piece. JSON has come in whole by then."""

BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""Methods of which no body means anything (RFC 9110, 9.3): nobody would ever take it."""


class HttpProtocol(HttpToolsProtocol):
    """An HTTP connection of uvicorn, on httptools.

    What it is sent is bounded, in bytes (`server/protocols/framing.py`) and in time: the wheel that pings viewers calls
    it (`due`) when a head or a body has not come to its end.
    """

    # uvicorn's has nearly as many attributes as objects of a class keep without a dictionary for each.
    # fmt: off
    __slots__ = (
        "_allowance", "_answering", "_late", "_looked", "_over", "_patience", "_timed", "_upgrading", "_wheel",
        "slot",
    )
    # fmt: on

    room: ClassVar[ConnectionRoom] = ConnectionRoom()

    slot: int
    _patience: asyncio.TimerHandle | None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await a request, unless there is no room for one more connection."""
        self._allowance = Allowance()
        self._answering: RequestResponseCycle | None = None
        """The request that the application was given last: uvicorn knows the one that came last."""
        self._looked = 0
        """Of the body, what had come when the wheel looked last."""
        self._over = False
        """Nothing that comes is parsed any more."""
        self._late = 0
        """Bytes that have come since."""
        self._patience = None
        """Runs while it has been told why it was turned away, and hasn't gone."""
        self._timed = False
        """It stands on the wheel."""
        if not self.room.has_room(self.connections):
            self._turn_away(transport)
            return
        # Here and below by its name: `super()` takes three times as long, and every viewer's connect has it.
        HttpToolsProtocol.connection_made(self, transport)
        self.room.resting[self] = None
        self._timed = True
        self._wheel = wheel_of(self.loop)
        self._wheel.add(self, self.room.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._untime()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self.room.leaving.discard(self)
        self.room.resting.pop(self, None)
        self.room.unread.resumed(self)
        self.pipeline.clear()
        answering = self._answering
        if answering is not None and answering is not self.cycle and not answering.response_complete:
            # uvicorn tells the newest request only. Of one with others behind it the answer would be written to nobody.
            answering.disconnected = True
            answering.message_event.set()
        super().connection_lost(exc)
        # uvicorn does so only of one that was ended in order; its timer would keep what was asked for.
        self._unset_keepalive_if_required()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        HttpToolsProtocol.pause_writing(self)
        cycle = self._answering
        client = self.client if cycle is None else cycle.scope["client"]
        if client is not None:
            extensions: Any = {} if cycle is None else cycle.scope["extensions"]
            body: bytes | None = extensions.get(EXTENSION, {}).get("body")
            # In the clear it is the body itself that waits; encrypted, a part of it that is this client's alone.
            own = no_bytes if body is not None and not is_ssl(self.transport) else self.transport.get_write_buffer_size
            self.room.unread.paused(self, client[0], body, own)

    def resume_writing(self) -> None:
        """It has caught up."""
        HttpToolsProtocol.resume_writing(self)
        self.room.unread.resumed(self)

    def data_received(self, data: bytes) -> None:
        """Parse what comes, in pieces that the allowance lets pass."""
        self._unset_keepalive_if_required()
        if self._over:
            self._late += len(data)
            if self._late > LATE_BYTES and not self.transport.is_closing():
                self.transport.pause_reading()
            return
        allowance = self._allowance
        at, end = 0, len(data)
        while at < end:
            size = allowance.take(end - at)
            if not size:
                self._deny(denials.FRAMING_TOO_LARGE if allowance.in_body else denials.HEAD_TOO_LARGE)
                return
            try:
                self.parser.feed_data(data if size == end else memoryview(data)[at : at + size])
            except HttpParserUpgrade as upgrade:
                if self._upgrading:
                    self.handle_websocket_upgrade()
                    return
                # What isn't understood is ignored, and the request is as good as any (RFC 9110, 7.8).
                size = upgrade.args[0]
            except HttpParserError as error:
                cause = error.__context__
                if cause is not None:
                    # It leads back to this frame, and what came would wait for the garbage collector.
                    cause.__traceback__ = None
                if isinstance(cause, TooManyWaiting):
                    self._end_after_answers(Reason.TOO_MANY_WAITING)
                else:
                    self._deny(cause.denial if isinstance(cause, Denied) else denials.MALFORMED)
                return
            at += size
        if not allowance.begun:
            if self._timed:
                self._untime()
        elif not self._timed:
            self._timed = True
            self._looked = 0
            seconds = self.room.limits.body_seconds if allowance.in_body else self.room.limits.head_seconds
            self._wheel.add(self, seconds)

    def due(self) -> int | None:
        """End a connection whose head or body isn't complete in time (the wheel calls this)."""
        allowance, limits = self._allowance, self.room.limits
        seconds = limits.body_seconds if allowance.in_body else limits.head_seconds
        if self.flow.read_paused:
            # The application keeps the client waiting.
            return seconds
        if allowance.in_body:
            came, self._looked = allowance.body - self._looked, allowance.body
            if came >= BODY_RATE * seconds and not self._answered:
                return seconds
        elif not self._answered:
            # What it sends next is its own affair while it waits for an answer.
            return seconds
        self._timed = False
        if allowance.begun:
            self._deny(denials.BODY_TOO_SLOW if allowance.in_body else denials.HEAD_TOO_SLOW)
        else:
            # It has asked for nothing, and is told nothing: browsers connect in advance.
            self.transport.close()
        return None

    def handle_websocket_upgrade(self) -> None:
        """Give the request to the WebSocket protocol as it was parsed."""
        if not self._answered:
            # The connection is another request's, which may hand it over, too.
            self._end_after_answers(Reason.MALFORMED)
            return
        if self.ws_protocol_class is not ViewerProtocol:
            super().handle_websocket_upgrade()
            return
        full = self._full()
        self.connections.discard(self)
        self.room.resting.pop(self, None)
        protocol = ViewerProtocol(self.config, self.server_state, self.app_state)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        request = Request(self.scope["method"].encode(), self.url, self.headers, self.scope["http_version"])
        protocol.begin(request, self.server, self.client, "wss" if self.scheme == "https" else "ws", full=full)
        self._retire()

    def on_headers_complete(self) -> None:
        """Offer the hand-over to the endpoint of this request, if it is one to be served."""
        if len(self.url) > TARGET_MAX:
            raise Denied(denials.TARGET_TOO_LONG)
        if len(self.headers) > HEADERS_MAX:
            raise Denied(denials.HEAD_TOO_LARGE)
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts != 1 and (hosts or self.parser.get_http_version() != "1.0"):
            # With two, a proxy may have gone by the other one.
            raise Denied(denials.HOSTS)
        if self.pipeline and len(self.pipeline) >= WAITING_MAX:
            raise TooManyWaiting
        before = self.cycle
        HttpToolsProtocol.on_headers_complete(self)
        if not self.pipeline:
            self._answering = self.cycle
        self._allowance.head_ended()
        if self._timed:
            self._timed = False
            self._wheel.discard(self)
        self._upgrading = self.cycle is before
        if not self._upgrading:
            self.room.resting.pop(self, None)
            # Weakly, as the scope is ours: what is in a circle waits for the garbage collector.
            self.scope["extensions"] = {
                EXTENSION: {
                    "hand_over": partial(hand_over, ref(self)),
                    "full": self._full(),
                    "gone": partial(is_gone, ref(self.cycle)),
                    "unread": self.room.unread.size_of,
                }
            }
            # Trailers come as headers do. The application has the list of the request's own.
            self.headers = []

    def on_response_complete(self) -> None:
        """Go on with the request that waits; without one the connection rests again."""
        answered = self._answering
        if answered is not None and answered.body:
            # What nobody has taken by now.
            answered.body = bytearray()
        if self.pipeline:
            self._answering = self.pipeline[-1][0]
        elif self._answered and not self._over and not self.transport.is_closing():
            self.room.resting[self] = None
        super().on_response_complete()

    def on_body(self, body: bytes) -> None:
        """Count, and pass on what somebody may want. The rest waits in the kernel for the answer."""
        cycle = self.cycle
        wanted = not (self._upgrading or cycle.response_complete)
        self._allowance.body_came(len(body), wanted=wanted)
        if not wanted:
            return
        if cycle.scope["method"] in BODILESS:
            self.flow.pause_reading()
            return
        super().on_body(body)
        if len(cycle.body) > BODY_WAITING:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """What follows is another request."""
        self._allowance.message_ended()
        cycle = self.cycle
        # As uvicorn's own, which would look through all headers of an upgrade once more.
        if not self._upgrading and not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    def hand_over(
        self, events: ViewerEvents, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> SocketViewer:
        """Answer the request with a stream that ends with the connection, and make the connection its viewer.

        The application is to return without sending anything. Raises Conflict if other requests wait behind this one,
        which would never be answered.
        """
        cycle = self.cycle
        if self.pipeline:
            raise Conflict("a stream ends with its connection: no request can follow it there")
        if cycle.disconnected:
            raise ClientDisconnected
        if cycle.response_started:
            raise RuntimeError("a request can be handed over while it hasn't been answered")
        # To uvicorn the client has gone: it neither answers nor waits for an answer.
        cycle.disconnected = True
        cycle.message_event.set()
        self.connections.discard(self)
        self._unset_keepalive_if_required()
        # A request with a body, which nobody wants: how should it be seen else that the viewer has gone?
        self.flow.resume_reading()
        answer = answer_head(status, (*self.server_state.default_headers, *headers, (b"connection", b"close"))) + body
        viewer = EventStreamViewer(self.transport, events, self.connections, answer)
        self._retire()
        return viewer

    def _retire(self) -> None:
        """Nothing comes here any more. The parser, which holds our methods, would keep the transport with us."""
        self._untime()
        self.room.unread.resumed(self)
        del self.parser

    @property
    def _answered(self) -> bool:
        """Whether no request waits for its answer."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _full(self) -> bool:
        """Whether the connections that are left are kept for requests. (This one is among those that there are.)"""
        return self.room.full(self.connections)

    def _untime(self) -> None:
        """Nothing is awaited."""
        if self._timed:
            self._timed = False
            self._wheel.discard(self)

    def _stop(self, reason: Reason) -> None:
        """Parse nothing more of it."""
        refusals.note(reason, address=self.client[0] if self.client else None)
        self._over = True
        self._untime()

    def _end_after_answers(self, reason: Reason) -> None:
        """End the connection with the last answer that is due."""
        self._stop(reason)
        self.cycle.keep_alive = False

    def _deny(self, denial: Denial) -> None:
        """End the connection, after what was asked for before, and with an answer that tells why."""
        self._stop(denial.reason)
        cycle, in_body = self.cycle, self._allowance.in_body
        if self._answered:
            # Where only a body's end was missing, the request has its answer.
            self._part(b"" if in_body else denial.answer(self.server_state.default_headers))
        elif not in_body:
            cycle.keep_alive = False
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.close()
            else:
                self._part(denial.answer(self.server_state.default_headers))

    def give_way(self) -> None:
        """End without a word, as if its time were over."""
        self._stop(Reason.GAVE_WAY)
        # What it was sent is in the kernel; only of a large body, which it reads slowly, something is lost.
        self.transport.abort()

    def _turn_away(self, transport: asyncio.Transport) -> None:
        """There is no room for this connection."""
        denial = denials.TOO_MANY_CONNECTIONS
        address = get_remote_addr(transport)
        self.room.note_refusal(address[0] if address else None)
        self._over = True
        self.transport = transport
        if len(self.room.leaving) < LEAVING_MAX:
            self.room.leaving.add(self)
            self._part(denial.answer(self.server_state.default_headers), LEAVING_SECONDS)
        else:
            transport.write(denial.answer(self.server_state.default_headers))
            transport.close()

    def _part(self, answer: bytes, seconds: float = LINGER) -> None:
        """Say a last word, and read on for so long: a peer that still sends would else be reset before it reads it."""
        self.transport.write(answer)
        self._patience = hang_up(self.transport, seconds)
