"""uvicorn's HTTP protocol, made for viewers: with limits on the size of heads, on time, and on connections.

An upgrade is handed on as it was parsed. The scope has an extension, `liveserver.viewer`, by which an endpoint hands
its connection over, and returns. From then on the connection is a viewer, without task, queue or parser
(`realtime/transport/socket_viewer.py`).

`tests/unit/server/protocols/test_websocket_protocol.py` lists the parts of uvicorn that we use besides `Config.ws` and
`Config.http`, and fails when a release changes them.
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
from liveserver.server.protocols.scope_functions import answer_head, hand_over, is_gone, no_bytes, rest
from liveserver.server.protocols.websocket_protocol import ViewerProtocol
from liveserver.utils.limits.connection_groups import owner_of
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from liveserver.realtime.transport.socket_viewer import SocketViewer, ViewerEvents
    from liveserver.server.protocols.denials import Denial

BODY_RATE = 1024
"""Bytes a second that a body needs to be given more time: pictures are sent by telephone, from places where everybody
telephones."""

WAITING_MAX = 16
"""Requests that may wait on a connection while one is answered (pipelining). Neither browsers nor proxies do that; each
waiting request takes some kilobytes."""

LATE_BYTES = 1024 * 1024
"""Bytes that are read and thrown away after a denial. More waits in the kernel until the connection ends: reading costs
time, too."""

BODY_WAITING = 16 * 1024
"""Bytes of a body that wait here for the application, apart from the rest of the last piece. More waits in the kernel.
Most JSON bodies fit in."""

BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""Methods whose body has no meaning (RFC 9110, 9.3): no endpoint would ever read it."""


