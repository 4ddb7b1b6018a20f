"""Encoding of JSON as bytes, and of times in JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

JSON = dict[str, Any]
Encoded = orjson.Fragment
"""The type of a JSON value that is encoded already. If an object has such a value, `dumps` copies the value unchanged.
So the entries of a long list can be encoded one by one, before the list."""


def dumps(value: Any) -> bytes:
    """Encode a value as JSON in UTF-8.

    Returns a copy of orjson's result. The result itself keeps the buffer that orjson wrote to. The buffer is up to ten
    times as large as the JSON. Many encoded values stay in memory, so these buffers would waste much memory.
    """
    return bytes(memoryview(orjson.dumps(value)))


def encoded(value: Any) -> Encoded:
    """Encode a value as JSON now, and return it as a part for an object that `dumps` encodes later."""
    return Encoded(dumps(value))


def timestamp(moment: datetime) -> str:
    """Return a moment as text in the format of RFC 3339, in UTC, with milliseconds: `2026-11-22T09:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
