"""Limits on the bytes of a connection that aren't body: heads, chunk sizes and extensions, trailers. Pure.

The HTTP parser keeps an incomplete header, and joins it anew for every piece that comes: a header of 80 MB takes it
14 seconds. So bytes are counted before they go into the parser, not after.
"""

from __future__ import annotations

HEAD_MAX = 32 * 1024
"""Bytes that a request's head may have. Browsers send one or two thousand, and four times as many with a whole site's
cookies; Apache and nginx allow 8 KB for each line."""

HEADERS_MAX = 100
"""Headers that a request may have, as in Apache. A browser behind two proxies sends thirty."""

TARGET_MAX = 2 * 1024
"""Bytes that a path and its query may have together. The longest that we use has a cursor of 500."""

FRAMING_MAX = 16 * 1024
"""Bytes of framing that a body may have free: before, between and after its own bytes."""

FRAMING_RATIO = 8
"""Bytes of framing that each byte of a body allows: a chunk of a single byte has five."""

UNWANTED_RATIO = 64
"""Bytes of a body that allow one byte of framing once the request is answered: enough for large chunks, not for chunks
of one byte, which cost the most to parse. The body is still read, since some clients see the answer only after it."""


class Allowance:
    """The bytes that may still come of a request's head, or of the framing of its body.

    The parser reports the ends of heads and messages, but not the byte where they end: the rest of the same piece isn't
    counted. So a piece is never larger than `left`, and a head that begins within a piece may be longer than `HEAD_MAX`
    by the rest of that piece.
    """

    __slots__ = ("begun", "body", "in_body", "left")

    def __init__(self) -> None:
        self.left = HEAD_MAX
        """Bytes that may be parsed next; 0: too many have come."""
        self.begun = False
        """True while a message has begun and isn't complete."""
        self.in_body = False
        """True while a message isn't complete but its head is."""
        self.body = 0
        """Bytes of the message's body that have come."""

    def take(self, size: int) -> int:
        """Return how many of `size` bytes may be parsed next, and count them. 0: too many have come."""
        left = self.left
        if size > left:
            size = left
        self.left = left - size
        self.begun = True
        return size

    def head_ended(self) -> None:
        """Go on to the body: the head is complete."""
        self.left = FRAMING_MAX
        self.in_body = True
        self.body = 0

    def body_came(self, size: int, *, wanted: bool = True) -> None:
        """Count bytes of a body, which is `wanted` until its request is answered; they allow more framing."""
        self.left = min(FRAMING_MAX, self.left + size + (size * FRAMING_RATIO if wanted else size // UNWANTED_RATIO))
        self.body += size

    def message_ended(self) -> None:
        """Go on to the next head: the message is complete."""
        self.left = HEAD_MAX
        self.in_body = self.begun = False
