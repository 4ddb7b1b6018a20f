"""Answers that are ready to be sent: a body, plain and gzipped, with its headers.

The body, its gzip, the entity tags and the headers are made once for all requests.
"""

from __future__ import annotations

import gzip
from functools import lru_cache
from sys import getsizeof
from typing import TYPE_CHECKING, NamedTuple

from liveserver.http.responses.entity_tags import still_holds, tag_of
from liveserver.http.responses.quality_values import weighted

if TYPE_CHECKING:
    from collections.abc import Mapping

RawHeaders = list[tuple[bytes, bytes]]

GZIP_LEVEL = 6
GZIP_MIN = 512
"""A body with fewer bytes than this isn't gzipped, as it fits into the first packet anyway."""
FRAME_BYTES = 512
"""Bytes of memory that a representation's own objects take, besides its bodies, tags and headers."""
ACCEPT_ENCODING_MAX = 256
"""An Accept-Encoding header with more characters than this isn't read: its client gets the plain body. No usual client
sends more."""


class Coded(NamedTuple):
    """A representation in one content coding: plain, or gzip."""

    body: bytes
    tag: str
    """The entity tag of the body in this coding."""
    head: RawHeaders
    """The headers of a 200 with the body in this coding."""
    head_unmodified: RawHeaders
    """The headers of a 304: the headers in `head` except the headers that describe the body (RFC 9110, 15.4.5)."""


class Representation:
    """A body and its gzip, with their headers. The gzip is made when it is first needed.

    The plain body and the gzip have different entity tags, as their bytes differ (RFC 9110, 8.8.3.3). Both have
    `Vary: Accept-Encoding`, so that no cache gives the gzip to a client that can't read it.
    """

    __slots__ = ("_gzipped", "_plain")

    def __init__(self, body: bytes, media_type: str, headers: Mapping[str, str]) -> None:
        tag = tag_of(body)
        vary = ", ".join(filter(None, [headers.get("Vary"), "Accept-Encoding"]))
        unmodified = _raw({**headers, "ETag": tag, "Vary": vary})
        of_body = _raw({"Content-Type": media_type, "Content-Length": str(len(body))})
        self._plain = Coded(body, tag, [*unmodified, *of_body], unmodified)
        self._gzipped: Coded | None = None

    @property
    def weight(self) -> int:
        """The bytes of memory that the representation takes, at most.

        The gzip counts even before it is made, with the size of the body. The gzip is never larger than the body.
        """
        body, tag, head, _ = self._plain
        # `head` and `head_unmodified` share the objects of the headers that are in both.
        headers = sum(getsizeof(pair) + getsizeof(pair[1]) for pair in head)
        return 2 * (getsizeof(body) + getsizeof(tag) + headers) + FRAME_BYTES

    @property
    def packed(self) -> bool:
        """True once the gzip has been made, or once it is known that the body is sent only plain."""
        return self._gzipped is not None

    def pack(self) -> Coded:
        """Return the gzip, and make it first if necessary. If a gzip would save nothing, return the plain body."""
        if self._gzipped is None:
            self._gzipped = self._gzip()
        return self._gzipped

    def coded(self, accept_encoding: str | None) -> Coded:
        """Return the gzip if the client's Accept-Encoding header accepts it (RFC 9110, 12.5.3), else the plain body.

        `accept_encoding`: the header's value; None if the request has no such header, which gives the plain body.
        """
        if accept_encoding is None or len(accept_encoding) > ACCEPT_ENCODING_MAX or not accepts_gzip(accept_encoding):
            return self._plain
        return self.pack()

    def _gzip(self) -> Coded:
        body, tag, head, unmodified = self._plain
        if len(body) < GZIP_MIN:
            return self._plain
        # The gzip has no time in it, so that every process makes the same bytes and the same tag from a body.
        packed = gzip.compress(body, GZIP_LEVEL, mtime=0)
        if len(packed) >= len(body):
            return self._plain
        own_tag = f'{tag[:-1]}-gzip"'
        replaced = {b"etag": own_tag.encode("latin-1"), b"content-length": str(len(packed)).encode()}
        unmodified, of_body = (
            [(name, replaced.get(name, value)) for name, value in headers]
            for headers in (unmodified, head[len(unmodified) :])
        )
        return Coded(packed, own_tag, [*unmodified, *of_body, (b"content-encoding", b"gzip")], unmodified)


def _raw(headers: Mapping[str, str]) -> RawHeaders:
    return [(_name(name), value.encode("latin-1")) for name, value in headers.items()]


@lru_cache(maxsize=64)
def _name(name: str) -> bytes:
    """Return a header's name as bytes in lower case. Equal names share one object, which saves memory."""
    return name.lower().encode("latin-1")


def unmodified(coded: Coded, if_none_match: str | None) -> bool:
    """True if a client's If-None-Match header says that the client has the body of `coded` already."""
    return if_none_match is not None and still_holds(if_none_match, coded.tag)


@lru_cache(maxsize=256)
def accepts_gzip(accept_encoding: str) -> bool:
    """True if an Accept-Encoding header accepts gzip, with at least the weight that it gives the plain body.

    The weight 0 means that a coding isn't accepted. `*` stands for all codings that the header doesn't name. An item
    that can't be read is ignored.
    """
    weights = {coding.lower(): weight for coding, weight in weighted(accept_encoding)}
    packed = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    plain = weights.get("identity", 0.0)
    return packed > 0 and packed >= plain
