"""A small client: publish, edit and delete over HTTP, and follow a live blog over WebSocket without losing anything."""

from __future__ import annotations

import asyncio
import random
import re
import uuid
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import httpx2
import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

from liveserver.client.throttled_connection import ThrottledConnection
from liveserver.client.tls_context import client_context
from liveserver.domain.change import Position
from liveserver.domain.errors import LiveserverError
from liveserver.domain.ids import SLUG_PATTERN
from liveserver.protocol.close_codes import CLOSE_NOT_ADMITTED
from liveserver.protocol.messages import gone_answer
from liveserver.utils.json_cost import VALUES_MAX, has_too_many

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Mapping

    from liveserver.utils.limits.rate_limiter import Throttle

Message = dict[str, Any]

TIMEOUT = 10.0
TRIES = 5
BACKOFF_FIRST = 0.5
BACKOFF_MAX = 30.0
RETRY_AFTER_MAX = 60.0
"""Seconds of a server's `Retry-After` that are waited for at most."""
AGAIN = frozenset({429, 503})
"""Statuses after which a request is sent again: too many at once, and not now. Nothing was done."""
MESSAGE_MAX = 2 * 1024 * 1024
"""Bytes of a message of the stream. An entry of the longest body, which it has twice, takes half of that."""
MESSAGE_BYTES = 20_000
"""Bytes of a message, or of an answer, that count as one message more for the throttle."""
CONNECTION_MESSAGES = 100
"""Messages that a connection counts for the throttle: a stream that ends at once isn't opened again and again."""
QUEUE_MAX = 4
"""Messages that wait to be read, beyond which a throttled server's stay there."""
CLOSE_SECONDS = 2.0
"""Seconds in which such a server ends the connection when it is told to."""
ROUNDS_MAX = 10
"""Times that `changes` is asked again in a row, each of which brings something, but not all that the stream told of."""
WITHIN_MAX = 60.0
"""Seconds within which a deletion is confirmed at most, whatever the server asks. Servers ask for twenty at most."""
BACK_AFTER_MAX = 600.0
"""Seconds after which one is back at most, whatever a server says that goes away."""
GONE_MAX = 10_000
"""Entries taken away early that a follower knows of, so that it isn't told twice of the same."""
DETAIL_MAX = 500
"""Characters of a server's words in an error."""
FINAL_CODES = range(4500, 5000)
"""Close codes after which one doesn't come back."""
BROKEN_CODES = frozenset({1002, 1007, 1009})
"""Close codes with which we end a stream that is no WebSocket's, or whose messages are too large (RFC 6455, 7.4.1)."""

_SLUG = re.compile(SLUG_PATTERN)
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", re.ASCII)
"""Names of hosts (RFC 1123, 2.1), and those with an underscore, which containers have; IPv4 addresses, too."""
_HOST_MAX = 253
_UNREACHABLE = (httpx2.TransportError,)
_LOST = (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, TimeoutError)


class ClientError(LiveserverError):
    """The server refused, or can't be reached. `status` is the HTTP status, 0 without an answer.

    `server`: its address, if it answered and the message doesn't name it; empty otherwise.
    """

    def __init__(self, status: int, message: str, problem: Mapping[str, Any] | None = None, server: str = "") -> None:
        super().__init__(message if len(message) <= DETAIL_MAX else f"{message[:DETAIL_MAX]}…")
        self.server = server
        self.status = status
        self.problem = problem or {}


class Unreachable(ClientError):
    """Nobody answered, as often as it was tried."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message)


class Broken(ClientError):
    """What is there doesn't answer as a liveserver does, and won't if it is asked again at once."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message)


class Gate(Protocol):
    """Decides to which addresses connections are made."""

    async def address(self, host: str, port: int) -> str:
        """To which address one to this host goes. Raises OSError if to none."""

    def transport(self) -> httpx2.AsyncBaseTransport:
        """What HTTP requests go through."""


class Step(Enum):
    """What a follower does with a message."""

    APPLY = auto()
    """It is new and the next: use it."""
    IGNORE = auto()
    """It is known, or carries nothing to show."""
    RESYNC = auto()
    """Something is missing before it: ask `changes`."""
    RESET = auto()
    """The position is void: take a snapshot."""


