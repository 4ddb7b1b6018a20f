"""Chunks of what statements look up by a list of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")

AT_ONCE = 500
"""Values that one statement looks up: databases limit the parameters of a statement (an old SQLite to 999)."""


def chunks(values: Sequence[T], size: int = AT_ONCE) -> Iterator[Sequence[T]]:
    """Yield the values in order, `size` at a time, and the rest."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
