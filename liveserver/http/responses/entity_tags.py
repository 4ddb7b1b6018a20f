"""Entity tags, by which a client asks whether its copy is still current (RFC 9110, 8.8.3 and 13.1.2)."""

from __future__ import annotations

import hashlib
import re

from liveserver import __version__
from liveserver.domain.ids import FORMER, EntityVersion

_VERSION_TAG = re.compile(r'(?:W/)?"(?:([a-z0-9]{8,32})-([0-9]{1,9})(?:-[0-9a-f]{8})?|([0-9]{1,9}))"', re.ASCII)
"""The pattern of an entity tag that names a version: the version's history, its number, and for an entry also a hash of
the entry's JSON. The hash is ignored when the tag is read. Instead of the tag, clients may send only the number in
quotation marks."""
_FORMER = re.compile(r'(?:W/)?"([0-9]{1,7})-[0-9a-f]{8}"', re.ASCII)
"""The pattern of an entity tag that an earlier release made: a version's number, of at most seven digits, and a hash.
No tag from `version_tag` matches this pattern, as such a tag begins with the name of a history. This name has at least
eight characters."""

TAGS_MAX = 2_048
"""An `If-None-Match` header with more characters than this is ignored. A header of this length has some fifty tags."""


def tag_of(body: bytes) -> str:
    """Return the strong entity tag of a body: a hash of its bytes and of this release's version."""
    return f'"{hashlib.blake2b(body, digest_size=12, person=__version__.encode()[:16]).hexdigest()}"'


def still_holds(if_none_match: str | None, tag: str) -> bool:
    """True if an `If-None-Match` header names the tag or is `*`, so that the client's copy is still current.

    Tags are compared by the weak comparison (RFC 9110, 8.8.3.2). False if there is no header, or if the header is too
    long.
    """
    if if_none_match is None or len(if_none_match) > TAGS_MAX:
        return False
    tags = [candidate.strip().removeprefix("W/") for candidate in if_none_match.split(",")]
    return "*" in tags or tag.removeprefix("W/") in tags


def version_tag(version: EntityVersion, body: bytes | None = None) -> str:
    """Return the entity tag of one version of a thing: the version's history and number, and a hash of `body`.

    `body`: the bytes of the thing's JSON, if they can change while the version stays the same. None for a tag without a
    hash.
    """
    looks = "" if body is None else f"-{hashlib.blake2b(body, digest_size=4).hexdigest()}"
    return f'"{version.history}-{version.number}{looks}"'


def parse_version_tag(tag: str) -> EntityVersion | None:
    """Return the version that `tag` names: a tag of `version_tag`, or a number in quotation marks. Else return None.

    A tag of an earlier release gives a version of a history that doesn't exist (`FORMER`). So an edit with such a tag
    is refused as outdated. A weak tag means the same as the strong tag, as proxies that compress bodies make tags weak.
    """
    if former := _FORMER.fullmatch(tag):
        return EntityVersion(int(former[1]), FORMER)
    match = _VERSION_TAG.fullmatch(tag)
    return EntityVersion(int(match[2] or match[3]), match[1]) if match else None
