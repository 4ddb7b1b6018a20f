"""A limit on the small TLS records that a connection may send. This module does no I/O.

Each TLS record costs processor time before any protocol gets its content, and some records have no content for a
protocol. A peer may send empty records. It may also change its key as often as it likes (RFC 8446, 4.6.3). A record
with a change of key has 27 bytes, and costs 26 µs. Encryption hides which records are of these kinds. So all records
are counted as they come from the socket.

The lengths of records aren't encrypted. So the bytes of large records pay for small records: the more bytes have come,
the more records may come. Each request pays for one more record.
"""

from __future__ import annotations

from liveserver.utils.limits.rate_limiter import charged

RECORDS = 250
"""The number of TLS records that a connection may send at once. It may send as many again in every `SECONDS` seconds.

Records that bytes or requests pay for don't count. A pong is one record. A confirmation has about 100 bytes, which pay
for a fifth of its record. So a viewer that was without a network for a while may send about 300 confirmations at
once."""

SECONDS = 5.0

RECORDS_FIRST = 50
"""The number of TLS records that a new connection may send at once, besides records that bytes or requests pay for.

A handshake has six records. Fifty records cost us as much as a handshake. So a client gains little if it is cut off
after fifty records and connects again."""

RECORD_SECONDS = SECONDS / RECORDS
"""The cost of one record, in seconds: after so many seconds, one more record may come."""

RECORD_BYTES = 512
"""The number of bytes that pay for one record: a connection may send any number of records of this size.

The smallest devices send records of this size (RFC 6066, 4), and browsers send records of 16 KB."""

HEADER = 5
"""The size in bytes of a record's header (RFC 8446, 5.1). Its last two bytes are the length of the record's rest."""


class RecordBudget:
    """The budget of TLS records that one connection may send. Times are in seconds of the caller's clock."""

    __slots__ = ("_ahead", "_begun", "_until")

    def __init__(self, now: float) -> None:
        self._until = now + SECONDS - RECORDS_FIRST * RECORD_SECONDS
        """The time when the connection's debt will be paid off. Each record adds to the debt.

        This time may be at most `SECONDS` seconds from now. A new connection begins with a debt, so that it may send
        only `RECORDS_FIRST` records at once.
        """
        self._ahead = 0
        """The number of bytes of the present record that haven't come yet."""
        self._begun = b""
        """The first bytes of a record's header, if only a part of the header has come."""

    def came(self, data: memoryview, now: float) -> bool:
        """Count the TLS records in `data`, which came from the connection. Returns False if too many records have come.

        If the result is False, the data must not be given to TLS.
        """
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
        """Give back the cost of one record, because a request has come. Requests have limits of their own."""
        self._until -= RECORD_SECONDS
