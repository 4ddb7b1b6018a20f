"""Ids, slugs, epochs and versions: the names of things, and the functions that make them."""

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
"""The id of an entry or a picture: a UUID, as `new_id` writes it."""

PARTNER_ID_PATTERN = r"^p_[a-z0-9]{12}$"
PARTNER_ID = re.compile(PARTNER_ID_PATTERN)

EPOCH_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
EPOCH_LENGTH = 8


FORMER = ""
"""Stands for the history in entity tags of earlier releases, which didn't name one. No history has this name."""


class EntityVersion(NamedTuple):
    """One version of something that can be edited, within one history. Its entity tag names it."""

    number: int
    """The version."""
    history: str | None = None
    """The history in which the version counts; None for whichever is current."""


# Letters that Unicode doesn't decompose into a plain letter and its accent.
_INSEPARABLE = str.maketrans(
    {"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)


def new_epoch() -> str:
    """Make a random word that names a new history."""
    return "".join(secrets.choice(EPOCH_ALPHABET) for _ in range(EPOCH_LENGTH))


def new_id() -> str:
    """Make a UUIDv7 (RFC 9562, 5.7 with method 3 of 6.2). Ids sort in the order in which one machine made them."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76 | fraction << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def new_partner_id() -> str:
    """Make a random id for a partner."""
    return "p_" + "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(12))


def now() -> datetime:
    """Return the current time in UTC, cut to milliseconds, as the store and all messages have it."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _history_since(moment: datetime) -> str:
    """Return a name for the history of something that was last changed at that moment."""
    return f"{round(moment.timestamp() * 1000):x}"


def slugify(title: str) -> str:
    """Make a slug from a title: `L’été, en direct` → `l-ete-en-direct`; empty if nothing of the title is left."""
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