class Tracker:
    """Where a follower stands, and whether what arrives is contiguous. No I/O."""

    def __init__(self, position: Position | None = None) -> None:
        self.position = position
        self._stream_epoch: str | None = None
        """The history that the stream's seqs count in; until a snapshot of it is taken, they mean nothing here."""
        self._section_end = -1
        """Up to this seq messages may skip: they are a replay of latest states."""
        self._gone: dict[str, None] = {}
        """Entries that were taken away before their deletion had its turn, on a stream that is late; oldest first."""

    def step(self, message: Message) -> Step:
        """Take one message of the stream."""
        match message["type"]:
            case "hello":
                return self._hello(message)
            case "reset":
                # After the `hello` that told of it, the snapshot may have been taken already.
                told = Position(message["epoch"], message["seq"])
                self._stream_epoch = told.epoch
                return Step.IGNORE if self._stands_at_or_after(told) else Step.RESET
            case "heartbeat":
                return self._heartbeat(message["seq"])
            case "entry" | "delete" | "liveblog":
                return self._change(message["seq"])
            case "gone":
                # It moves nobody, and may be told again and again.
                if message["id"] in self._gone:
                    return Step.IGNORE
                if len(self._gone) >= GONE_MAX:
                    del self._gone[next(iter(self._gone))]
                self._gone[message["id"]] = None
                return Step.APPLY
            case _:
                return Step.IGNORE

    def caught_up(self, position: Position) -> None:
        """A snapshot or an answer of `changes` was taken, which stands at `position`."""
        self.position = position
        self._section_end = -1

    def _hello(self, message: Message) -> Step:
        told = Position(message["epoch"], message["seq"])
        self._stream_epoch = told.epoch
        if self.position is None:
            self.position = told
            return Step.IGNORE
        if told.epoch != self.position.epoch or (not message["resumed"] and told != self.position):
            return Step.RESET
        self._section_end = told.seq
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


