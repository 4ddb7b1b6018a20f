"""Rows of a backup: which pass, and in which words others are refused (`tests/contract/test_backup_archives.py`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from liveserver.store import tables
from liveserver.store.backup import row_checks
from tests.support.store_samples import TYPOGRAPHY

MOMENT = "2026-11-22T12:00:00.001234Z"
LIVEBLOG: dict[str, Any] = {
    "id": 1,
    "slug": "match",
    "title": TYPOGRAPHY,
    "summary": "",
    "language": "fr",
    "timezone": "Europe/Paris",
    "status": "live",
    "version": 1,
    "epoch": "abcdefgh",
    "seq": 2**63 - 1,
    "changed_seq": 0,
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "embedding": None,
    "opened_by": None,
    "two_persons": None,
    "work": 0,
}


def test_values_are_those_of_the_columns() -> None:
    """Moments are moments; all else is as it was."""
    moment = datetime(2026, 11, 22, 12, 0, 0, 1234, UTC)
    expected = {**LIVEBLOG, "created_at": moment, "updated_at": moment}
    values = row_checks.values_of(LIVEBLOG, tables.liveblogs)
    assert values == expected
    row_checks.check("liveblogs", values, str.upper)
    assert values == expected


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("seq", 2**63, r"^seq is no number from 0 to 2\^63 - 1$"),
        ("version", 2**31, r"^version is no number from 0 to 2\^31 - 1$"),
        ("seq", False, "^seq is no number"),
        ("title", "a\x00", "^title has a NUL$"),
        ("created_at", {}, "^created_at is no moment"),
    ],
)
def test_a_value_that_the_column_cant_have(column: str, value: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        row_checks.values_of({**LIVEBLOG, column: value}, tables.liveblogs)


def test_moments() -> None:
    """In whatever zone; not so far off that another zone couldn't name them."""
    assert row_checks.moment_of("2026-01-01T00:00:00+02:00") == datetime(2025, 12, 31, 22, tzinfo=UTC)
    assert row_checks.moment_of("9998-12-31T23:59:59-14:00").year == 9999
    for far in ("1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z"):
        with pytest.raises(ValueError, match="lies beyond"):
            row_checks.moment_of(far)
    assert row_checks.moment_of("9998-12-31T23:59:59-14:00").astimezone(timezone(timedelta(hours=14))).year == 9999


@pytest.mark.parametrize("document", ["a\x00", {"a\x00": 1}, [[{"b": ["c", "\x00"]}]]])
def test_nowhere_in_a_document_is_a_nul(document: Any) -> None:
    """PostgreSQL takes none."""
    with pytest.raises(ValueError, match="embedding has a NUL"):
        row_checks.values_of({**LIVEBLOG, "embedding": document}, tables.liveblogs)


def test_sections_without_checks_of_their_own_pass() -> None:
    """Others are checked."""
    row_checks.check("idempotency", {"key": "a"}, str)
    with pytest.raises(ValueError, match="slug"):
        row_checks.check("liveblogs", {**LIVEBLOG, "slug": "no slug"}, str)


def test_a_language_that_an_earlier_release_took_is_restored() -> None:
    for language in ("zz-zz-zz", "fr-CA", "de-CH-x-phonebk"):
        values = row_checks.values_of({**LIVEBLOG, "language": language}, tables.liveblogs)
        row_checks.check("liveblogs", values, str.upper)
    with pytest.raises(ValueError, match="language"):
        row_checks.check(
            "liveblogs", row_checks.values_of({**LIVEBLOG, "language": 'fr"'}, tables.liveblogs), str.upper
        )
