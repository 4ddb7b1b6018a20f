"""The stream of one live blog over WebSocket. If the connection is lost, a new one is made. Changes that the stream
doesn't deliver are read over HTTP."""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

from liveserver.client.deletion_reports import DeletionReporter
from liveserver.client.errors import Broken, ClientError
from liveserver.client.throttled_connection import ThrottledConnection
from liveserver.client.tls_context import client_context
from liveserver.client.tracker import Step, Tracker
from liveserver.domain.change import Position
from liveserver.domain.ids import SLUG_PATTERN
from liveserver.protocol.close_codes import CLOSE_NOT_ADMITTED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Mapping

    from liveserver.client.requests import Requests
    from liveserver.client.tracker import Message


BACKOFF_FIRST = 1.0
"""The greatest random pause before the first new connection, in seconds. Before each further connection, the greatest
pause is doubled, up to BACKOFF_MAX."""
BACKOFF_MAX = 15.0
STABLE = 5.0
"""The seconds that a connection must last after its `hello` to set the greatest pause back to BACKOFF_FIRST. After a
shorter connection, the greatest pause goes on doubling."""
MESSAGE_MAX = 2 * 1024 * 1024
"""The greatest number of bytes of a message of the stream; Broken is raised if a message is longer. A liveserver sends
messages of at most half this size: the longest messages contain the body of an entry twice."""
CONNECTION_MESSAGES = 100
"""How many messages the throttle counts for each new connection. So a follower doesn't connect again and again, without
pauses, to a server that ends each connection immediately."""
QUEUE_MAX = 4
"""How many messages may wait in this process until they are read, if the client has a throttle. More messages wait at
the server."""
CLOSE_SECONDS = 2.0
"""The greatest number of seconds to wait for the answer to our close frame, if the client has a throttle."""
ROUNDS_MAX = 10
"""The greatest number of attempts to read missing changes over HTTP, when a message of the stream shows that some are
missing. One attempt isn't always enough, as a cache or a replica of the database may answer with older data. An attempt
that brings nothing new is the last. If changes are still missing then, the message is ignored."""
BACK_AFTER_MAX = 600.0
"""The greatest number of seconds that a follower waits before it connects again, if the server's message `reconnect`
names a number of seconds to wait. A greater number in the message is replaced by this limit."""
FINAL_CODES = range(4500, 5000)
"""The close codes after which a follower doesn't connect again."""
BROKEN_CODES = frozenset({1002, 1007, 1009})
"""The close codes with which we end a connection if the server breaks the protocol, or sends a message that is too
large (RFC 6455, 7.4.1)."""

_SLUG = re.compile(SLUG_PATTERN)
_LOST = (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, TimeoutError)


class Reader(Protocol):
    """The reads over HTTP that a `LiveStream` needs. `Client` implements these reads. A read that fails raises
    ClientError."""

    async def snapshot(self, slug: str) -> Message:
        """Return a live blog's snapshot: its newest entries as of one position, and this position."""

    async def changes(self, slug: str, after: Position) -> Message:
        """Return the earliest changes of a live blog after a position, in the form that `Client.changes` describes."""

    async def embed(self, slug: str) -> Message:
        """Return an object that says whether other sites may show the live blog. If they may not, `reason` says why."""


class Callbacks(NamedTuple):
    """The functions that a follower calls. `Client.follow` describes when it calls each, and with which arguments."""

    on_state: Callable[[str], None]
    on_message: Callable[[Message], None]
    on_error: Callable[[Exception], None]


