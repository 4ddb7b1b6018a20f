"""Denials: complete answers to requests that aren't served, because they break a limit or the rules of HTTP.

They are sent without calling the application. This module does no I/O.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from liveserver.protocol import json_encoding
from liveserver.realtime.transport.websocket import handshake
from liveserver.server.protocols.framing import HEAD_MAX, HEADERS_MAX, TARGET_MAX
from liveserver.utils.limits.refusals import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

RETRY_AFTER = 2
"""Seconds after which a client may try again if its connection was refused because there was no room for it."""


class Denial(NamedTuple):
    """The reason why a request isn't served, and the parts of the answer to the request."""

    reason: Reason
    status: HTTPStatus
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def answer(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return the HTTP answer: a problem document (RFC 9457). `headers`: additional headers of the answer.

        The answer announces that the connection will be closed.
        """
        body = json_encoding.dumps(
            {
                "type": f"urn:liveserver:problem:{self.status.phrase.lower().replace(' ', '-')}",
                "title": self.status.phrase,
                "status": int(self.status),
                "detail": self.detail,
            }
        )
        content = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
        ours = [*self.headers, *content, (b"cache-control", b"no-store"), (b"connection", b"close")]
        return handshake.head(self.status, [*headers, *ours]) + body


HEAD_TOO_LARGE = Denial(
    Reason.HEAD_TOO_LARGE,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    f"a request has at most {HEADERS_MAX} headers, and {HEAD_MAX} bytes before its body",
)
FRAMING_TOO_LARGE = Denial(
    Reason.HEAD_TOO_LARGE,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "the body's chunks are too small, or their extensions or trailers too large",
)
TARGET_TOO_LONG = Denial(
    Reason.TARGET_TOO_LONG, HTTPStatus.REQUEST_URI_TOO_LONG, f"a path and its query have at most {TARGET_MAX} bytes"
)
HEAD_TOO_SLOW = Denial(
    Reason.HEAD_TOO_SLOW, HTTPStatus.REQUEST_TIMEOUT, "the request's head didn't come to its end in time"
)
BODY_TOO_SLOW = Denial(
    Reason.BODY_TOO_SLOW, HTTPStatus.REQUEST_TIMEOUT, "the request's body came too slowly, or not to its end"
)
MALFORMED = Denial(Reason.MALFORMED, HTTPStatus.BAD_REQUEST, "this is no request of HTTP/1.1")
HOSTS = Denial(
    Reason.MALFORMED,
    HTTPStatus.BAD_REQUEST,
    "a request names its host in one Host header, and in one only (RFC 9112, 3.2)",
)
TOO_MANY_CONNECTIONS = Denial(
    Reason.TOO_MANY_CONNECTIONS,
    HTTPStatus.SERVICE_UNAVAILABLE,
    "this server has as many connections as it can have",
    (
        (b"retry-after", b"%d" % RETRY_AFTER),
        # These headers let a widget on another site's page read how long it must wait.
        (b"access-control-allow-origin", b"*"),
        (b"access-control-expose-headers", b"Retry-After"),
    ),
)


class Denied(Exception):
    """The error for a request that must be denied. It is raised while the parser parses the request."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.detail)
        self.denial = denial


class TooManyWaiting(Exception):
    """The error for a connection on which too many requests wait.

    This is no `Denied`: a denial can't be sent at once, since the earlier requests must be answered first.
    """
