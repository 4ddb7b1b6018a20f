"""An HTTP connection of uvicorn, with limits on time and on the number of connections.

This module decides how long a connection may last, and when it is ended to make room for another one. It also decides
which last answer is sent on a connection. The data that comes on a connection is parsed in `http_protocol.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr, is_ssl

from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.realtime.transport.socket_viewer import LINGER, hang_up
from liveserver.realtime.transport.timer_wheel import wheel_of
from liveserver.server.protocols import denials
from liveserver.server.protocols.connection_room import LEAVING_MAX, LEAVING_SECONDS, ConnectionRoom
from liveserver.server.protocols.framing import Allowance
from liveserver.server.protocols.scope_functions import no_bytes
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Hashable

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from liveserver.server.protocols.denials import Denial

BODY_RATE = 1024
"""The number of bytes a second at which a request's body must come to get more time than `body_seconds`.

The rate is low because reporters send pictures by telephone, from places where the network is busy."""

REFUSALS_FREE = 3
"""The number of refusals on one connection that have no consequence. After each further refusal, the connection rests:
nothing that the client sends is parsed for a while. Each answer that isn't a refusal lowers the count by one.

An honest client is refused now and then, perhaps because of other clients behind the same address."""

HELD_MAX = 4 * 1024
"""The greatest number of bytes that may come on a resting connection. These bytes are kept, and are parsed when the
rest ends.

If more bytes come, the connection is ended."""


class HttpConnection(HttpToolsProtocol):
    """An HTTP connection of uvicorn, from its beginning to its end.

    Time is limited: while a head or a body is incomplete, the connection is on the timer wheel, which also pings
    viewers. When the time for the head or the body is over, the wheel calls `due`.
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
        """The request that the application is answering, or has answered last; None before the first request.

        uvicorn's `cycle` is the request that came last."""
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
        """A count of the refusals on this connection. Each other answer lowers the count by one, but not below 0."""
        self._held = b""
        """The bytes that have come while the connection rests. They aren't parsed yet."""
        self._rest_timer = None
        """The timer that calls `_end_rest`; None while the connection doesn't rest."""
        if not self.room.has_room(self.connections):
            self._turn_away(transport)
            return
        # This call and some below name the class: `super()` takes three times as long, for every viewer that connects.
        HttpToolsProtocol.connection_made(self, transport)
        self.room.idle[self] = None
        self._on_wheel = True
        self._wheel = wheel_of(self.loop)
        self._wheel.add(self, self.room.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Free everything that is kept for the connection, because it has ended."""
        self._leave_room()
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

    def _leave_room(self) -> None:
        """Stop the timers, and remove the connection from the timer wheel and from the room.

        This method is called if the connection has ended, and also if the connection has another protocol now.
        """
        self._leave_wheel()
        if self._end_timer is not None:
            self._end_timer.cancel()
            self._end_timer = None
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None
        self.room.forget(self)

    def pause_writing(self) -> None:
        """Note that the client reads its answer too slowly.

        Until `resume_writing` is called, `room.unread` counts the bytes that wait for this client.
        """
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

    def due(self) -> int | None:
        """End the connection because a head or a body is late, or give the client more time.

        Called by the timer wheel when the time for the head or the body is over. Returns the seconds until the next
        call if the client gets more time; None if the connection is ended.
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

    def rest(self, client: tuple[str, int] | None, seconds: float) -> None:
        """Let the connection rest for `seconds` after the present answer, which is a refusal.

        While a connection rests, nothing that comes on it is parsed. The first `REFUSALS_FREE` refusals are only
        counted. If other requests wait on the connection, it doesn't rest, but is ended after the answer.

        `client`: the client's address and port, as the application knows them. If the connection has another address or
        port, it belongs to a proxy, and serves other clients, too. In that case, nothing is done.
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
        """Move the connection from its address's group in `room.receiving` to the group of `owner`, an API key.

        Does nothing if no body is still coming.
        """
        if self in self.room.receiving:
            self.room.receiving.add(self, owner)

    def _begin_rest(self) -> None:
        # During its rest the connection counts as idle, and is the first to end if room is needed. Its socket is still
        # read, as otherwise nobody would see that the client has left.
        self._unset_keepalive_if_required()
        self.room.idle.pop(self, None)
        self.room.resting[self] = None
        self._rest_timer = self.loop.call_later(self._rest_seconds, self._end_rest)
        self._rest_seconds = 0.0

    def _hold(self, data: bytes) -> None:
        """Keep data that comes while the connection rests. If it is more than `HELD_MAX` bytes, end the connection."""
        self._held += data
        if len(self._held) > HELD_MAX:
            self._stop(Reason.RATE)
            self.transport.abort()

    def _end_rest(self) -> None:
        self._rest_timer = None
        self.room.resting.pop(self, None)
        if self._stopped or self.transport.is_closing():
            return
        self.room.idle[self] = None
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        if self._held:
            held, self._held = self._held, b""
            self.data_received(held)

    @property
    def _answered(self) -> bool:
        """True if all requests on this connection are completely answered, or if there was no request."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _full(self) -> bool:
        """Return True if no new stream is accepted (`ConnectionRoom.full`)."""
        return self.room.full(self.connections)

    def _leave_wheel(self) -> None:
        """Remove the connection from the timer wheel. Does nothing if the connection isn't on the wheel."""
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

        The client gets the denial as the last answer, except in two cases: earlier requests wait for their answers, or
        the answer to this request has begun.
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
        """Send a last answer, and end the connection after at most `seconds` seconds.

        Until then, data from the client is read and thrown away. Otherwise, the connection to a client that is still
        sending would be reset, and the client couldn't read the answer.
        """
        self.transport.write(answer)
        self._end_timer = hang_up(self.transport, seconds)
