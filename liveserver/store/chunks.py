"""Long lists of values, cut into chunks. One SQL statement looks up the values of one chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")

AT_ONCE = 500
"""The greatest number of values that one SQL statement looks up. Databases limit the number of a statement's parameters
(an old SQLite to 999)."""


def chunks(values: Sequence[T], size: int = AT_ONCE) -> Iterator[Sequence[T]]:
    """Yield the values, in their order, in chunks of `size` values. The last chunk may be shorter."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
