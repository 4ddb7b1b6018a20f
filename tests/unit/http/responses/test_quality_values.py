"""The weights in Accept headers."""

from __future__ import annotations

import pytest

from liveserver.http.responses.quality_values import weighted


@pytest.mark.parametrize(
    ("header", "items"),
    [
        ("gzip", [("gzip", 1.0)]),
        ("de, fr-CA ; q=0.8,*;Q=0", [("de", 1.0), ("fr-CA", 0.8), ("*", 0.0)]),
        ("gzip;q=much, br;level=3", [("br", 1.0)]),
        ("gzip;level=3;q=0.5, br;q=0;x=1", [("gzip", 0.5), ("br", 0.0)]),
        ("a;q=nan, b;q=inf, c;q=-1, d;q=1.1, e;q=1_0, f;q=", []),
        ("", [("", 1.0)]),
    ],
)
def test_items_have_weights(header: str, items: list[tuple[str, float]]) -> None:
    """In the header's order, 1 where none is given; an item whose weight can't be read is left out."""
    assert weighted(header) == items
