"""What was turned away, counted by reason and logged once in a while, lest an attack fill the disk with its own log.

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
"""Seconds between two lines of the log for the same reason, at least."""

log = structlog.get_logger(__name__)


class Reason(StrEnum):
    """Why something was turned away. A fixed set: nothing that a client sends becomes a metric's label."""

    HEAD_TOO_LARGE = "head-too-large"
    """A request's head, its trailers or its chunks' extensions."""
    TARGET_TOO_LONG = "target-too-long"
    """A path and query together."""
    MALFORMED = "malformed"
    """What is no HTTP/1.1."""
    HEAD_TOO_SLOW = "head-too-slow"
    BODY_TOO_SLOW = "body-too-slow"
    TOO_MANY_WAITING = "too-many-waiting"
    """Requests sent on one connection before those sent earlier were answered."""
    TOO_MANY_RECORDS = "too-many-records"
    """TLS records that carry little, or nothing."""
    TOO_MANY_CONNECTIONS = "too-many-connections"
    """No descriptor is left for it."""
    GAVE_WAY = "gave-way"
    """A connection on which nothing was asked for, when there was no room for another."""
    TOO_MANY_STREAMS = "too-many-streams"
    """The descriptors that are left are kept for requests."""
    TOO_TALKATIVE = "too-talkative"
    """A viewer that sends more than a viewer has to say."""
    RATE = "rate"
    """More requests, or streams, of one address or key than its share."""
    STREAMS_HELD = "streams-held"
    """More streams at once from one address than its share."""
    BODIES = "bodies"
    """More bodies on their way at once, of one key or of all, than are taken in."""
    KEY = "key"
    """A key that isn't good, or lacks the scope."""
    NOT_ADMITTED = "not-admitted"
    """A partner, or a page, that may not show the live blog."""
    BUSY = "busy"
    """More pages, or more work on texts, at once than is taken on."""
    STORAGE = "storage"
    """A picture for which there is no room."""
    HOST = "host"
    """A Host that isn't among the allowed ones."""


@dataclass(slots=True)
class _Silence:
    """What happened of one reason since its last line in the log."""

    until: float
    unlogged: int = 0


class Refusals:
    """Counts of refusals. `clock`: seconds, of any beginning."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: Counter[Reason] = Counter()
        self._silences: dict[Reason, _Silence] = {}

    @property
    def counts(self) -> Mapping[Reason, int]:
        """How many there were of each reason since the process began; 0 where there were none."""
        return {reason: self._counts[reason] for reason in Reason}

    def note(self, reason: Reason, **details: object) -> None:
        """Count a refusal, and log it, unless one of the same reason was logged less than `INTERVAL` ago.

        A line says how many there were since the line before (`count`, this one included), and of this one the
        details: an address, a route, a key's id, never a secret.
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
"""Those of this process."""
