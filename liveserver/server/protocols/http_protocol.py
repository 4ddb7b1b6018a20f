"""uvicorn's HTTP protocol with changes for viewers, and with limits on the size of heads and on waiting requests.

A request to open a WebSocket is parsed only here. The WebSocket protocol gets the parsed request. The scope has an
extension, `liveserver.viewer`, by which an endpoint hands its connection over to the hub, and returns. From then on the
connection is a viewer, without task, queue or parser (`realtime/transport/socket_viewer.py`).

We use some parts of uvicorn besides its settings `Config.ws` and `Config.http`.
`tests/unit/server/protocols/test_uvicorn_parts.py` lists these parts, and fails when a release changes them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import ref

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected

from liveserver.domain.errors import Conflict
from liveserver.realtime.transport.event_stream_viewer import EventStreamViewer
from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.realtime.transport.websocket.handshake import Request
from liveserver.server.protocols import denials
from liveserver.server.protocols.denials import Denied, TooManyWaiting
from liveserver.server.protocols.framing import HEADERS_MAX, TARGET_MAX
from liveserver.server.protocols.http_connection import HttpConnection
from liveserver.server.protocols.scope_functions import answer_head, claim, hand_over, is_gone, rest
from liveserver.server.protocols.websocket_protocol import ViewerProtocol
from liveserver.utils.limits.connection_groups import owner_of
from liveserver.utils.limits.refusals import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from liveserver.realtime.transport.socket_viewer import SocketViewer, ViewerEvents

WAITING_MAX = 2
"""The greatest number of requests that may wait on a connection while another request is answered (pipelining). If one
more request comes, the connection is ended once the earlier requests are answered. Browsers and proxies don't use
pipelining. A waiting request with many header fields takes 20 KB of memory."""

LATE_BYTES = 1024 * 1024
"""The greatest number of bytes that are read and thrown away after a denial.

Any further bytes stay in the kernel until the connection ends, since reading costs time, too."""

BODY_WAITING = 16 * 1024
"""The number of bytes of a body that may wait for the application. If more bytes wait, reading from the connection is
paused.

Bytes that aren't read wait in the kernel. As data is read in pieces, more bytes than this may wait for the application.
Most JSON bodies are smaller."""

BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""The methods whose body has no meaning (RFC 9110, 9.3). No endpoint reads such a body."""


class HttpProtocol(HttpConnection):
    """An HTTP connection, which parses requests with httptools, and hands its socket over to a viewer.

    The bytes that aren't a body are limited (`server/protocols/framing.py`).
    """

    __slots__ = ("_upgrading",)

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

    def handle_websocket_upgrade(self) -> None:
        """Give the parsed request and the connection to the WebSocket protocol.

        If an earlier request isn't answered yet, or its answer hasn't been read yet, the connection is ended instead.
        """
        if not self._answered:
            # An earlier request isn't answered yet, and may hand the connection over itself.
            self._end_after_answers(Reason.MALFORMED)
            return
        if self.flow.write_paused:
            # As in `hand_over`. The transport still sends what waits, and then closes.
            self._stop(Reason.TOO_MANY_WAITING)
            self.transport.close()
            return
        self._leave_room()
        if self.ws_protocol_class is not ViewerProtocol:
            super().handle_websocket_upgrade()
            return
        full = self._full()
        self.connections.discard(self)
        protocol = ViewerProtocol(self.config, self.server_state, self.app_state)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        request = Request(self.scope["method"].encode(), self.url, self.headers, self.scope["http_version"])
        protocol.begin(request, self.server, self.client, "wss" if self.scheme == "https" else "ws", full=full)
        self._drop_parser()

    def on_headers_complete(self) -> None:
        """Check the head of a request, and start the application with our extension in the ASGI scope.

        Called by the parser. If an earlier request isn't answered yet, the application is started later. If the request
        is to open a WebSocket, the application isn't started here, but by the WebSocket protocol.

        Raises Denied if the head breaks a limit, and TooManyWaiting if `WAITING_MAX` requests wait on this connection
        already.
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
            self.room.idle.pop(self, None)
            # The references are weak, because this object refers to the scope. A reference cycle would stay in memory
            # until the garbage collector runs.
            self.scope["extensions"] = {
                EXTENSION: {
                    "hand_over": partial(hand_over, ref(self)),
                    "full": self._full(),
                    "gone": partial(is_gone, ref(self.cycle)),
                    "claim": partial(claim, ref(self), ref(self.cycle)),
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
            self.room.idle[self] = None
        super().on_response_complete()
        if not self._refusing:
            self._refusals = max(0, self._refusals - 1)
        self._refusing = False
        if self._rest_seconds and not (self._stopped or self.transport.is_closing()):
            if self._answered:
                self._begin_rest()
            else:
                # Another request came while this answer waited for its client to read. That request is answered, and no
                # request after it.
                self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Count bytes of a request's body, and keep them if the endpoint may still read them.

        If more than `BODY_WAITING` bytes wait for the endpoint, reading is paused, and the rest waits in the kernel.
        Reading is also paused if the method is in `BODILESS`; the bytes aren't kept then.
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

        Raises Conflict if other requests wait on this connection, since they would never be answered. Also raises
        Conflict if the client hasn't read earlier answers. Raises ClientDisconnected if the client has gone, and
        RuntimeError if an answer was begun already.
        """
        cycle = self.cycle
        if self.pipeline:
            raise Conflict("a stream ends with its connection: no request can follow it there")
        if self.flow.write_paused:
            # Only a client that doesn't wait for answers can come here. The transport reports only once that it can't
            # send on, and this object has got the report. So the viewer would never know that its client doesn't read.
            raise Conflict("earlier answers on this connection haven't been read: open another one for the stream")
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
        self._leave_room()
        self._drop_parser()
        return viewer

    def _drop_parser(self) -> None:
        """Delete the parser of a connection that has another protocol now.

        The parser refers to methods of this object. Without the deletion, the two would stay in memory as a reference
        cycle.
        """
        del self.parser
