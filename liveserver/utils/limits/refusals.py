"""Counts of refusals by the server, for each reason. Some refusals are also logged.

Each reason has at most one log line in INTERVAL seconds, so that an attack can't fill the disk with log lines. Each
process has one object `refusals`. `/metrics` shows its counts as `liveserver_refused_total`.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

INTERVAL = 10.0
"""The least number of seconds between two log lines for the same reason."""

log = structlog.get_logger(__name__)


class Reason(StrEnum):
    """The reason of a refusal. The set of reasons is fixed, so that no text from a client becomes a metric's label."""

    HEAD_TOO_LARGE = "head-too-large"
    """A request with a head, trailers or chunk extensions of too many bytes."""
    TARGET_TOO_LONG = "target-too-long"
    """A request whose path and query together have too many bytes."""
    MALFORMED = "malformed"
    """Bytes that aren't a valid HTTP/1 request, or a WebSocket request before the earlier requests were answered."""
    HEAD_TOO_SLOW = "head-too-slow"
    BODY_TOO_SLOW = "body-too-slow"
    TOO_MANY_WAITING = "too-many-waiting"
    """A request on a connection where too many requests wait already, or a WebSocket request behind unread answers."""
    TOO_MANY_RECORDS = "too-many-records"
    """Too many TLS records with little or no content."""
    TOO_MANY_CONNECTIONS = "too-many-connections"
    """A connection beyond the number that the server may have, or for which file descriptors or memory ran out."""
    GAVE_WAY = "gave-way"
    """An idle or slow connection that the server ended, because it needed room for another connection."""
    TOO_MANY_STREAMS = "too-many-streams"
    """A new stream, while the last free connections are kept for other requests."""
    TOO_TALKATIVE = "too-talkative"
    """A viewer that sent more than viewers need to send (`viewer_budget.py`), or didn't complete a frame in time."""
    RATE = "rate"
    """A request, a new stream or a picture beyond the rate that its address or key is allowed.

    Also a client that sent too many bytes while the server read nothing from it, because of earlier refusals."""
    STREAMS_HELD = "streams-held"
    """A stream beyond the number that its address may have open at a time."""
    BODIES = "bodies"
    """A request with a body, while too many bodies are being received from the same API key or from all clients."""
    KEY = "key"
    """A request with an API key that isn't valid, or that lacks the scope that the request needs."""
    SESSION = "session"
    """A request to the desk without a session, or with one that has ended."""
    OTHER_SITE = "other-site"
    """A request to the desk that a page of another site made a browser send."""
    ROLE = "role"
    """A request to the desk that the user's roles don't allow."""
    NOT_ADMITTED = "not-admitted"
    """A request from an embed whose partner or page may not show the live blog."""
    BUSY = "busy"
    """A request for work (on a page, a text or a picture), while too much work waits already.

    Also a request whose address or key has too many unread bytes."""
    STORAGE = "storage"
    """A picture, while the disk is too full, or while all pictures together take as many bytes as they may."""
    HOST = "host"
    """A request whose Host header isn't among the allowed names."""


class LogInterval:
    """Log lines for one sort of events: at most one in `INTERVAL` seconds, however many events there are.

    `clock`: a function that returns the seconds since any fixed moment.
    """

    __slots__ = ("_clock", "_silent_until", "_unlogged")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent_until = -math.inf
        self._unlogged = 0

    def count(self) -> int:
        """Count an event. Return 0 if it isn't to be logged, else the number of events since the last line.

        This event is included in the number.
        """
        self._unlogged += 1
        now = self._clock()
        if now < self._silent_until:
            return 0
        count, self._unlogged = self._unlogged, 0
        self._silent_until = now + INTERVAL
        return count


class Refusals:
    """The counts of refusals. `clock`: a function that returns the seconds since any fixed moment."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._counts: Counter[Reason] = Counter()
        self._lines = {reason: LogInterval(clock) for reason in Reason}

    @property
    def counts(self) -> Mapping[Reason, int]:
        """The number of refusals for each reason since the process began; 0 if there were none."""
        return {reason: self._counts[reason] for reason in Reason}

    def note(self, reason: Reason, **details: object) -> None:
        """Count a refusal, and log it unless a refusal with this reason was logged less than `INTERVAL` seconds ago.

        The log line has the number of refusals since the last line with this reason (`count`, this refusal included).
        It has the details of this refusal, too: for example an address, a route or a key's id, but never a secret.
        """
        self._counts[reason] += 1
        if count := self._lines[reason].count():
            log.warning("refused", reason=str(reason), count=count, **details)


refusals = Refusals()
"""The refusals of this process."""
