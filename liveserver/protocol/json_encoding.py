"""Encoding of JSON as bytes, and of times in JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

JSON = dict[str, Any]
Encoded = orjson.Fragment
"""A part of an object that is JSON already. In a list of long entries, each is encoded by itself."""


def dumps(value: Any) -> bytes:
    """Encode a value as JSON in UTF-8.

    Returns a copy: orjson's own result keeps the buffer that it was written to, which is up to ten times as large, and
    many results are kept in memory.
    """
    return bytes(memoryview(orjson.dumps(value)))


def encoded(value: Any) -> Encoded:
    """Encode a value as a part of an object that is given to `dumps` later."""
    return Encoded(dumps(value))


def timestamp(moment: datetime) -> str:
    """Return a moment in RFC 3339, in UTC, with milliseconds: `2026-11-22T09:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
