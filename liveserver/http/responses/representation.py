"""What a URL is answered with, ready to be sent: its bytes in each content coding, and the headers that go with them.

Everything is made once, whoever asks, and however many: the body, its gzip, the entity tags, the headers.
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
"""Bytes below which a body fits in the first packet anyway."""
FRAME_BYTES = 512
"""What a representation takes beside its bodies, tags and headers: the objects that hold them."""
ACCEPT_ENCODING_MAX = 256
"""Characters. No client names so many codings; one that does gets the body as it is."""


class Coded(NamedTuple):
    """One representation in one content coding."""

    body: bytes
    tag: str
    head: RawHeaders
    """The headers of a 200."""
    head_unmodified: RawHeaders
    """The headers of a 304: all but those that describe a body (RFC 9110, 15.4.5)."""


class Representation:
    """A body as it is, and gzipped on first need.

    The two have entity tags of their own, as their bytes differ (RFC 9110, 8.8.3.3), and say `Vary: Accept-Encoding`,
    so that no cache gives the one to who can take only the other.
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
        """The memory that it takes at most, in bytes: its gzip, which may be still to come, is no longer than it."""
        body, tag, head, _ = self._plain
        # The two heads of a coding share what they have in common.
        headers = sum(getsizeof(pair) + getsizeof(pair[1]) for pair in head)
        return 2 * (getsizeof(body) + getsizeof(tag) + headers) + FRAME_BYTES

    @property
    def packed(self) -> bool:
        """Whether its gzip is made."""
        return self._gzipped is not None

    def pack(self) -> Coded:
        """Make its gzip, unless that is done."""
        if self._gzipped is None:
            self._gzipped = self._gzip()
        return self._gzipped

    def coded(self, accept_encoding: str | None) -> Coded:
        """What is sent to a client that accepts these content codings (RFC 9110, 12.5.3)."""
        if accept_encoding is None or len(accept_encoding) > ACCEPT_ENCODING_MAX or not accepts_gzip(accept_encoding):
            return self._plain
        return self.pack()

    def _gzip(self) -> Coded:
        body, tag, head, unmodified = self._plain
        if len(body) < GZIP_MIN:
            return self._plain
        # Without a time in it, the same body has the same gzip in every process, and so has its tag.
        packed = gzip.compress(body, GZIP_LEVEL, mtime=0)
        if len(packed) >= len(body):
            return self._plain
        own_tag = f'{tag[:-1]}-gzip"'
        own = {b"etag": own_tag.encode("latin-1"), b"content-length": str(len(packed)).encode()}
        unmodified, of_body = (
            [(name, own.get(name, value)) for name, value in part] for part in (unmodified, head[len(unmodified) :])
        )
        return Coded(packed, own_tag, [*unmodified, *of_body, (b"content-encoding", b"gzip")], unmodified)


def _raw(headers: Mapping[str, str]) -> RawHeaders:
    return [(_name(name), value.encode("latin-1")) for name, value in headers.items()]


@lru_cache(maxsize=64)
def _name(name: str) -> bytes:
    """A header's name on the wire: once, for all that have it."""
    return name.lower().encode("latin-1")


def unmodified(coded: Coded, if_none_match: str | None) -> bool:
    """Whether the client has it already."""
    return if_none_match is not None and still_holds(if_none_match, coded.tag)


@lru_cache(maxsize=256)
def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip is acceptable, and no less so than the body as it is.

    A coding with the weight 0 is refused; `*` stands for whatever isn't named; what can't be read is taken as absent.
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
