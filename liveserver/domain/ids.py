"""Ids, slugs, epochs and versions: their forms, and the functions that make new ones."""

from __future__ import annotations

import re
import secrets
import time
import unicodedata
import uuid
from datetime import UTC, datetime
from typing import NamedTuple

SLUG_PATTERN = r"^[a-z0-9]+(?:-[a-z0-9]+)*$"
SLUG_MAX = 100

ID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
"""The form of the id of an entry or a picture: a UUID in lower case, with hyphens."""

PARTNER_ID_PATTERN = r"^p_[a-z0-9]{12}$"
PARTNER_ID = re.compile(PARTNER_ID_PATTERN)

USER_ID_PATTERN = r"^u_[a-z0-9]{12}$"
SESSION_ID_PATTERN = r"^[a-z0-9]{1,16}$"
IDENTITY_ID_PATTERN = r"^[0-9a-f]{16}$"
KEY_ID_PATTERN = r"^[a-z0-9]{12}$"

EPOCH_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
EPOCH_LENGTH = 8


FORMER = ""
"""The value of `EntityVersion.history` if an earlier release made the entity tag, which then names no history. No real
history has this name, so an edit with such a tag is refused."""


class EntityVersion(NamedTuple):
    """The version of an entry, live blog, picture, partner or user, as an entity tag (the header `ETag`) names it: by a
    number, and by the history that the version belongs to."""

    number: int
    """The version: 1, 2, 3 …"""
    history: str | None = None
    """The name of the history that the version belongs to; None for the current history."""


# Letters that Unicode's decomposition (NFKD) doesn't turn into plain letters.
_INSEPARABLE = str.maketrans(
    {"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)


def new_epoch() -> str:
    """Return a new epoch: a random word that names a new history."""
    return "".join(secrets.choice(EPOCH_ALPHABET) for _ in range(EPOCH_LENGTH))


def new_id() -> str:
    """Return a new UUIDv7 (RFC 9562, section 5.7, with method 3 of section 6.2).

    Ids from one machine sort alphabetically in the order in which they were made. The exceptions are ids that were made
    within a quarter of a microsecond, and ids that were made after the clock was set back.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76 | fraction << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def new_partner_id() -> str:
    """Return a new random id for a partner."""
    return "p_" + _letters()


def new_user_id() -> str:
    """Return a new random id for a user."""
    return "u_" + _letters()


def _letters() -> str:
    return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(12))


def now() -> datetime:
    """Return the current time in UTC, cut to whole milliseconds. The store and all messages have this precision."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _history_since(moment: datetime) -> str:
    """Return the name of the history of a picture, partner or user whose last edit was at `moment`.

    The name is the moment in milliseconds since 1970, in hexadecimal.
    """
    return f"{round(moment.timestamp() * 1000):x}"


def slugify(title: str) -> str:
    """Return a slug made from a title: `l-ete-en-direct` from `L’été, en direct`.

    Returns an empty text if the title has no letter or digit that a slug can have.
    """
    expanded = title.lower().translate(_INSEPARABLE)
    plain = "".join(c for c in unicodedata.normalize("NFKD", expanded) if not unicodedata.combining(c))
    words = re.findall(r"[a-z0-9]+", plain)
    slug = ""
    for word in words:
        candidate = f"{slug}-{word}" if slug else word
        if len(candidate) > SLUG_MAX:
            break
        slug = candidate
    return slug or (words[0][:SLUG_MAX] if words else "")
