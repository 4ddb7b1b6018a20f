"""What is published."""

from __future__ import annotations

import pytest

from liveserver.bench.messages import Mark
from liveserver.bench.newsroom import entry_of

MARK = Mark("0123abcd", 7, 1234.5)


@pytest.mark.parametrize("size", [200, 400, 5000, 50_000])
def test_an_entry_says_that_it_is_a_benchmark(size: int) -> None:
    """It has the size that was asked for, and carries its mark."""
    entry = entry_of(MARK, size)
    assert entry["heading"] == "Benchmark"
    assert "not news" in entry["body"] or size < 250
    body = entry["body"].encode()
    assert size - 5 <= len(body) - len(b"<p></p>") <= size
    assert Mark.find(body) == MARK


def test_entries_of_a_run_are_of_one_length() -> None:
    lengths = {len(entry_of(Mark("0123abcd", number, 10.0**number), 400)["body"]) for number in range(1, 9)}
    assert len(lengths) == 1
