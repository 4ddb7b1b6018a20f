"""Requests to one server over HTTP: repeated if that is safe, and read no faster than a throttle permits."""

from __future__ import annotations

import asyncio
import random
import re
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import httpx2
import orjson

from liveserver.client.errors import Broken, ClientError, Unreachable
from liveserver.client.tls_context import client_context
from liveserver.utils.json_cost import VALUES_MAX, has_too_many

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from liveserver.client.tracker import Message
    from liveserver.utils.limits.rate_limiter import Throttle


TIMEOUT = 10.0
TRIES = 5
BACKOFF_FIRST = 0.5
RETRY_AFTER_MAX = 60.0
"""The most seconds of a server's `Retry-After` that we wait."""
AGAIN = frozenset({429, 503})
"""Statuses after which a request is repeated (too many requests, not now): the server has done nothing."""
MESSAGE_BYTES = 20_000
"""Bytes of a message, or an answer, that count as one more message for the throttle."""
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", re.ASCII)
"""Host names (RFC 1123, 2.1), also with underscores, which names of containers may have; and IPv4 addresses."""
_HOST_MAX = 253
_UNREACHABLE = (httpx2.TransportError,)


class Gate(Protocol):
    """A decision about the addresses that connections may go to."""

    async def address(self, host: str, port: int) -> str:
        """Return the address for a connection to a host. Raises OSError if no connection is permitted."""

    def transport(self) -> httpx2.AsyncBaseTransport:
        """Return the transport of HTTP requests."""


class Requests:
    """The requests to the API of one server.

    A request that gets no answer, 429 or 503 is sent up to `TRIES` times in all, and not repeated before the time that
    the server names. `gate`, `throttle`, `on_wait` and `on_silence`: see `Client`.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        gate: Gate | None = None,
        throttle: Throttle | None = None,
        on_wait: Callable[[str, float], None],
        on_silence: Callable[[str], None],
    ) -> None:
        self.url = server_url(url)
        self.gate = gate
        self.throttle = throttle
        self._on_wait = on_wait
        self._on_silence = on_silence
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        gate_options: dict[str, Any] = {"transport": gate.transport(), "trust_env": False} if gate else {}
        self._http = httpx2.AsyncClient(
            base_url=f"{self.url}/api/v1",
            headers=headers,
            timeout=TIMEOUT,
            verify=client_context(urlsplit(self.url).scheme, trust_env=gate is None),
            **gate_options,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def send(self, method: str, path: str, **options: Any) -> Message:
        """Send a request, and return the JSON object of its answer, which may be empty.

        Raises ClientError if the server refuses, Unreachable, and Broken if the answer is no object.
        """
        response = await self.answer(method, path, **options)
        content = response.content
        try:
            answer = await self.read(content) if content else {}
        except orjson.JSONDecodeError:
            answer = {}
        if not isinstance(answer, dict):
            raise Broken(f"{self.url} answers with what is no object")
        if response.is_success:
            return answer
        raise _refused(response, answer, self.url)

    async def answer(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request, and return its answer, whatever the status. Raises ClientError, and Unreachable."""
        backoff = BACKOFF_FIRST
        was_silent = False
        for attempt in range(1, TRIES + 1):
            pause = 0.0
            try:
                response = await self._http.request(method, path, **options)
            except httpx2.InvalidURL as error:
                raise ClientError(0, f"{self.url}: no request can be made of {path[:200]!r}: {error}") from error
            except httpx2.DecodingError as error:
                raise ClientError(413, f"{self.url}: {error}") from error
            except _UNREACHABLE as error:
                if attempt == TRIES:
                    raise Unreachable(f"can't reach {self.url}: {str(error) or type(error).__name__}") from error
                if not was_silent:
                    was_silent = True
                    self._on_silence(self.url)
            else:
                if response.status_code not in AGAIN or attempt == TRIES:
                    return response
                pause = self.asked_pause(response.status_code, response.headers)
            await asyncio.sleep(pause + random.uniform(backoff / 2, backoff))
            backoff *= 2
        raise AssertionError

    def asked_pause(self, status: int, headers: Mapping[str, str]) -> float:
        """Return the seconds that an answer asks to wait (0: none), and call `on_wait` with them."""
        seconds = _retry_after(headers)
        if seconds:
            busy = "too many requests of ours" if status == 429 else "no time for it now"
            self._on_wait(f"{self.url} has {busy} ({status})", seconds)
        return seconds

    async def take_turn(self, size: int = 0) -> None:
        """Wait until the throttle lets the server's next message, of so many bytes, be taken."""
        if self.throttle is not None:
            await asyncio.sleep(self.throttle.spend(1 + size / MESSAGE_BYTES))

    async def read(self, text: bytes) -> Any:
        """Decode JSON from the server, once the throttle permits it. Raises Broken, and JSONDecodeError."""
        await self.take_turn(len(text))
        if self.throttle is not None and await has_too_many(text):
            raise Broken(f"{self.url} sent a message of more than {VALUES_MAX} names, values and signs")
        return orjson.loads(text)


def server_url(url: str) -> str:
    """Return a server's URL, without a trailing slash. Raises ClientError if the text is no such URL."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        # The host in ASCII, as it will be looked up.
        host = httpx2.URL(url).raw_host.decode("ascii")
        good = good and (":" in host or (len(host) <= _HOST_MAX and _HOST.fullmatch(host) is not None))
    except (ValueError, httpx2.InvalidURL):
        good = False
    if not good:
        raise ClientError(0, f"not a server's URL: {url} (it is like https://live.example.org)")
    return url.rstrip("/")


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a server asks to wait (RFC 9110, 10.2.3); 0 if it doesn't, or names a date."""
    text = headers.get("Retry-After", "")
    return min(float(text), RETRY_AFTER_MAX) if text.isascii() and text.isdigit() and len(text) < 9 else 0.0


def _refused(response: httpx2.Response, problem: Message, server: str) -> ClientError:
    bad = "; ".join(f"{error['pointer']}: {error['detail']}" for error in problem.get("errors", ()))
    detail = bad or problem.get("detail") or response.reason_phrase
    return ClientError(response.status_code, f"{response.status_code} {detail}", problem, server)
