"""How much may come over a connection that is no body: heads, the sizes and extensions of chunks, trailers. Pure.

A parser of HTTP keeps what isn't complete, and puts it together anew for every piece that comes: a header of 80 MB
takes it 14 seconds. So what it is given is counted before, and not what it makes of it.
"""

from __future__ import annotations

HEAD_MAX = 32 * 1024
"""Bytes of a request's head. Browsers send one or two thousand, and cookies of a whole site, four times as many; Apache
and nginx take 8 KB for each line."""

HEADERS_MAX = 100
"""Headers of a request, as in Apache. A browser behind two proxies sends thirty."""

TARGET_MAX = 2 * 1024
"""Bytes of a path and its query together. The longest that means something here has a cursor of 500."""

FRAMING_MAX = 16 * 1024
"""Bytes that may come before, between and after the bytes of a body, beyond what they pay for."""

FRAMING_RATIO = 8
"""For how many bytes of framing one byte of a body pays: a chunk of a single byte has five."""

UNWANTED_RATIO = 64
"""Bytes of a body after its answer that pay for one of framing: what large chunks need, and chunks of a byte don't get.
They are read so that a client that sends first sees its answer; to parse small ones costs most."""


class Allowance:
    """Counts down what may still come of a request's head, or of the framing of its body.

    It is told by the parser where heads and messages end, but not at which byte: what came in the same piece is free
    for whatever follows. So a piece is never larger than `left`, and a head that begins within one may be longer than
    `HEAD_MAX` by the rest of that piece.
    """

    __slots__ = ("begun", "body", "in_body", "left")

    def __init__(self) -> None:
        self.left = HEAD_MAX
        """Bytes that may be parsed next; 0: it's too much."""
        self.begun = False
        """Whether a part of a message is there, and the rest is awaited."""
        self.in_body = False
        """Whether a head is complete whose message isn't."""
        self.body = 0
        """Bytes of the message's body that have come."""

    def take(self, size: int) -> int:
        """How many of so many bytes are to be parsed next; they count as having come. 0: what came is too much."""
        left = self.left
        if size > left:
            size = left
        self.left = left - size
        self.begun = True
        return size

    def head_ended(self) -> None:
        """The head is complete; what follows is the body, if there is one."""
        self.left = FRAMING_MAX
        self.in_body = True
        self.body = 0

    def body_came(self, size: int, *, wanted: bool = True) -> None:
        """So many of the bytes taken are of the body, which is `wanted` as long as its request isn't answered."""
        self.left = min(FRAMING_MAX, self.left + size + (size * FRAMING_RATIO if wanted else size // UNWANTED_RATIO))
        self.body += size

    def message_ended(self) -> None:
        """The message is complete; what follows is another's head."""
        self.left = HEAD_MAX
        self.in_body = self.begun = False
