"""Entity tags: whether what a reader has still holds (RFC 9110, 8.8.3 and 13.1.2)."""

from __future__ import annotations

import hashlib
import re

from liveserver import __version__
from liveserver.domain.ids import FORMER, Edition

_EDITION = re.compile(r'(?:W/)?"(?:([a-z0-9]{8,32})-([0-9]{1,9})(?:-[0-9a-f]{8})?|([0-9]{1,9}))"', re.ASCII)
"""The history and the version, and in an entry's tag what it looked like, which no edit depends on; or the version."""
_FORMER = re.compile(r'(?:W/)?"([0-9]{1,7})-[0-9a-f]{8}"', re.ASCII)
"""The version and what it looked like: so tags were before they named the history, whose name is longer."""

TAGS_MAX = 2_048
"""Characters of an `If-None-Match`: some fifty tags. A cache that has so many variants is sent the one it needs."""


def tag_of(body: bytes) -> str:
    """A strong entity tag for some bytes."""
    return f'"{hashlib.blake2b(body, digest_size=12, person=__version__.encode()[:16]).hexdigest()}"'


def still_holds(if_none_match: str | None, tag: str) -> bool:
    """Whether an `If-None-Match` header names the tag, by the weak comparison. One that is too long counts as none."""
    if if_none_match is None or len(if_none_match) > TAGS_MAX:
        return False
    tags = [candidate.strip().removeprefix("W/") for candidate in if_none_match.split(",")]
    return "*" in tags or tag.removeprefix("W/") in tags


def edition_tag(edition: Edition, body: bytes | None = None) -> str:
    """The entity tag of something that can be edited; `body`: what it looks like, where that isn't in the version."""
    looks = "" if body is None else f"-{hashlib.blake2b(body, digest_size=4).hexdigest()}"
    return f'"{edition.history}-{edition.number}{looks}"'


def edition_of(tag: str) -> Edition | None:
    """What such a tag names, or a version alone in quotation marks; None for what is neither.

    A tag as they once were is of no history that there is, so that it is answered as one that doesn't hold any more.

    A weak tag counts as the strong one: proxies that compress make one of the other.
    """
    if former := _FORMER.fullmatch(tag):
        return Edition(int(former[1]), FORMER)
    match = _EDITION.fullmatch(tag)
    return Edition(int(match[2] or match[3]), match[1]) if match else None