class LiveStream:
    """The stream of one live blog, from the position `after` on (None: from now).

    `query`: parameters for the stream's address. `confirming`: the ids of the entries that the follower has at the
    beginning, if the follower confirms deletions; None if it doesn't confirm deletions. `sleep`: waits for a number of
    seconds before a new connection.
    """

    def __init__(
        self,
        requests: Requests,
        reader: Reader,
        slug: str,
        after: Position | None,
        *,
        query: Mapping[str, str],
        callbacks: Callbacks,
        confirming: Iterable[str] | None,
        sleep: Callable[[float], Coroutine[Any, Any, None]],
    ) -> None:
        self._requests = requests
        self._reader = reader
        self._slug = slug
        self._tracker = Tracker(after)
        self._query = query
        self._callbacks = callbacks
        self._reporter = None if confirming is None else DeletionReporter(confirming)
        self._sleep = sleep
        self._backoff = BACKOFF_FIRST
        """The greatest number of seconds of the next random pause before a connection. Seconds that the server asks for
        in `Retry-After` are added to the random pause."""
        self._hello_at: float | None = None
        """When this connection's `hello` came, on the event loop's clock. None if none has come."""
        self._back_at: float | None = None
        """When to connect again, as the server's message `reconnect` says: a time on the event loop's clock. None if no
        such message came on this connection."""

    async def messages(self) -> AsyncGenerator[Message]:
        """Yield every change once, in order, for ever.

        Raises ClientError with the status 403 if the partner isn't admitted, and with the status 404 if the live blog
        doesn't exist. Raises Broken if the server breaks the protocol.
        """
        if not _SLUG.fullmatch(self._slug):
            # The server would refuse the handshake, and we would repeat the handshake for ever. This refusal looks like
            # the refusal of a proxy while the server starts.
            raise self._unknown()
        clock = asyncio.get_running_loop().time
        while True:
            self._back_at = self._hello_at = None
            pause = 0.0
            try:
                async with await self._connected() as connection:
                    self._callbacks.on_state("live")
                    async for raw in connection:
                        async for change in self._received(raw if isinstance(raw, bytes) else raw.encode()):
                            yield change
                            if self._reporter is not None:
                                self._reporter.saw(change, connection.send)
            except (*_LOST, ClientError) as error:
                pause = await self._lost(error)
            finally:
                if self._reporter is not None:
                    self._reporter.stop()
            self._callbacks.on_state("lost")
            if self._hello_at is not None and clock() - self._hello_at >= STABLE:
                self._backoff = BACKOFF_FIRST
            if self._back_at is None:
                await self._sleep(pause + random.uniform(0, self._backoff))
                self._backoff = min(self._backoff * 2, BACKOFF_MAX)
            else:
                await self._sleep(max(0.0, self._back_at - clock()))

    async def _received(self, raw: bytes) -> AsyncIterator[Message]:
        message = await self._requests.read(raw)
        self._callbacks.on_message(message)
        if message["type"] == "hello":
            self._hello_at = asyncio.get_running_loop().time()
        if message["type"] == "reconnect":
            # The server goes on delivering on this connection until it ends.
            after = min(message["after_ms"] / 1000, BACK_AFTER_MAX)
            self._back_at = asyncio.get_running_loop().time() + after
            return
        async for change in self._apply(message):
            yield change

    async def _lost(self, error: Exception) -> float:
        """Handle the error that ended or prevented a connection, and report the error to `on_error`.

        Returns how many seconds the server asks us to wait before the next connection; 0 if the server doesn't ask us
        to wait. Raises ClientError if a new connection would be useless, and Broken if the server breaks the protocol.
        """
        if isinstance(error, Broken):
            raise error
        if isinstance(error, ConnectionClosed):
            if error.rcvd is not None and error.rcvd.code in FINAL_CODES:
                raise await self._refusal(error.rcvd.code) from None
            if error.sent is not None and not error.rcvd_then_sent and error.sent.code in BROKEN_CODES:
                raise Broken(f"its stream can't be read: {error}") from None
        pause = 0.0
        if isinstance(error, InvalidStatus):
            pause = self._requests.asked_pause(error.response.status_code, error.response.headers)
        self._callbacks.on_error(error)
        return pause

    async def _apply(self, message: Message) -> AsyncIterator[Message]:
        step, previous_position = self._tracker.step(message), None
        # A cache, or a replica of the database, may answer with older data. Then the missed changes end before the
        # message of the stream that showed the gap.
        for _ in range(ROUNDS_MAX):
            if step is not Step.RESYNC or self._tracker.position == previous_position:
                break
            previous_position = self._tracker.position
            async for missed in self._missed():
                yield missed
            step = self._tracker.step(message)
        if step is Step.APPLY:
            yield message
        elif step is Step.RESET:
            yield await self._snapshot_message()

    async def _snapshot_message(self) -> Message:
        snapshot = await self._reader.snapshot(self._slug)
        self._tracker.caught_up(Position(snapshot["epoch"], snapshot["seq"]))
        return {"type": "reset", **snapshot}

    async def _missed(self) -> AsyncIterator[Message]:
        assert self._tracker.position is not None
        while True:
            answer = await self._reader.changes(self._slug, self._tracker.position)
            if answer.get("reset"):
                yield await self._snapshot_message()
                return
            check_progress(self._tracker.position, answer)
            for event in answer["events"]:
                await self._requests.take_turn()
                if event["type"] == "gone":
                    if self._tracker.step(event) is Step.APPLY:
                        yield event
                    continue
                self._tracker.caught_up(Position(answer["epoch"], event["seq"]))
                yield event
            if not answer["more"]:
                self._tracker.caught_up(Position(answer["epoch"], answer["seq"]))
                return

    async def _connected(self) -> connect:
        after = self._tracker.position
        parts = urlsplit(f"{self._requests.url}/api/v1/liveblogs/{quote(self._slug)}/ws")
        scheme = "wss" if parts.scheme == "https" else "ws"
        query = urlencode({**({"after": str(after)} if after else {}), **self._query})
        url = urlunsplit(parts._replace(scheme=scheme, query=query))
        tls = client_context("https", trust_env=self._requests.gate is None) if scheme == "wss" else None
        options: dict[str, Any] = {"max_size": MESSAGE_MAX, "ssl": tls}
        if self._requests.throttle is not None:
            await asyncio.sleep(self._requests.throttle.spend(CONNECTION_MESSAGES))
            # Without compression, as a small compressed message can be huge when it is unpacked.
            options["compression"] = None
            options["max_queue"] = QUEUE_MAX
            options["close_timeout"] = CLOSE_SECONDS
            options["create_connection"] = partial(ThrottledConnection, throttle=self._requests.throttle)
        if self._requests.gate is None:
            return connect(url, **options)
        port = parts.port or (443 if scheme == "wss" else 80)
        host = await self._requests.gate.address(parts.hostname or "", port)
        return _WithoutRedirects(url, **options, host=host, port=port, proxy=None)

    async def _refusal(self, code: int) -> ClientError:
        if code != CLOSE_NOT_ADMITTED:
            return self._unknown()
        reason = "refused"
        with suppress(ClientError):
            reason = (await self._reader.embed(self._slug))["reason"] or reason
        return ClientError(403, f"{self._requests.url} doesn't let us in: {reason}", {"reason": reason})

    def _unknown(self) -> ClientError:
        return ClientError(404, f"no live blog {self._slug} at {self._requests.url}")


class _WithoutRedirects(connect):
    """A connection that follows no redirects. A redirect could lead to an address that the client's `Gate`
    doesn't permit."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Return `exc`, the reason why connecting failed, even if it is a redirect. So the library `websockets` raises
        `exc`, and doesn't follow the redirect."""
        return exc


def check_progress(after: Position, answer: Message) -> None:
    """Raise Broken if an answer says that there are more changes, but has no change after the position `after`.

    Without this check, a follower would read the same changes for ever.
    """
    events = answer["events"]
    if answer["more"] and not (events and min(answer["seq"], events[-1]["seq"]) > after.seq):
        raise Broken(f"it has more changes after {after}, and doesn't tell them")
