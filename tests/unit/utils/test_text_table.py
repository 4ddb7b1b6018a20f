"""Rows of words for a terminal."""

from __future__ import annotations

from liveserver.utils.text_table import aligned

ROWS = [("", "viewers", "peak"), ("example.org", "7", "12,345"), ("a", "1,000", "")]


def test_the_cells_of_a_column_begin_at_one_place() -> None:
    assert list(aligned(ROWS)) == [
        "             viewers  peak",
        "example.org  7        12,345",
        "a            1,000",
    ]


def test_figures_end_at_one_place_and_what_they_are_of_begins_at_one() -> None:
    assert list(aligned(ROWS, figures=True)) == [
        "             viewers    peak",
        "example.org        7  12,345",
        "a              1,000",
    ]


def test_no_rows_are_no_lines() -> None:
    assert list(aligned([])) == []
