"""How many TLS records a connection may send that carry little."""

from __future__ import annotations

import pytest

from liveserver.server.protocols.tls_records import (
    HEADER,
    RECORD_BYTES,
    RECORD_SECONDS,
    RECORDS,
    RECORDS_FIRST,
    SECONDS,
    RecordBudget,
)

NOW = 1000.0


def record(size: int) -> bytes:
    """A record of so many bytes, its header among them."""
    return b"\x17\x03\x03" + (size - HEADER).to_bytes(2, "big") + bytes(size - HEADER)


def rested() -> RecordBudget:
    """That of a connection that has been silent for a while."""
    return RecordBudget(NOW - SECONDS)


def came(budget: RecordBudget, data: bytes, now: float = NOW) -> bool:
    return budget.came(memoryview(data), now)


def taken(budget: RecordBudget, data: bytes, *, now: float = NOW, paying: bool = False) -> int:
    """How often that may come."""
    for times in range(10_000):
        if paying:
            budget.pay()
        if not came(budget, data, now):
            return times
    raise AssertionError("there is no end of it")


@pytest.mark.parametrize("size", [HEADER, 27, 100])
def test_so_many_small_records_may_come_at_once(size: int) -> None:
    """Of a new connection fewer, which gets the others with time."""
    weight = 1 - size / RECORD_BYTES
    assert taken(rested(), record(size)) == int(RECORDS / weight + 1e-6)
    assert taken(RecordBudget(NOW), record(size)) == int(RECORDS_FIRST / weight + 1e-6)


@pytest.mark.parametrize("piece", [1, 2, 4, 7, 27, 1_000, 10_000])
def test_it_is_no_matter_in_which_pieces_they_come(piece: int) -> None:
    """Headers are found that come in two pieces, and what comes too often is too much in the piece where it is."""
    budget = rested()
    flood = record(27) * (RECORDS - 1) + record(600) * 10
    for at in range(0, len(flood), piece):
        assert came(budget, flood[at : at + piece])
    flood = record(27) * RECORDS
    assert not all(came(budget, flood[at : at + piece]) for at in range(0, len(flood), piece))


def test_many_in_one_piece_are_counted() -> None:
    assert not came(rested(), record(27) * RECORDS * 2)
    assert came(rested(), record(27) * RECORDS)


@pytest.mark.parametrize("size", [RECORD_BYTES, 1_400, 16_406])
def test_an_upload_pays_for_its_records(size: int) -> None:
    """Those that a small device divides it into, or a browser; it has no credit afterwards."""
    budget = RecordBudget(NOW)
    for _ in range(5_000):
        assert came(budget, record(size))
    assert taken(budget, record(HEADER)) <= RECORDS + RECORDS / 50


def test_a_request_pays_for_one() -> None:
    """As many as are asked for, on one connection; what each has beyond that counts."""
    budget = RecordBudget(NOW)
    for _ in range(5_000):
        budget.pay()
        assert came(budget, record(62))
    assert taken(RecordBudget(NOW), record(27) * 3, paying=True) < RECORDS_FIRST


def test_time_pays() -> None:
    budget = RecordBudget(NOW)
    assert taken(budget, record(RECORD_BYTES // 2)) == RECORDS_FIRST * 2
    assert not came(budget, record(27))
    assert came(budget, record(RECORD_BYTES // 2), NOW + 10 * RECORD_SECONDS)
    later = NOW + 100 * SECONDS
    assert taken(budget, record(RECORD_BYTES // 2), now=later) == RECORDS * 2
