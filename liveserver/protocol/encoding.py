"""JSON as bytes, and the form of moments in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

JSON = dict[str, Any]
Encoded = orjson.Fragment
"""A part of an object that is JSON already: of a list of long entries, each is encoded by itself."""


def dumps(value: Any) -> bytes:
    """`value` as UTF-8 JSON.

    A copy: orjson leaves what it returns in the buffer that it wrote to, which is up to ten times as large, and much of
    this is kept.
    """
    return bytes(memoryview(orjson.dumps(value)))


def encoded(value: Any) -> Encoded:
    """`value` as a part of what `dumps` is given later."""
    return Encoded(dumps(value))


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-11-22T09:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
