"""Entity tags, by which a client asks whether its copy is still current (RFC 9110, 8.8.3 and 13.1.2)."""

from __future__ import annotations

import hashlib
import re

from liveserver import __version__
from liveserver.domain.ids import FORMER, EntityVersion

_EDITION = re.compile(r'(?:W/)?"(?:([a-z0-9]{8,32})-([0-9]{1,9})(?:-[0-9a-f]{8})?|([0-9]{1,9}))"', re.ASCII)
"""A version's tag: history, version, and for an entry a hash of its looks, which edits ignore; or the version
alone."""
_FORMER = re.compile(r'(?:W/)?"([0-9]{1,7})-[0-9a-f]{8}"', re.ASCII)
"""A tag of earlier releases: version and a hash of the looks. The name of a history is longer than a version."""

TAGS_MAX = 2_048
"""Characters of an `If-None-Match`: some fifty tags. With a longer header, the client is sent the body."""


def tag_of(body: bytes) -> str:
    """Return a strong entity tag for some bytes."""
    return f'"{hashlib.blake2b(body, digest_size=12, person=__version__.encode()[:16]).hexdigest()}"'


def still_holds(if_none_match: str | None, tag: str) -> bool:
    """True if an `If-None-Match` header names the tag, by the weak comparison. A header that is too long is ignored."""
    if if_none_match is None or len(if_none_match) > TAGS_MAX:
        return False
    tags = [candidate.strip().removeprefix("W/") for candidate in if_none_match.split(",")]
    return "*" in tags or tag.removeprefix("W/") in tags


def version_tag(version: EntityVersion, body: bytes | None = None) -> str:
    """Return the entity tag of something that can be edited.

    `body`: its bytes, if they can change while the version stays the same.
    """
    looks = "" if body is None else f"-{hashlib.blake2b(body, digest_size=4).hexdigest()}"
    return f'"{version.history}-{version.number}{looks}"'


def parse_version_tag(tag: str) -> EntityVersion | None:
    """Return the version that a tag names, or that a version alone in quotation marks names; None for any other text.

    A tag of earlier releases gets a history that doesn't exist, so that it is refused as outdated. A weak tag counts as
    the strong one: proxies that compress turn one into the other.
    """
    if former := _FORMER.fullmatch(tag):
        return EntityVersion(int(former[1]), FORMER)
    match = _EDITION.fullmatch(tag)
    return EntityVersion(int(match[2] or match[3]), match[1]) if match else None
