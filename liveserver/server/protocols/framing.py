"""Limits on the bytes of a connection that aren't a request's body. This module does no I/O.

These bytes are the requests' heads, and the framing of bodies: chunk sizes, chunk extensions and trailers. The HTTP
parser keeps an incomplete header, and joins it anew with every piece of data that comes. For a header of 80 MB, this
takes 14 seconds. So bytes are counted before they go into the parser, not after.
"""

from __future__ import annotations

HEAD_MAX = 32 * 1024
"""The greatest number of bytes that a request's head may have.

Browsers send one or two thousand bytes, and four times as many with the cookies of a large site. Apache and nginx allow
8 KB for each line."""

HEADERS_MAX = 100
"""The greatest number of headers that a request may have. Apache has the same limit.

A browser behind two proxies sends thirty."""

TARGET_MAX = 2 * 1024
"""The greatest number of bytes that a path and its query may have together.

Our longest query has a cursor of 500 bytes."""

FRAMING_MAX = 16 * 1024
"""The number of bytes of framing that are allowed with an empty body.

Each byte of a body allows more framing, but the allowance that is left is never more than this number."""

FRAMING_RATIO = 8
"""The number of additional bytes of framing that are allowed for each byte of a body.

A chunk of a single byte has five bytes of framing."""

UNWANTED_RATIO = 64
"""The number of body bytes that allow one additional byte of framing after the request has been answered.

This is enough for large chunks, but not for chunks of one byte, which cost the most to parse. The body is still read
after the answer, since some clients read the answer only when they have sent the whole body."""


class Allowance:
    """A count of how many bytes a request's head, or the framing of its body, may still have.

    The data of a connection goes into the parser in pieces, and `take` says how large the next piece may be. The parser
    reports the end of a head or of a request, but not at which byte of a piece this end is. So the bytes after the end,
    up to the end of the piece, aren't counted. A head that begins with these bytes may be longer than `HEAD_MAX` by
    their number.
    """

    __slots__ = ("begun", "body", "in_body", "left")

    def __init__(self) -> None:
        self.left = HEAD_MAX
        """The number of bytes that may still be parsed. It doesn't fall below 0."""
        self.begun = False
        """True while a request has begun and isn't complete."""
        self.in_body = False
        """True while a request's head is complete, but its body isn't."""
        self.body = 0
        """The number of bytes of the request's body that have come."""

    def take(self, size: int) -> int:
        """Return how many of the next `size` bytes may be parsed now. The bytes in the result are counted at once.

        Returns 0 if the head or the framing already has as many bytes as it may have.
        """
        left = self.left
        if size > left:
            size = left
        self.left = left - size
        self.begun = True
        return size

    def head_ended(self) -> None:
        """Note that the head is complete. From now on the framing of the body is counted."""
        self.left = FRAMING_MAX
        self.in_body = True
        self.body = 0

    def body_came(self, size: int, *, wanted: bool = True) -> None:
        """Note that `size` bytes of a body have come. They allow more bytes of framing.

        `wanted`: False if the request is answered already, so that nobody needs its body.
        """
        self.left = min(FRAMING_MAX, self.left + size + (size * FRAMING_RATIO if wanted else size // UNWANTED_RATIO))
        self.body += size

    def message_ended(self) -> None:
        """Note that the request is complete. From now on the head of the next request is counted."""
        self.left = HEAD_MAX
        self.in_body = self.begun = False
