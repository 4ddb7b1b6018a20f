"""Refusals, counted by reason, and logged once in a while, so that an attack can't fill the disk with log lines.

A process has one `refusals`. `/metrics` shows its counts as `liveserver_refused_total`.
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
"""The least seconds between two log lines for the same reason."""

log = structlog.get_logger(__name__)


class Reason(StrEnum):
    """The reason of a refusal. The set is fixed, so that nothing a client sends becomes a metric's label."""

    HEAD_TOO_LARGE = "head-too-large"
    """A request's head, its trailers or its chunks' extensions."""
    TARGET_TOO_LONG = "target-too-long"
    """The path and query of a request, together."""
    MALFORMED = "malformed"
    """Bytes that aren't an HTTP/1.1 request."""
    HEAD_TOO_SLOW = "head-too-slow"
    BODY_TOO_SLOW = "body-too-slow"
    TOO_MANY_WAITING = "too-many-waiting"
    """Requests sent on one connection before those sent earlier were answered."""
    TOO_MANY_RECORDS = "too-many-records"
    """TLS records with little or no content."""
    TOO_MANY_CONNECTIONS = "too-many-connections"
    """A connection for which there is no descriptor left."""
    GAVE_WAY = "gave-way"
    """A connection that was ended to make room for another one."""
    TOO_MANY_STREAMS = "too-many-streams"
    """A stream, when the remaining connections were kept for requests."""
    TOO_TALKATIVE = "too-talkative"
    """A viewer that sends more than viewers need to send."""
    RATE = "rate"
    """More requests, or new streams, of one address or key than its share."""
    STREAMS_HELD = "streams-held"
    """More streams at once from one address than its share."""
    BODIES = "bodies"
    """More bodies being received at a time, of one key or of all, than are accepted."""
    KEY = "key"
    """An API key that isn't good, or lacks the scope."""
    NOT_ADMITTED = "not-admitted"
    """A partner, or a page, that may not show the live blog."""
    BUSY = "busy"
    """More work on pages or texts at a time than is accepted."""
    STORAGE = "storage"
    """A picture for which there is no room in the storage."""
    HOST = "host"
    """A Host header that isn't among the allowed ones."""


@dataclass(slots=True)
class _Silence:
    """The refusals of one reason since its last log line."""

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
        """Count a refusal; log it, unless one of the same reason was logged less than `INTERVAL` seconds ago.

        A line has the number of refusals since the last one (`count`, this one included), and the details of this one:
        an address, a route, a key's id, never a secret.
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
