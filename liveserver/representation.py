"""What a URL is answered with, ready to be sent: its bytes in each content coding, and the headers that go with them.

Everything is made once, whoever asks, and however many: the body, its gzip, the entity tags, the headers.
"""

from __future__ import annotations

import gzip
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from liveserver.conditional import still_holds, tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping

RawHeaders = list[tuple[bytes, bytes]]

GZIP_LEVEL = 6
GZIP_MIN = 512
"""Bytes below which a body fits in the first packet anyway."""
HEADERS_BYTES = 4096
"""What the headers and tags of both codings take in memory, about."""
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

    __slots__ = ("_gzipped", "_headers", "_media_type", "_plain")

    def __init__(self, body: bytes, media_type: str, headers: Mapping[str, str]) -> None:
        self._media_type = media_type
        self._headers = headers
        self._plain = self._coded(body, tag_of(body))
        self._gzipped: Coded | None = None

    @property
    def weight(self) -> int:
        """The memory that it takes at most, in bytes: its gzip, which may be still to come, is no longer than it."""
        return 2 * len(self._plain.body) + HEADERS_BYTES

    def coded(self, accept_encoding: str | None) -> Coded:
        """What is sent to a client that accepts these content codings (RFC 9110, 12.5.3)."""
        if accept_encoding is None or len(accept_encoding) > ACCEPT_ENCODING_MAX or not accepts_gzip(accept_encoding):
            return self._plain
        if self._gzipped is None:
            self._gzipped = self._gzip()
        return self._gzipped

    def _gzip(self) -> Coded:
        body, tag = self._plain.body, self._plain.tag
        if len(body) < GZIP_MIN:
            return self._plain
        # Without a time in it, the same body has the same gzip in every process, and so has its tag.
        packed = gzip.compress(body, GZIP_LEVEL, mtime=0)
        if len(packed) >= len(body):
            return self._plain
        return self._coded(packed, f'{tag[:-1]}-gzip"', {"Content-Encoding": "gzip"})

    def _coded(self, body: bytes, tag: str, more: Mapping[str, str] | None = None) -> Coded:
        vary = ", ".join(filter(None, [self._headers.get("Vary"), "Accept-Encoding"]))
        unmodified = {**self._headers, "ETag": tag, "Vary": vary}
        full = {**unmodified, "Content-Type": self._media_type, "Content-Length": str(len(body)), **(more or {})}
        return Coded(body, tag, _raw(full), _raw(unmodified))


def _raw(headers: Mapping[str, str]) -> RawHeaders:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


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
