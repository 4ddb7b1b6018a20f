"""Positions, ids, epochs and slugs."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveserver.domain.change import Position
from liveserver.domain.ids import (
    EPOCH_ALPHABET,
    EPOCH_LENGTH,
    SLUG_MAX,
    SLUG_PATTERN,
    new_epoch,
    new_id,
    now,
    slugify,
)


@given(
    epoch=st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=32),
    seq=st.integers(0, 10**18 - 1),
)
def test_a_position_is_read_as_it_is_written(epoch: str, seq: int) -> None:
    assert Position.parse(str(Position(epoch, seq))) == Position(epoch, seq)


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "abc", "abc-", "-1", "abc-01", "abc-1.0", "abc--1", "abc-+1", "abc-1 ", " abc-1", "abc-1\n"),
        *("ABC-1", "a_b-1", "é-1", "abc-١", "abc-1-2", "a" * 33 + "-1", "abc-" + "1" * 19, "abc-1e3"),
    ],
)
def test_what_names_no_position_is_none(text: str) -> None:
    assert Position.parse(text) is None


def test_epochs_are_random_words_that_positions_can_carry() -> None:
    epochs = {new_epoch() for _ in range(200)}
    assert len(epochs) == 200
    for epoch in epochs:
        assert len(epoch) == EPOCH_LENGTH
        assert set(epoch) <= set(EPOCH_ALPHABET)
        assert Position.parse(f"{epoch}-1") == Position(epoch, 1)


def test_the_epoch_that_stands_for_a_void_position_is_no_epoch() -> None:
    assert "0" not in EPOCH_ALPHABET


def test_entry_ids_are_version_7_uuids_of_this_moment() -> None:
    before = now()
    made = uuid.UUID(new_id())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    milliseconds = made.int >> 80
    assert before.timestamp() * 1000 - 1 <= milliseconds <= now().timestamp() * 1000 + 1


def test_entry_ids_sort_as_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also within a millisecond, to a quarter of a microsecond."""
    clock = iter(range(1_800_000_000_000_000_000, 1_800_000_000_004_000_000, 500))
    monkeypatch.setattr("time.time_ns", lambda: next(clock))
    ids = [new_id() for _ in range(4000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 4000
    assert all(id_ == id_.lower() for id_ in ids)


def test_now_is_utc_in_whole_milliseconds() -> None:
    moment = now()
    assert moment.tzinfo is UTC
    assert moment.utcoffset() == timedelta(0)
    assert moment.microsecond % 1000 == 0


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("L’été, en direct", "l-ete-en-direct"),
        ("Œuvre & cœur : ça bouge\u202f!", "oeuvre-coeur-ca-bouge"),
        ("Straße Ærø", "strasse-aero"),
        ("e\u0301te\u0301", "ete"),
        ("ﬁn ½", "fin-1-2"),
        ("  --  ", ""),
        ("東京", ""),
        ("東京 2026", "2026"),
        ("a" * 300, "a" * SLUG_MAX),
        ("ab " * 100, "-".join(["ab"] * 33)),
    ],
)
def test_slugs_from_titles(title: str, slug: str) -> None:
    assert slugify(title) == slug


@given(st.text(max_size=300))
def test_a_slug_is_valid_or_empty(title: str) -> None:
    slug = slugify(title)
    assert slug == "" or (re.fullmatch(SLUG_PATTERN, slug) and len(slug) <= SLUG_MAX)
    assert slugify(slug) == slug
