"""Entity tags: what a reader has."""

from __future__ import annotations

import pytest

from liveserver.http.responses.entity_tags import TAGS_MAX, still_holds

TAG = '"3f9x2ab"'


@pytest.mark.parametrize(
    "named", [TAG, f"W/{TAG}", f'"other", {TAG}', f'"other",{TAG},"another"', "*", TAG + "," * (TAGS_MAX - len(TAG))]
)
def test_what_a_reader_has(named: str) -> None:
    assert still_holds(named, TAG)
    assert still_holds(named, f"W/{TAG}")


@pytest.mark.parametrize("named", [None, "", ",", '"other"', TAG.strip('"'), f'"x{TAG}'])
def test_what_it_has_not(named: str | None) -> None:
    assert not still_holds(named, TAG)


def test_a_longer_list_is_not_looked_through() -> None:
    """Of 30 KB of commas each would be looked at."""
    assert not still_holds(TAG + "," * (TAGS_MAX - len(TAG) + 1), TAG)
    assert not still_holds("," * 30_000 + "*", TAG)