class HttpProtocol(HttpToolsProtocol):
    """An HTTP connection of uvicorn, on httptools.

    Bytes that aren't body are limited (`server/protocols/framing.py`), and so is time: the timer wheel, which also
    pings viewers, calls `due` when a head or a body isn't complete in time.
    """

    # uvicorn's class has nearly as many attributes as Python keeps in an object without a dictionary of its own.
    # fmt: off
    __slots__ = (
        "_allowance",
        "_answering",
        "_body_seen",
        "_end_timer",
        "_late",
        "_on_wheel",
        "_rest_seconds",
        "_rest_timer",
        "_stopped",
        "_upgrading",
        "_wheel",
        "slot",
    )
    # fmt: on

    room: ClassVar[ConnectionRoom] = ConnectionRoom()

    slot: int
    _end_timer: asyncio.TimerHandle | None
    _rest_timer: asyncio.TimerHandle | None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request; turn the connection away if there is no room for it."""
        self._allowance = Allowance()
        self._answering: RequestResponseCycle | None = None
        """The request that the application is answering. uvicorn's `cycle` is the one that came last."""
        self._body_seen = 0
        """Bytes of the body that had come when the wheel called `due` last."""
        self._stopped = False
        """True once nothing more is parsed."""
        self._late = 0
        """Bytes that have come since then."""
        self._end_timer = None
        """The timer that closes the connection some time after its last answer; None if it isn't running."""
        self._on_wheel = False
        """True while it is on the timer wheel."""
        self._rest_seconds = 0.0
        """Seconds for which nothing is to be read after the present answers."""
        self._rest_timer = None
        """The timer that ends such a rest; None if there is none."""
        if not self.room.has_room(self.connections):
            self._turn_away(transport)
            return
        # Here and below, called by name: `super()` takes three times as long, and every viewer's connect pays for it.
        HttpToolsProtocol.connection_made(self, transport)
        self.room.resting[self] = None
        self._on_wheel = True
        self._wheel = wheel_of(self.loop)
        self._wheel.add(self, self.room.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, which has ended."""
        self._leave_wheel()
        if self._end_timer is not None:
            self._end_timer.cancel()
            self._end_timer = None
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None
        self.room.leaving.discard(self)
        self.room.resting.pop(self, None)
        self.room.unread.resumed(self)
        self.room.receiving.remove(self)
        self.pipeline.clear()
        answering = self._answering
        if answering is not None and answering is not self.cycle and not answering.response_complete:
            # uvicorn tells only the newest request. An earlier one would go on writing its answer, to nobody.
            answering.disconnected = True
            answering.message_event.set()
        super().connection_lost(exc)
        # uvicorn does this only if the connection ended in order; else the timer would keep the requests in memory.
        self._unset_keepalive_if_required()

    def pause_writing(self) -> None:
        """Note that the client reads its answer too slowly."""
        HttpToolsProtocol.pause_writing(self)
        cycle = self._answering
        client = self.client if cycle is None else cycle.scope["client"]
        if client is not None:
            extensions: Any = {} if cycle is None else cycle.scope["extensions"]
            extension = extensions.get(EXTENSION, {})
            body: bytes | None = extension.get("body")
            # Without TLS, the shared body itself waits. With TLS, an encrypted part of it waits, for this client alone.
            own = no_bytes if body is not None and not is_ssl(self.transport) else self.transport.get_write_buffer_size
            self.room.unread.paused(self, client[0], body, own, owner=extension.get("owner"))

    def resume_writing(self) -> None:
        """Note that the client has caught up."""
        HttpToolsProtocol.resume_writing(self)
        self.room.unread.resumed(self)

    def data_received(self, data: bytes) -> None:
        """Parse data, in pieces that the allowance permits."""
        self._unset_keepalive_if_required()
        if self._stopped:
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
                # An upgrade that we don't know is ignored, and the request is served as usual (RFC 9110, 7.8).
                size = upgrade.args[0]
            except HttpParserError as error:
                cause = error.__context__
                if cause is not None:
                    # The traceback refers to this frame, which would keep `data` until the garbage collector runs.
                    cause.__traceback__ = None
                if isinstance(cause, TooManyWaiting):
                    self._end_after_answers(Reason.TOO_MANY_WAITING)
                else:
                    self._deny(cause.denial if isinstance(cause, Denied) else denials.MALFORMED)
                return
            at += size
        if not allowance.begun:
            if self._on_wheel:
                self._leave_wheel()
        elif not self._on_wheel:
            self._on_wheel = True
            self._body_seen = 0
            seconds = self.room.limits.body_seconds if allowance.in_body else self.room.limits.head_seconds
            self._wheel.add(self, seconds)
            if allowance.in_body and self.client is not None:
                self.room.receiving.add(self, owner_of(self.client[0]))

    def due(self) -> int | None:
        """End a connection whose head or body isn't complete in time. The timer wheel calls this.

        Returns seconds to the next call; None if there is none.
        """
        allowance, limits = self._allowance, self.room.limits
        seconds = limits.body_seconds if allowance.in_body else limits.head_seconds
        if self.flow.read_paused:
            # We don't read: the client waits for the application.
            return seconds
        if allowance.in_body:
            came, self._body_seen = allowance.body - self._body_seen, allowance.body
            if came >= BODY_RATE * seconds and not self._answered:
                return seconds
        elif not self._answered:
            # While it waits for an answer, the next request has time.
            return seconds
        self._on_wheel = False
        if allowance.begun:
            self._deny(denials.BODY_TOO_SLOW if allowance.in_body else denials.HEAD_TOO_SLOW)
        else:
            # Nothing was asked, so nothing is answered: browsers connect in advance.
            self.transport.close()
        return None

    def handle_websocket_upgrade(self) -> None:
        """Hand the parsed request to the WebSocket protocol."""
        if not self._answered:
            # An earlier request still has the connection, and may hand it over itself.
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
        """Check the head, and offer the hand-over to the endpoint of the request. Raises Denied, TooManyWaiting."""
        if len(self.url) > TARGET_MAX:
            raise Denied(denials.TARGET_TOO_LONG)
        if len(self.headers) > HEADERS_MAX:
            raise Denied(denials.HEAD_TOO_LARGE)
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts != 1 and (hosts or self.parser.get_http_version() != "1.0"):
            # With two, a proxy may have used the other one.
            raise Denied(denials.HOSTS)
        if self.pipeline and len(self.pipeline) >= WAITING_MAX:
            raise TooManyWaiting
        previous_cycle = self.cycle
        HttpToolsProtocol.on_headers_complete(self)
        if not self.pipeline:
            self._answering = self.cycle
        self._allowance.head_ended()
        if self._on_wheel:
            self._on_wheel = False
            self._wheel.discard(self)
        self._upgrading = self.cycle is previous_cycle
        if not self._upgrading:
            self.room.resting.pop(self, None)
            # Weak references, as we own the scope: a cycle would stay in memory until the garbage collector runs.
            self.scope["extensions"] = {
                EXTENSION: {
                    "hand_over": partial(hand_over, ref(self)),
                    "full": self._full(),
                    "gone": partial(is_gone, ref(self.cycle)),
                    "rest": partial(rest, ref(self)),
                    "unread": self.room.unread.size_of,
                }
            }
            # Trailers are added to this list like headers. The application keeps the list of the request's own headers.
            self.headers = []

    def on_response_complete(self) -> None:
        """Go on with the next waiting request; if there is none, the connection is idle again."""
        answered = self._answering
        if answered is not None and answered.body:
            # Nobody will read the rest of the request's body any more.
            answered.body = bytearray()
        if self.pipeline:
            self._answering = self.pipeline[-1][0]
        elif self._answered and not self._stopped and not self.transport.is_closing():
            self.room.resting[self] = None
        more_wait = bool(self.pipeline)
        super().on_response_complete()
        if self._rest_seconds and not (more_wait or self._stopped or self.transport.is_closing()):
            self._begin_rest()

    def rest(self, client: tuple[str, int] | None, seconds: float) -> None:
        """Read nothing for some seconds after the answer to the present request, and to those that wait behind it.

        `client`: as the application knows it. A proxy's connection, which serves other clients too, doesn't rest.
        """
        if client == self.client:
            self._rest_seconds = seconds

    def _begin_rest(self) -> None:
        # The connection is idle, so it ends if room is needed, and when the server ends.
        self._unset_keepalive_if_required()
        self.flow.pause_reading()
        self._rest_timer = self.loop.call_later(self._rest_seconds, self._end_rest)
        self._rest_seconds = 0.0

    def _end_rest(self) -> None:
        self._rest_timer = None
        if not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
            self.flow.resume_reading()

    def on_body(self, body: bytes) -> None:
        """Count bytes of a body, and pass them on if the endpoint may read them. More waits in the kernel."""
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
        """Note that the message is complete, and that another request may follow."""
        self._allowance.message_ended()
        self.room.receiving.remove(self)
        cycle = self.cycle
        # As uvicorn's method, but without its second look through the headers for an upgrade.
        if not self._upgrading and not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    def hand_over(
        self, events: ViewerEvents, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> SocketViewer:
        """Answer the request with a stream that ends with the connection, and make the connection its viewer.

        The application then returns without sending anything. Raises Conflict if other requests wait behind this one,
        since they would never be answered; and ClientDisconnected if the client has gone.
        """
        cycle = self.cycle
        if self.pipeline:
            raise Conflict("a stream ends with its connection: no request can follow it there")
        if cycle.disconnected:
            raise ClientDisconnected
        if cycle.response_started:
            raise RuntimeError("a request can be handed over while it hasn't been answered")
        # uvicorn is told that the client has gone: so it neither answers nor waits for an answer.
        cycle.disconnected = True
        cycle.message_event.set()
        self.connections.discard(self)
        self._unset_keepalive_if_required()
        # Reading may be paused by a body that nobody reads; without reading we wouldn't notice that the viewer goes.
        self.flow.resume_reading()
        answer = answer_head(status, (*self.server_state.default_headers, *headers, (b"connection", b"close"))) + body
        viewer = EventStreamViewer(self.transport, events, self.connections, answer)
        self._retire()
        return viewer

    def _retire(self) -> None:
        """Let go of the connection, which has another protocol now. The parser holds our methods, so it goes, too."""
        self._leave_wheel()
        self.room.unread.resumed(self)
        del self.parser

    @property
    def _answered(self) -> bool:
        """True if no request waits for its answer."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _full(self) -> bool:
        """True if no new stream is accepted: the remaining connections are kept for requests."""
        return self.room.full(self.connections)

    def _leave_wheel(self) -> None:
        """Leave the timer wheel: no head or body is awaited."""
        if self._on_wheel:
            self._on_wheel = False
            self._wheel.discard(self)

    def _stop(self, reason: Reason) -> None:
        """Count a refusal, and parse nothing more."""
        refusals.note(reason, address=self.client[0] if self.client else None)
        self._stopped = True
        self._leave_wheel()

    def _end_after_answers(self, reason: Reason) -> None:
        """Parse nothing more, and end the connection after the answers to earlier requests."""
        self._stop(reason)
        self.cycle.keep_alive = False

    def _deny(self, denial: Denial) -> None:
        """End the connection after the answers to earlier requests, and with an answer that gives the reason."""
        self._stop(denial.reason)
        cycle, in_body = self.cycle, self._allowance.in_body
        if self._answered:
            # If only the end of a body is missing, the request has been answered.
            self._answer_and_end(b"" if in_body else denial.answer(self.server_state.default_headers))
        elif not in_body:
            cycle.keep_alive = False
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.close()
            else:
                self._answer_and_end(denial.answer(self.server_state.default_headers))

    def give_way(self) -> None:
        """End without an answer, to make room for another connection."""
        self._stop(Reason.GAVE_WAY)
        # Answers are in the kernel by now; only the rest of a large body that the client reads slowly is lost.
        self.transport.abort()

    def _turn_away(self, transport: asyncio.Transport) -> None:
        """Refuse a connection that there is no room for, with an answer that says so."""
        denial = denials.TOO_MANY_CONNECTIONS
        address = get_remote_addr(transport)
        self.room.note_refusal(address[0] if address else None)
        self._stopped = True
        self.transport = transport
        if len(self.room.leaving) < LEAVING_MAX:
            self.room.leaving.add(self)
            self._answer_and_end(denial.answer(self.server_state.default_headers), LEAVING_SECONDS)
        else:
            transport.write(denial.answer(self.server_state.default_headers))
            transport.close()

    def _answer_and_end(self, answer: bytes, seconds: float = LINGER) -> None:
        """Send a last answer, and read on for `seconds`: a peer that still sends would be reset before it reads it."""
        self.transport.write(answer)
        self._end_timer = hang_up(self.transport, seconds)
