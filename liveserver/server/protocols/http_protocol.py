"""uvicorn's HTTP protocol with changes for viewers, and with limits on the size of heads, on time and on connections.

A request to open a WebSocket is given to the WebSocket protocol as it was parsed, and isn't parsed again. The scope has
an extension, `liveserver.viewer`, by which an endpoint hands its connection over, and returns. From then on the
connection is a viewer, without task, queue or parser (`realtime/transport/socket_viewer.py`).

We use some parts of uvicorn besides its settings `Config.ws` and `Config.http`.
`tests/unit/server/protocols/test_websocket_protocol.py` lists these parts, and fails when a release changes them.
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
from liveserver.server.protocols.scope_functions import answer_head, claim, hand_over, is_gone, no_bytes, rest
from liveserver.server.protocols.websocket_protocol import ViewerProtocol
from liveserver.utils.limits.connection_groups import owner_of
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Hashable, Iterable

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from liveserver.realtime.transport.socket_viewer import SocketViewer, ViewerEvents
    from liveserver.server.protocols.denials import Denial

BODY_RATE = 1024
"""The number of bytes a second at which a request's body must come to get more time than `body_seconds`.

The rate is low because reporters send pictures by telephone, from places where the network is busy."""

WAITING_MAX = 2
"""The greatest number of requests that may wait on a connection while one is answered (pipelining). If one more
comes, the connection is ended once the earlier requests are answered. Neither browsers nor proxies use pipelining. A
waiting request with many header fields takes 20 KB of memory."""

REFUSALS_FREE = 3
"""The number of refusals on one connection that have no consequence. After each further one, the connection rests:
nothing that the client sends is parsed for a while.

An honest client is refused now and then, perhaps for what others behind the same address did."""

HELD_MAX = 4 * 1024
"""The greatest number of bytes that may come on a resting connection. They are kept unparsed until the rest is over.

If more bytes come, the connection is ended."""

LATE_BYTES = 1024 * 1024
"""The greatest number of bytes that are read and thrown away after a denial.

Any further bytes stay in the kernel until the connection ends, since reading costs time, too."""

BODY_WAITING = 16 * 1024
"""If more bytes of a body than this wait for the application, reading is paused. The rest waits in the kernel.

Most JSON bodies are smaller. With the last piece that was read, more bytes than this may wait."""

BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""The methods whose body has no meaning (RFC 9110, 9.3). No endpoint reads such a body."""


