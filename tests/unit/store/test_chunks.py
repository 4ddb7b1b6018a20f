"""The values that a statement looks up are bounded in number, and none of them is left out."""

from __future__ import annotations

import pytest

from liveserver.store.chunks import AT_ONCE, chunks


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (4, [4]), (5, [4, 1]), (9, [4, 4, 1])])
def test_values_come_in_order_and_all_of_them(count: int, sizes: list[int]) -> None:
    values = range(count)
    parts = list(chunks(values, 4))
    assert [len(part) for part in parts] == sizes
    assert [value for part in parts for value in part] == [*values]


def test_an_old_sqlite_takes_as_many() -> None:
    assert [len(part) for part in chunks(range(AT_ONCE + 1))] == [AT_ONCE, 1]
    assert AT_ONCE <= 999
