"""Requests to one server over HTTP. A request is repeated if the server doesn't answer or is busy. Answers are decoded
no faster than a throttle permits."""

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
"""The longest pause, in seconds, that a server may ask for in `Retry-After`. A longer pause is cut to this one."""
AGAIN = frozenset({429, 503})
"""The statuses after which a request is repeated: 429 Too Many Requests, 503 Service Unavailable. Both statuses say
that the server hasn't carried out the request."""
ATTEMPT = "liveserver.attempt"
"""The key in a response's `extensions` for the number of the attempt that was answered: 1 for the first attempt."""
MESSAGE_BYTES = 20_000
"""The number of bytes that the throttle counts as one more message. For example, an answer of 40,000 bytes counts as
three messages: one for the answer, and two for its bytes."""
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", re.ASCII)
"""A pattern of IPv4 addresses and host names (RFC 1123, 2.1). Underscores are allowed, as names of containers may have
them."""
_HOST_MAX = 253
_UNREACHABLE = (httpx2.TransportError,)


class Gate(Protocol):
    """The guard that decides to which addresses a client may connect. A gate may also limit the size of answers."""

    async def address(self, host: str, port: int) -> str:
        """Return the IP address to connect to for a host. Raises OSError if connections to the host aren't
        permitted."""

    def transport(self) -> httpx2.AsyncBaseTransport:
        """Return a transport for HTTP requests. The transport connects to permitted addresses only."""


class Requests:
    """The requests to the API of one server.

    If a request gets no answer, or an answer with the status 429 or 503, it is sent again, up to `TRIES` times in all.
    Before each new attempt, there is a pause of random length. The pauses grow from attempt to attempt. If the server
    asks for a number of seconds as a pause, that pause, cut to `RETRY_AFTER_MAX`, is added to ours. `Client` describes
    the parameters.
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
        """Send a request to the API, and return the JSON object in the answer.

        Returns an empty object if the server accepts the request, and its answer has no content. Raises ClientError if
        the server refuses the request, even if the content of the refusal isn't JSON. Raises Broken if the server
        accepts the request with content that isn't JSON, or if any answer is JSON, but no object. Also raises the
        errors of `answer`, and Broken as `read` does.
        """
        response = await self.answer(method, path, **options)
        content = response.content
        try:
            answer = await self.read(content) if content else {}
        except orjson.JSONDecodeError:
            if response.is_success:
                raise Broken(f"{self.url} answers with what is no JSON: is it a liveserver?") from None
            answer = {}
        if not isinstance(answer, dict):
            raise Broken(f"{self.url} answers with what is no object")
        if response.is_success:
            return answer
        raise _refused(response, answer, self.url)

    async def answer(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request, several times if necessary, and return the answer, whatever its status is.

        Raises Unreachable if there is no answer. Raises ClientError if the path isn't valid in a URL, or the answer
        can't be decoded. Raises ClientError also if the gate refuses the answer, for example because of its size.
        """
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
                    response.extensions[ATTEMPT] = attempt
                    return response
                pause = self.asked_pause(response.status_code, response.headers)
            await asyncio.sleep(pause + random.uniform(backoff / 2, backoff))
            backoff *= 2
        raise AssertionError

    def asked_pause(self, status: int, headers: Mapping[str, str]) -> float:
        """Return the seconds that the `Retry-After` of an answer asks us to wait, at most `RETRY_AFTER_MAX`; 0 if it
        asks for no pause. If it asks for one, call `on_wait` with the reason and the seconds."""
        seconds = _retry_after(headers)
        if seconds:
            busy = "too many requests of ours" if status == 429 else "no time for it now"
            self._on_wait(f"{self.url} has {busy} ({status})", seconds)
        return seconds

    async def take_turn(self, size: int = 0) -> None:
        """Wait until the throttle permits a message of `size` bytes. The throttle counts the message.

        Without a throttle, return immediately.
        """
        if self.throttle is not None:
            await asyncio.sleep(self.throttle.spend(1 + size / MESSAGE_BYTES))

    async def read(self, text: bytes) -> Any:
        """Wait until the throttle permits a text that the server sent. Decode the text as JSON, and return the value.

        Raises JSONDecodeError if the text isn't JSON. With a throttle, raises Broken if decoding would need much time:
        if the text has more than `VALUES_MAX` strings, commas, colons and opening brackets, counted together.
        """
        await self.take_turn(len(text))
        if self.throttle is not None and await has_too_many(text):
            raise Broken(f"{self.url} sent a message of more than {VALUES_MAX} names, values and punctuation")
        return orjson.loads(text)


def server_url(url: str) -> str:
    """Return a server's URL without slashes at the end. Raises ClientError if `url` isn't an HTTP(S) URL, or if its
    host or port isn't valid."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        # The host is checked in the ASCII form in which it will be looked up.
        host = httpx2.URL(url).raw_host.decode("ascii")
        good = good and (":" in host or (len(host) <= _HOST_MAX and _HOST.fullmatch(host) is not None))
    except (ValueError, httpx2.InvalidURL):
        good = False
    if not good:
        raise ClientError(0, f"not a server's URL: {url} (it is like https://live.example.org)")
    return url.rstrip("/")


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return how many seconds a server asks us to wait (RFC 9110, 10.2.3), but at most `RETRY_AFTER_MAX`.

    Returns 0 if the server doesn't ask us to wait, names a date instead of seconds, or writes more than eight digits.
    """
    text = headers.get("Retry-After", "")
    return min(float(text), RETRY_AFTER_MAX) if text.isascii() and text.isdigit() and len(text) < 9 else 0.0


def _refused(response: httpx2.Response, problem: Message, server: str) -> ClientError:
    bad = "; ".join(f"{error['pointer']}: {error['detail']}" for error in problem.get("errors", ()))
    detail = bad or problem.get("detail") or response.reason_phrase
    refused = ClientError(response.status_code, f"{response.status_code} {detail}", problem, server)
    refused.repeated = response.extensions[ATTEMPT] > 1
    return refused
