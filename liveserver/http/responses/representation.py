"""Answers that are ready to be sent: the bytes in each content coding, with their headers.

The body, its gzip, the entity tags and the headers are made once for all requests.
"""

from __future__ import annotations

import gzip
from functools import lru_cache
from sys import getsizeof
from typing import TYPE_CHECKING, NamedTuple

from liveserver.http.responses.entity_tags import still_holds, tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping

RawHeaders = list[tuple[bytes, bytes]]

GZIP_LEVEL = 6
GZIP_MIN = 512
"""Bytes below which a body isn't gzipped, as it fits in the first packet anyway."""
FRAME_BYTES = 512
"""Bytes that a representation takes beside its bodies, tags and headers: the objects that hold them."""
ACCEPT_ENCODING_MAX = 256
"""Characters of an Accept-Encoding header. No client sends more; one that does gets the body without gzip."""


class Coded(NamedTuple):
    """One representation in one content coding."""

    body: bytes
    tag: str
    head: RawHeaders
    """The headers of a 200."""
    head_unmodified: RawHeaders
    """The headers of a 304: all but those that describe a body (RFC 9110, 15.4.5)."""


class Representation:
    """A body in plain form, and gzipped when that is first needed.

    Each of the two has its own entity tag, as their bytes differ (RFC 9110, 8.8.3.3), and `Vary: Accept-Encoding`, so
    that no cache gives the gzip to a client that can't read it.
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
        """The bytes of memory taken at most. The gzip counts before it is made; it is never longer than the body."""
        body, tag, head, _ = self._plain
        # The two heads of a coding share the headers that both have.
        headers = sum(getsizeof(pair) + getsizeof(pair[1]) for pair in head)
        return 2 * (getsizeof(body) + getsizeof(tag) + headers) + FRAME_BYTES

    @property
    def packed(self) -> bool:
        """True once the gzip has been made."""
        return self._gzipped is not None

    def pack(self) -> Coded:
        """Return the gzip, and make it first if necessary."""
        if self._gzipped is None:
            self._gzipped = self._gzip()
        return self._gzipped

    def coded(self, accept_encoding: str | None) -> Coded:
        """Return the coding to send to a client with this Accept-Encoding header (RFC 9110, 12.5.3)."""
        if accept_encoding is None or len(accept_encoding) > ACCEPT_ENCODING_MAX or not accepts_gzip(accept_encoding):
            return self._plain
        return self.pack()

    def _gzip(self) -> Coded:
        body, tag, head, unmodified = self._plain
        if len(body) < GZIP_MIN:
            return self._plain
        # Without a time in the gzip, every process makes the same bytes and the same tag of a body.
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
    """Return a header's name as bytes, the same object for all representations."""
    return name.lower().encode("latin-1")


def unmodified(coded: Coded, if_none_match: str | None) -> bool:
    """True if the client's If-None-Match header says that it has these bytes already."""
    return if_none_match is not None and still_holds(if_none_match, coded.tag)


@lru_cache(maxsize=256)
def accepts_gzip(accept_encoding: str) -> bool:
    """True if an Accept-Encoding header accepts gzip, with no less weight than the plain body.

    A coding with the weight 0 is refused; `*` stands for all that aren't named; an item that can't be read is ignored.
    """
    weights: dict[str, float] = {}
    for item in accept_encoding.split(","):
        coding, _, parameter = item.partition(";")
        name, _, value = parameter.partition("=")
        try:
            weight = float(value) if name.strip().lower() == "q" else 1.0
        except ValueError:
            continue
        weights[coding.strip().lower()] = weight
    packed = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    plain = weights.get("identity", 0.0)
    return packed > 0 and packed >= plain
