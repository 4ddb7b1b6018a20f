"""Entity tags: whether what a reader has still holds (RFC 9110, 8.8.3 and 13.1.2)."""

from __future__ import annotations

import hashlib

from liveserver import __version__


def tag_of(body: bytes) -> str:
    """A strong entity tag for some bytes."""
    return f'"{hashlib.blake2b(body, digest_size=12, person=__version__.encode()[:16]).hexdigest()}"'


def still_holds(if_none_match: str | None, tag: str) -> bool:
    """Whether an `If-None-Match` header names the tag, by the weak comparison."""
    if if_none_match is None:
        return False
    tags = [candidate.strip().removeprefix("W/") for candidate in if_none_match.split(",")]
    return "*" in tags or tag.removeprefix("W/") in tags
