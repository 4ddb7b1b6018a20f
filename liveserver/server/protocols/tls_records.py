"""How many TLS records a connection may send that carry little. Pure.

Each record costs processor time before any protocol is told of it, and some never are: the peer may change its key as
often as it likes (RFC 8446, 4.6.3), at 26 µs for 27 bytes, or send records without content. Which those are is
encrypted. So all are counted, by their length in the clear, as they come from the socket; large ones pay for small
ones, and each request for one more.
"""

from __future__ import annotations

from liveserver.utils.limits.rate_limiter import charged

RECORDS = 250
"""Records that a connection may send at once, beyond what they pay for, and in each `SECONDS` again.

A pong is one. Some four hundred answers to takedowns fit in, of a viewer who was in a tunnel meanwhile."""

SECONDS = 5.0

RECORDS_FIRST = 50
"""Of these, as many as a new connection may send at once. A handshake is six.

They cost as much as the handshake: who is ended for them, and comes again, gains little."""

RECORD_SECONDS = SECONDS / RECORDS
"""The time that a record takes up."""

RECORD_BYTES = 512
"""Bytes that pay for a record: what the smallest devices divide a body into (RFC 6066, 4). Browsers send 16 KB."""

HEADER = 5
"""Bytes before each record (RFC 8446, 5.1). The last two are the length of what follows."""


class RecordBudget:
    """Counts the records of what comes over one connection."""

    __slots__ = ("_ahead", "_begun", "_until")

    def __init__(self, now: float) -> None:
        self._until = now + SECONDS - RECORDS_FIRST * RECORD_SECONDS
        """Until when what has come takes up."""
        self._ahead = 0
        """Bytes that are still to come of a record whose header has."""
        self._begun = b""
        """The beginning of a header that isn't complete."""

    def came(self, data: memoryview, now: float) -> bool:
        """Count what came; False if it is too much, and nothing of it is to be looked at."""
        size = len(data)
        if self._begun:
            data = memoryview(self._begun + data)
        records, at, end = 0, self._ahead, len(data)
        while at + HEADER <= end:
            records += 1
            at += HEADER + (data[at + 3] << 8) + data[at + 4]
        self._begun = bytes(data[at:])
        self._ahead = max(0, at - end)
        self._until = charged(self._until, now, (records - size / RECORD_BYTES) * RECORD_SECONDS)
        return self._until - now <= SECONDS

    def pay(self) -> None:
        """A request has come, which is counted elsewhere: one record of it is free."""
        self._until -= RECORD_SECONDS