class DeletionReporter:
    """Which entries a follower has, and what it says of those that are deleted."""

    def __init__(self, known: Iterable[str]) -> None:
        self._has = set(known)
        self._tasks: set[asyncio.Task[None]] = set()

    def saw(self, change: Message, send: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        """The follower has done what a message says; if that is to be confirmed, it is, at a random moment."""
        match change["type"]:
            case "entry":
                self._has.add(change["entry"]["id"])
            case "reset":
                self._has = {entry["id"] for entry in (*change["entries"], *change["pinned"])}
            case "delete" | "gone":
                had = change["id"] in self._has
                self._has.discard(change["id"])
                if "confirm" in change:
                    word = gone_answer(change["id"], had=had).decode()
                    within = min(change["confirm"]["within"] / 1000, WITHIN_MAX)
                    task = asyncio.create_task(_later(within, send, word))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """The connection is lost, and with it what wasn't said yet."""
        for task in self._tasks:
            task.cancel()


async def _later(within: float, send: Callable[[str], Coroutine[Any, Any, None]], word: str) -> None:
    await asyncio.sleep(random.uniform(0, within))
    with suppress(ConnectionClosed):
        await send(word)


class Client:
    """Talks to one server. Use it as an asynchronous context manager.

    Raises ClientError for what the server refuses; what got no answer, 429 or 503 is tried again first, not before the
    time that the server names: that is safe, as every entry is sent with an Idempotency-Key.

    `partner`: as which partner of the server's live blogs are read. `gate`: through what connections are made, for who
    mustn't connect to just any address. `throttle`: how much is taken of what the server says, in messages, for who
    mustn't trust it; the rest waits there, and what would take long to read isn't read. `on_wait` hears, before a pause
    that the server asks for, why it is made, and its seconds; `on_silence` the server's address, the first time that a
    request gets no answer.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        partner: str | None = None,
        gate: Gate | None = None,
        throttle: Throttle | None = None,
        on_wait: Callable[[str, float], None] = lambda why, seconds: None,
        on_silence: Callable[[str], None] = lambda url: None,
    ) -> None:
        self._url = server_url(url)
        self._on_wait = on_wait
        self._on_silence = on_silence
        self._reading = {} if partner is None else {"partner": partner}
        self._gate = gate
        self._throttle = throttle
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        through: dict[str, Any] = {"transport": gate.transport(), "trust_env": False} if gate else {}
        self._http = httpx2.AsyncClient(
            base_url=f"{self._url}/api/v1",
            headers=headers,
            timeout=TIMEOUT,
            verify=client_context(urlsplit(self._url).scheme, trust_env=gate is None),
            **through,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def create_liveblog(self, liveblog: Mapping[str, Any]) -> Message:
        """Open a live blog."""
        return await self._send("POST", "/liveblogs", json=liveblog)

    async def liveblog(self, slug: str) -> Message:
        """Read a live blog."""
        return await self._send("GET", f"/liveblogs/{quote(slug)}")

    async def publish(self, slug: str, entry: Mapping[str, Any], *, idempotency_key: str | None = None) -> Message:
        """Publish an entry, once."""
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return await self._send("POST", f"/liveblogs/{quote(slug)}/entries", json=entry, headers=headers)

    async def edit(
        self,
        slug: str,
        entry_id: str,
        patch: Mapping[str, Any],
        *,
        version: int | None = None,
        epoch: str | None = None,
    ) -> Message:
        """Edit an entry, of that version or of whichever is there.

        `epoch`: of the history in which it was read, if that is known: the same version may be another entry's in
        one that a backup brought back.
        """
        edition = f"{version}" if epoch is None else f"{epoch}-{version}"
        headers = {"If-Match": "*" if version is None else f'"{edition}"'}
        return await self._send("PATCH", _entry(slug, entry_id), json=patch, headers=headers)

    async def delete(self, slug: str, entry_id: str) -> None:
        """Delete an entry."""
        await self._send("DELETE", _entry(slug, entry_id))

    async def take_down(self, slug: str, entry_id: str) -> Message | None:
        """Delete an entry and ask viewers to confirm that it is gone; how that begins, or None if nobody ever saw it.

        For one that was deleted so before (a lost answer, perhaps), how far it has got.
        """
        try:
            answer = await self._send("DELETE", _entry(slug, entry_id), params={"confirm": "true"})
        except ClientError as error:
            if error.status != 410:
                raise
            return await self.takedown(slug, entry_id)
        takedown: Message | None = answer["takedown"]
        return takedown

    async def reach(self, slug: str, **query: str) -> Message:
        """How many read it; `query` as the API names it: `from`, `to`, `partner`."""
        return await self._send("GET", f"/liveblogs/{quote(slug)}/reach", params=query)

    async def reach_link(self, slug: str, *, days: int) -> Message:
        """Make a link to the page that draws it, good for so many days: `url` and `expires_at`."""
        return await self._send("POST", f"/liveblogs/{quote(slug)}/reach/links", json={"days": days})

    async def takedown(self, slug: str, entry_id: str) -> Message:
        """How many viewers have confirmed that an entry is gone."""
        return await self._send("GET", f"/liveblogs/{quote(slug)}/takedowns/{quote(entry_id)}")

    async def snapshot(self, slug: str, *, limit: int = 20) -> Message:
        """What a page starts from."""
        query = {"limit": limit, **self._reading}
        return await self._send("GET", f"/liveblogs/{quote(slug)}/snapshot", params=query)

    async def changes(self, slug: str, after: Position, *, limit: int | None = None) -> Message:
        """What changed since a position."""
        query = {"after": str(after), **({} if limit is None else {"limit": limit}), **self._reading}
        return await self._send("GET", f"/liveblogs/{quote(slug)}/changes", params=query)

    async def embed(self, slug: str) -> Message:
        """Whether the live blog may be shown elsewhere, and what is to be said of whose it is."""
        return await self._send("GET", f"/liveblogs/{quote(slug)}/embed", params=self._reading)

    async def file(self, path: str) -> bytes:
        """A file of the server's, by its path; through a gate, of a bounded size."""
        response = await self._answer("GET", f"{self._url}{path}")
        if not response.is_success:
            raise ClientError(response.status_code, f"{response.status_code} {path}")
        return response.content

    async def follow(
        self,
        slug: str,
        after: Position | None = None,
        *,
        on_state: Callable[[str], None] = lambda state: None,
        on_message: Callable[[Message], None] = lambda message: None,
        on_error: Callable[[Exception], None] = lambda error: None,
        confirm: bool = False,
        known: Iterable[str] = (),
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> AsyncGenerator[Message, None]:
        """The changes of a live blog from `after` on (None: from now on), each once and in order, for ever.

        Yields `entry`, `delete`, `gone` and `liveblog` messages, and `{"type": "reset", …}` with a whole snapshot when
        the position was void. It comes back by itself when the connection is lost; `on_state` hears of `live` and
        `lost`, `on_message` of whatever the stream says, before it is heeded, and `on_error` of why it was lost.

        Raises ClientError where one isn't to come back: 403 for a partner that isn't let in, else 404; and Broken for
        a server that doesn't keep to the protocol.

        `confirm`: for who takes away what is deleted before asking for the next message. When the newsroom asks for
        it, the server is told that the entry is gone here; `known` are the ids of those there were before the first.
        """
        if not _SLUG.fullmatch(slug):
            # The handshake would be refused again and again, as by a proxy that doesn't know the server yet.
            raise ClientError(404, f"no live blog {slug} at {self._url}")
        tracker = Tracker(after)
        observer = DeletionReporter(known) if confirm else None
        wait = BACKOFF_FIRST
        clock = asyncio.get_running_loop().time
        while True:
            back_at: float | None = None
            asked = 0.0
            try:
                async with await self._connected(slug, tracker.position) as stream:
                    on_state("live")
                    async for raw in stream:
                        message = await self._read(raw if isinstance(raw, bytes) else raw.encode())
                        wait = BACKOFF_FIRST
                        on_message(message)
                        if message["type"] == "reconnect":
                            # It goes on delivering until then.
                            back_at = clock() + min(message["after_ms"] / 1000, BACK_AFTER_MAX)
                            continue
                        async for change in self._take(slug, tracker, message):
                            yield change
                            if observer is not None:
                                observer.saw(change, stream.send)
            except ConnectionClosed as error:
                if error.rcvd is not None and error.rcvd.code in FINAL_CODES:
                    raise await self._refusal(slug, error.rcvd.code) from None
                if error.sent is not None and not error.rcvd_then_sent and error.sent.code in BROKEN_CODES:
                    raise Broken(f"its stream can't be read: {error}") from None
                on_error(error)
            except Broken:
                raise
            except (*_LOST, ClientError) as error:
                if isinstance(error, InvalidStatus):
                    asked = _retry_after(error.response.headers)
                    if asked:
                        self._on_wait(self._busy(error.response.status_code), asked)
                on_error(error)
            finally:
                if observer is not None:
                    observer.stop()
            on_state("lost")
            await sleep(asked + random.uniform(0, wait) if back_at is None else max(0.0, back_at - clock()))
            wait = min(wait * 2, BACKOFF_MAX)

    async def _take(self, slug: str, tracker: Tracker, message: Message) -> AsyncIterator[Message]:
        step, before = tracker.step(message), None
        # What `changes` gives may end before the message that showed the gap, if a cache or a replica answers.
        for _ in range(ROUNDS_MAX):
            if step is not Step.RESYNC or tracker.position == before:
                break
            before = tracker.position
            async for missed in self._missed(slug, tracker):
                yield missed
            step = tracker.step(message)
        if step is Step.APPLY:
            yield message
        elif step is Step.RESET:
            yield await self._afresh(slug, tracker)

    async def _afresh(self, slug: str, tracker: Tracker) -> Message:
        snapshot = await self.snapshot(slug)
        tracker.caught_up(Position(snapshot["epoch"], snapshot["seq"]))
        return {"type": "reset", **snapshot}

    async def _missed(self, slug: str, tracker: Tracker) -> AsyncIterator[Message]:
        assert tracker.position is not None
        while True:
            answer = await self.changes(slug, tracker.position)
            if answer.get("reset"):
                yield await self._afresh(slug, tracker)
                return
            check_progress(tracker.position, answer)
            for event in answer["events"]:
                await self.take_turn()
                if event["type"] == "gone":
                    if tracker.step(event) is Step.APPLY:
                        yield event
                    continue
                tracker.caught_up(Position(answer["epoch"], event["seq"]))
                yield event
            if not answer["more"]:
                tracker.caught_up(Position(answer["epoch"], answer["seq"]))
                return

    async def _connected(self, slug: str, after: Position | None) -> connect:
        parts = urlsplit(f"{self._url}/api/v1/liveblogs/{quote(slug)}/ws")
        scheme = "wss" if parts.scheme == "https" else "ws"
        query = urlencode({**({"after": str(after)} if after else {}), **self._reading})
        url = urlunsplit(parts._replace(scheme=scheme, query=query))
        tls = client_context("https", trust_env=self._gate is None) if scheme == "wss" else None
        options: dict[str, Any] = {"max_size": MESSAGE_MAX, "ssl": tls}
        if self._throttle is not None:
            await asyncio.sleep(self._throttle.spend(CONNECTION_MESSAGES))
            # What is packed can be small and huge.
            options["compression"] = None
            options["max_queue"] = QUEUE_MAX
            options["close_timeout"] = CLOSE_SECONDS
            options["create_connection"] = partial(ThrottledConnection, throttle=self._throttle)
        if self._gate is None:
            return connect(url, **options)
        port = parts.port or (443 if scheme == "wss" else 80)
        host = await self._gate.address(parts.hostname or "", port)
        return _Straight(url, **options, host=host, port=port, proxy=None)

    async def _refusal(self, slug: str, code: int) -> ClientError:
        if code != CLOSE_NOT_ADMITTED:
            return ClientError(404, f"no live blog {slug} at {self._url}")
        reason = "refused"
        with suppress(ClientError):
            reason = (await self.embed(slug))["reason"] or reason
        return ClientError(403, f"{self._url} doesn't let us in: {reason}", {"reason": reason})

    async def _send(self, method: str, path: str, **options: Any) -> Message:
        response = await self._answer(method, path, **options)
        content = response.content
        try:
            answer = await self._read(content) if content else {}
        except orjson.JSONDecodeError:
            answer = {}
        if not isinstance(answer, dict):
            raise Broken(f"{self._url} answers with what is no object")
        if response.is_success:
            return answer
        raise _refused(response, answer, self._url)

    async def take_turn(self, size: int = 0) -> None:
        """Wait until the server's next message may be taken, of so many bytes; the event loop has its turns."""
        if self._throttle is not None:
            await asyncio.sleep(self._throttle.spend(1 + size / MESSAGE_BYTES))

    async def _read(self, text: bytes) -> Any:
        """What some JSON of the server's says, when it is its turn. Raises Broken, and JSONDecodeError."""
        await self.take_turn(len(text))
        if self._throttle is not None and await has_too_many(text):
            raise Broken(f"{self._url} sent a message of more than {VALUES_MAX} names, values and signs")
        return orjson.loads(text)

    async def _answer(self, method: str, path: str, **options: Any) -> httpx2.Response:
        wait = BACKOFF_FIRST
        silent = False
        for attempt in range(1, TRIES + 1):
            asked = 0.0
            try:
                response = await self._http.request(method, path, **options)
            except httpx2.InvalidURL as error:
                raise ClientError(0, f"{self._url}: no request can be made of {path[:200]!r}: {error}") from error
            except httpx2.DecodingError as error:
                raise ClientError(413, f"{self._url}: {error}") from error
            except _UNREACHABLE as error:
                if attempt == TRIES:
                    raise Unreachable(f"can't reach {self._url}: {str(error) or type(error).__name__}") from error
                if not silent:
                    silent = True
                    self._on_silence(self._url)
            else:
                if response.status_code not in AGAIN or attempt == TRIES:
                    return response
                asked = _retry_after(response.headers)
                if asked:
                    self._on_wait(self._busy(response.status_code), asked)
            await asyncio.sleep(asked + random.uniform(wait / 2, wait))
            wait *= 2
        raise AssertionError

    def _busy(self, status: int) -> str:
        return f"{self._url} has {'too many requests of ours' if status == 429 else 'no time for it now'} ({status})"


class _Straight(connect):
    """A connection that isn't sent elsewhere."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """None is followed."""
        return exc


def server_url(url: str) -> str:
    """A server's URL as requests are made of it. Raises ClientError for what is none, or names no host."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        # As it is looked up: in ASCII, whatever its letters are here.
        host = httpx2.URL(url).raw_host.decode("ascii")
        good = good and (":" in host or (len(host) <= _HOST_MAX and _HOST.fullmatch(host) is not None))
    except (ValueError, httpx2.InvalidURL):
        good = False
    if not good:
        raise ClientError(0, f"not a server's URL: {url} (it is like https://live.example.org)")
    return url.rstrip("/")


def _retry_after(headers: Mapping[str, str]) -> float:
    """The seconds for which a server asks to wait (RFC 9110, 10.2.3); 0 if it doesn't, or names a date."""
    text = headers.get("Retry-After", "")
    return min(float(text), RETRY_AFTER_MAX) if text.isascii() and text.isdigit() and len(text) < 9 else 0.0


def _entry(slug: str, entry_id: str) -> str:
    return f"/liveblogs/{quote(slug)}/entries/{quote(entry_id)}"


def check_progress(after: Position, answer: Message) -> None:
    """Raises Broken for an answer of `changes` that promises more, and doesn't get on."""
    events = answer["events"]
    if answer["more"] and not (events and min(answer["seq"], events[-1]["seq"]) > after.seq):
        raise Broken(f"it has more changes after {after}, and doesn't tell them")


def _refused(response: httpx2.Response, problem: Message, server: str) -> ClientError:
    bad = "; ".join(f"{error['pointer']}: {error['detail']}" for error in problem.get("errors", ()))
    detail = bad or problem.get("detail") or response.reason_phrase
    return ClientError(response.status_code, f"{response.status_code} {detail}", problem, server)