class HttpProtocol(HttpToolsProtocol):
    """An HTTP connection of uvicorn, which parses requests with httptools.

    The bytes that aren't a body are limited (`server/protocols/framing.py`). Time is limited, too: the timer wheel,
    which also pings viewers, calls `due` if a head or a body isn't complete in time.
    """

    # Slots save memory: uvicorn's class has nearly as many attributes as Python keeps in an object without a dictionary
    # of its own.
    # fmt: off
    __slots__ = (
        "_allowance",
        "_answering",
        "_body_seen",
        "_end_timer",
        "_held",
        "_late",
        "_on_wheel",
        "_refusals",
        "_refusing",
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
        """Wait for a request. If there is no room for the connection, refuse it."""
        self._allowance = Allowance()
        self._answering: RequestResponseCycle | None = None
        """The request that the application is answering. uvicorn's `cycle` is the request that came last."""
        self._body_seen = 0
        """The number of body bytes that had come when the timer wheel called `due` last."""
        self._stopped = False
        """True if nothing that the client sends is parsed any more."""
        self._late = 0
        """The number of bytes that have come since `_stopped` was set."""
        self._end_timer = None
        """The timer that ends the connection some seconds after the last answer; None before that answer."""
        self._on_wheel = False
        """True while the connection is on the timer wheel, because a head or a body must be complete in time."""
        self._rest_seconds = 0.0
        """For how many seconds the connection is to rest after the present answer; 0 if it isn't to rest."""
        self._refusing = False
        """True while the present answer is a refusal for which `rest` was called."""
        self._refusals = 0
        """The number of refusals on this connection, less the number of other answers; never below 0."""
        self._held = b""
        """The bytes that have come while the connection rests. They aren't parsed yet."""
        self._rest_timer = None
        """The timer at which the connection stops resting; None if it doesn't rest."""
        if not self.room.has_room(self.connections):
            self._turn_away(transport)
            return
        # This call and some below name the class: `super()` takes three times as long, for every viewer that connects.
        HttpToolsProtocol.connection_made(self, transport)
        self.room.resting[self] = None
        self._on_wheel = True
        self._wheel = wheel_of(self.loop)
        self._wheel.add(self, self.room.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Free everything that is kept for the connection, because it has ended."""
        self._leave_wheel()
        if self._end_timer is not None:
            self._end_timer.cancel()
            self._end_timer = None
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None
        self.room.leaving.discard(self)
        self.room.resting.pop(self, None)
        self.room.refused.pop(self, None)
        self.room.unread.resumed(self)
        self.room.receiving.remove(self)
        self.pipeline.clear()
        answering = self._answering
        if answering is not None and answering is not self.cycle and not answering.response_complete:
            # uvicorn tells only the newest request that the client has gone. The application would go on writing the
            # answer to an earlier one, which nobody reads.
            answering.disconnected = True
            answering.message_event.set()
        super().connection_lost(exc)
        # uvicorn stops this timer only if the connection ended without an error. Otherwise the timer would keep the
        # requests in memory.
        self._unset_keepalive_if_required()

    def pause_writing(self) -> None:
        """Note that the client reads its answer too slowly, and count the bytes that wait (`room.unread`)."""
        HttpToolsProtocol.pause_writing(self)
        cycle = self._answering
        client = self.client if cycle is None else cycle.scope["client"]
        if client is not None:
            extensions: Any = {} if cycle is None else cycle.scope["extensions"]
            extension = extensions.get(EXTENSION, {})
            body: bytes | None = extension.get("body")
            # Without TLS, the waiting bytes are the shared body itself. With TLS, an encrypted part of the body waits,
            # for this client alone.
            own = no_bytes if body is not None and not is_ssl(self.transport) else self.transport.get_write_buffer_size
            self.room.unread.paused(self, client[0], body, own, owner=extension.get("owner"))

    def resume_writing(self) -> None:
        """Note that the client has read enough of its answer, so that more can be sent."""
        HttpToolsProtocol.resume_writing(self)
        self.room.unread.resumed(self)

    def data_received(self, data: bytes) -> None:
        """Parse data from the client, in pieces as large as the allowance permits.

        If the data breaks a limit, or isn't HTTP, the connection is ended.
        """
        if self._rest_timer is not None:
            self._hold(data)
            return
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
                # An upgrade to anything but WebSocket is ignored, and the request is served as usual (RFC 9110, 7.8).
                size = upgrade.args[0]
            except HttpParserError as error:
                cause = error.__context__
                if cause is not None:
                    # The traceback refers to this frame, and so keeps `data` in memory until the garbage collector
                    # runs.
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
        """End the connection if a head or a body isn't complete in time. The timer wheel calls this.

        Returns the seconds until the next call; None if there is to be none.
        """
        allowance, limits = self._allowance, self.room.limits
        seconds = limits.body_seconds if allowance.in_body else limits.head_seconds
        if self.flow.read_paused:
            # Reading is paused, because the application hasn't read the body yet. So the client isn't late.
            return seconds
        if allowance.in_body:
            came, self._body_seen = allowance.body - self._body_seen, allowance.body
            if came >= BODY_RATE * seconds and not self._answered:
                return seconds
        elif not self._answered:
            # While an earlier request waits for its answer, the head of the next one may take its time.
            return seconds
        self._on_wheel = False
        if allowance.begun:
            self._deny(denials.BODY_TOO_SLOW if allowance.in_body else denials.HEAD_TOO_SLOW)
        else:
            # No request has begun, so there is nothing to answer. Browsers open connections in advance.
            self.transport.close()
        return None

    def handle_websocket_upgrade(self) -> None:
        """Give the parsed request and the connection to the WebSocket protocol."""
        if not self._answered:
            # An earlier request isn't answered yet, and may hand the connection over itself.
            self._end_after_answers(Reason.MALFORMED)
            return
        if self.ws_protocol_class is not ViewerProtocol:
            super().handle_websocket_upgrade()
            return
        self.room.resting.pop(self, None)
        full = self._full()
        self.connections.discard(self)
        protocol = ViewerProtocol(self.config, self.server_state, self.app_state)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        request = Request(self.scope["method"].encode(), self.url, self.headers, self.scope["http_version"])
        protocol.begin(request, self.server, self.client, "wss" if self.scheme == "https" else "ws", full=full)
        self._retire()

    def on_headers_complete(self) -> None:
        """Check the head of a request, start the application, and give the scope its extension.

        The parser calls this. Raises Denied if the head breaks a limit, and TooManyWaiting if too many requests wait on
        this connection.
        """
        if len(self.url) > TARGET_MAX:
            raise Denied(denials.TARGET_TOO_LONG)
        if len(self.headers) > HEADERS_MAX:
            raise Denied(denials.HEAD_TOO_LARGE)
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts != 1 and (hosts or self.parser.get_http_version() != "1.0"):
            # If there are two Host headers, a proxy may have used the other one.
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
            # The references are weak, because this object refers to the scope. A reference cycle would stay in memory
            # until the garbage collector runs.
            self.scope["extensions"] = {
                EXTENSION: {
                    "hand_over": partial(hand_over, ref(self)),
                    "full": self._full(),
                    "gone": partial(is_gone, ref(self.cycle)),
                    "claim": partial(claim, ref(self)),
                    "rest": partial(rest, ref(self)),
                    "unread": self.room.unread.size_of,
                }
            }
            # The parser would add trailers to the list of headers, which the application has. So they get a new list.
            self.headers = []

    def on_response_complete(self) -> None:
        """Go on with the next waiting request. If there is none, the connection becomes idle.

        If the connection is to rest after this answer (`_rest_seconds`), it rests first, and becomes idle afterwards.
        """
        answered = self._answering
        if answered is not None and answered.body:
            # The request is answered, so nobody will read the rest of its body. Free this memory.
            answered.body = bytearray()
        if self.pipeline:
            self._answering = self.pipeline[-1][0]
        elif self._answered and not self._stopped and not self.transport.is_closing():
            self.room.resting[self] = None
        super().on_response_complete()
        if not self._refusing:
            self._refusals = max(0, self._refusals - 1)
        self._refusing = False
        if self._rest_seconds and not (self._stopped or self.transport.is_closing()):
            self._begin_rest()

    def rest(self, client: tuple[str, int] | None, seconds: float) -> None:
        """Let the connection rest for some seconds after the present answer, which is a refusal.

        While a connection rests, nothing that comes on it is parsed. The first `REFUSALS_FREE` refusals are only
        counted. If other requests wait behind the present one, the connection doesn't rest, but ends after the answer.

        `client`: the client's address and port, as the application knows them. If they aren't those of the connection,
        the connection is a proxy's, and serves other clients, too. Then nothing is done.
        """
        if client != self.client or self._answering is None:
            return
        self._refusing = True
        self._refusals += 1
        if self._refusals > REFUSALS_FREE:
            if self.pipeline:
                self._answering.keep_alive = False
            else:
                self._rest_seconds = seconds

    def claim(self, owner: Hashable) -> None:
        """Count the connection for `owner` instead of its client's address while a request's body is still coming.

        Does nothing if no body is still coming.
        """
        if self in self.room.receiving:
            self.room.receiving.add(self, owner)

    def _begin_rest(self) -> None:
        # During its rest the connection counts as idle, and is the first to end if room is needed. Its socket is still
        # read, as otherwise nobody would see that the client has left.
        self._unset_keepalive_if_required()
        self.room.resting.pop(self, None)
        self.room.refused[self] = None
        self._rest_timer = self.loop.call_later(self._rest_seconds, self._end_rest)
        self._rest_seconds = 0.0

    def _hold(self, data: bytes) -> None:
        """Keep data that comes while the connection rests. If there is too much, end the connection."""
        self._held += data
        if len(self._held) > HELD_MAX:
            self._stop(Reason.RATE)
            self.transport.abort()

    def _end_rest(self) -> None:
        self._rest_timer = None
        self.room.refused.pop(self, None)
        if self._stopped or self.transport.is_closing():
            return
        self.room.resting[self] = None
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        if self._held:
            held, self._held = self._held, b""
            self.data_received(held)

    def on_body(self, body: bytes) -> None:
        """Count bytes of a request's body, and keep them if the endpoint may still read them.

        If too many bytes wait for the endpoint, reading is paused, and the rest waits in the kernel.
        """
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
        """Note that a request is complete, and that another one may follow. The parser calls this."""
        self._allowance.message_ended()
        self.room.receiving.remove(self)
        cycle = self.cycle
        # This does the same as uvicorn's method, but doesn't search the headers for an upgrade a second time.
        if not self._upgrading and not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    def hand_over(
        self, events: ViewerEvents, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> SocketViewer:
        """Answer the request with an event stream, and make the connection a viewer. Returns the viewer.

        After this, the application must return without sending anything. `status`, `headers` and `body`: the beginning
        of the answer.

        Raises Conflict if other requests wait behind this one, since they would never be answered. Raises
        ClientDisconnected if the client has gone, and RuntimeError if an answer was begun already.
        """
        cycle = self.cycle
        if self.pipeline:
            raise Conflict("a stream ends with its connection: no request can follow it there")
        if cycle.disconnected:
            raise ClientDisconnected
        if cycle.response_started:
            raise RuntimeError("a request can be handed over while it hasn't been answered")
        # uvicorn is told that the client has gone, so that it neither sends an answer nor waits for one.
        cycle.disconnected = True
        cycle.message_event.set()
        self.connections.discard(self)
        self._unset_keepalive_if_required()
        # Reading may be paused, because nobody reads the request's body. Without reading we wouldn't notice that the
        # viewer goes.
        self.flow.resume_reading()
        answer = answer_head(status, (*self.server_state.default_headers, *headers, (b"connection", b"close"))) + body
        viewer = EventStreamViewer(self.transport, events, self.connections, answer)
        self._retire()
        return viewer

    def _retire(self) -> None:
        """Stop handling the connection, which has another protocol now.

        The parser is deleted, because it refers to methods of this object: that is a reference cycle.
        """
        self._leave_wheel()
        self.room.unread.resumed(self)
        del self.parser

    @property
    def _answered(self) -> bool:
        """True if all requests on this connection are completely answered, or if there was none."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _full(self) -> bool:
        """Return True if so few connections are free that they are kept for requests, and no new stream is accepted."""
        return self.room.full(self.connections)

    def _leave_wheel(self) -> None:
        """Take the connection off the timer wheel. Does nothing if it isn't there."""
        if self._on_wheel:
            self._on_wheel = False
            self._wheel.discard(self)

    def _stop(self, reason: Reason) -> None:
        """Parse nothing more that comes on this connection, and count a refusal with this reason."""
        refusals.note(reason, address=self.client[0] if self.client else None)
        self._stopped = True
        self._leave_wheel()

    def _end_after_answers(self, reason: Reason) -> None:
        """Count a refusal, parse nothing more, and end the connection once the earlier requests are answered."""
        self._stop(reason)
        self.cycle.keep_alive = False

    def _deny(self, denial: Denial) -> None:
        """Count a refusal, parse nothing more, and end the connection.

        The client gets the denial as the last answer, unless earlier requests wait for their answers, or the answer to
        this request has begun.
        """
        self._stop(denial.reason)
        cycle, in_body = self.cycle, self._allowance.in_body
        if self._answered:
            # If we are within a body, its request has been answered already, and needs no second answer.
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
        """End the connection without an answer, to make room for another connection. Counts a refusal."""
        self._stop(Reason.GAVE_WAY)
        # Complete answers are in the kernel by now. Only the rest of a large answer that the client reads slowly is
        # lost.
        self.transport.abort()

    def _turn_away(self, transport: asyncio.Transport) -> None:
        """Refuse a connection for which there is no room, with an answer that says so. Counts a refusal."""
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
        """Send a last answer, and end the connection, after at most `seconds`.

        Meanwhile, what the client sends is read. Otherwise, the connection to a client that is still sending would be
        reset, and the client couldn't read the answer.
        """
        self.transport.write(answer)
        self._end_timer = hang_up(self.transport, seconds)
