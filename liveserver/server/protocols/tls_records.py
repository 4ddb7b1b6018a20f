"""A limit on the small TLS records that a connection may send. Pure.

Each record costs processor time before any protocol sees it, and some are never seen: the peer may change its key as
often as it likes (RFC 8446, 4.6.3), which takes 26 µs for 27 bytes, or send records without content. Encryption hides
which records those are. So all of them are counted as they come from the socket, by their lengths, which aren't
encrypted. Large records pay for small ones, and each request pays for one more.
"""

from __future__ import annotations

from liveserver.utils.limits.rate_limiter import charged

RECORDS = 250
"""Records that a connection may send at once, besides those that are paid for, and again in each `SECONDS`.

A pong is one record. Some four hundred confirmations fit in, of a viewer that was without a network meanwhile."""

SECONDS = 5.0

RECORDS_FIRST = 50
"""Records that a new connection may send at once, besides those that are paid for. A handshake has six.

They cost as much as the handshake: a client that is cut off after them, and connects again, gains little."""

RECORD_SECONDS = SECONDS / RECORDS
"""Seconds that a record is charged with."""

RECORD_BYTES = 512
"""Bytes that pay for one record: the record size of the smallest devices (RFC 6066, 4). Browsers send 16 KB."""

HEADER = 5
"""Bytes of a record's header (RFC 8446, 5.1). The last two are the length of the rest."""


class RecordBudget:
    """The budget of TLS records for one connection."""

    __slots__ = ("_ahead", "_begun", "_until")

    def __init__(self, now: float) -> None:
        self._until = now + SECONDS - RECORDS_FIRST * RECORD_SECONDS
        """The time up to which the records so far are charged."""
        self._ahead = 0
        """Bytes of the current record that are still to come."""
        self._begun = b""
        """The first bytes of a header that isn't complete."""

    def came(self, data: memoryview, now: float) -> bool:
        """Count the records in data that came; False if they are too many, and the data must not be processed."""
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
        """Make one record free: a request has come, which is counted elsewhere."""
        self._until -= RECORD_SECONDS
