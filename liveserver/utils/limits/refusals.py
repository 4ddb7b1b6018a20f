"""Counts of refusals by the server, for each reason. Some refusals are also logged.

Each reason has at most one log line in INTERVAL seconds, so that an attack can't fill the disk with log lines. Each
process has one object `refusals`. `/metrics` shows its counts as `liveserver_refused_total`.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
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
    """Bytes that aren't an HTTP/1.1 request."""
    HEAD_TOO_SLOW = "head-too-slow"
    BODY_TOO_SLOW = "body-too-slow"
    TOO_MANY_WAITING = "too-many-waiting"
    """Too many requests that were sent on one connection before the earlier requests were answered."""
    TOO_MANY_RECORDS = "too-many-records"
    """Too many TLS records with little or no content."""
    TOO_MANY_CONNECTIONS = "too-many-connections"
    """A connection for which the process has no file descriptor left."""
    GAVE_WAY = "gave-way"
    """A connection that the server ended to accept another connection."""
    TOO_MANY_STREAMS = "too-many-streams"
    """A stream for which no connection was free, except connections that are reserved for other requests."""
    TOO_TALKATIVE = "too-talkative"
    """A viewer that sent more than viewers need to send."""
    RATE = "rate"
    """A request or a new stream beyond the rate that its address or key is allowed."""
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
    """A request for a partner or a page that may not show the live blog."""
    BUSY = "busy"
    """A request whose work (on a page, a text or a picture) would have to wait, while too much work waits already."""
    STORAGE = "storage"
    """A picture for which the storage doesn't have enough space."""
    HOST = "host"
    """A request whose Host header isn't among the allowed names."""


@dataclass(slots=True)
class _Silence:
    """The time after a log line in which refusals with the same reason are counted, but not logged."""

    until: float
    unlogged: int = 0


class Refusals:
    """The counts of refusals. `clock` returns seconds from any beginning."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: Counter[Reason] = Counter()
        self._silences: dict[Reason, _Silence] = {}

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
        now = self._clock()
        silence = self._silences.get(reason)
        if silence is not None and now < silence.until:
            silence.unlogged += 1
            return
        count = 1 + (silence.unlogged if silence else 0)
        self._silences[reason] = _Silence(now + INTERVAL)
        log.warning("refused", reason=str(reason), count=count, **details)


refusals = Refusals()
"""The refusals of this process."""
