"""The texts of the pages, in their languages."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.resources import files
from typing import Any

import pytest

from liveserver.content.translations import text_direction, texts_for

PLURALS = {"zero", "one", "two", "few", "many", "other"}


def keys_of(table: dict[str, Any], prefix: str = "") -> set[str]:
    """Every text's name; the forms of a plural, of which each language has its own, count as one."""
    names: set[str] = set()
    for key, value in table.items():
        if isinstance(value, dict) and "other" in value:
            assert set(value) <= PLURALS
            names.add(f"{prefix}{key}")
        elif isinstance(value, dict):
            names |= keys_of(value, f"{prefix}{key}.")
        else:
            names.add(f"{prefix}{key}")
    return names


LOCALES = {
    file.name: tomllib.loads(file.read_text("utf-8")) for file in (files("liveserver.content") / "locales").iterdir()
}


class TestTexts:
    """Our own texts."""

    @pytest.mark.parametrize("name", sorted(LOCALES))
    def test_every_language_has_every_text(self, name: str) -> None:
        assert keys_of(LOCALES[name]) == keys_of(LOCALES["en.toml"])

    @pytest.mark.parametrize("name", sorted(LOCALES))
    def test_time_ends_the_short_date_and_time(self, name: str) -> None:
        """The part of the text before the time is hidden where the day is known."""
        assert LOCALES[name]["dates"]["short_date_time"].endswith("{time}")

    def test_french_typography(self) -> None:
        """No plain space stands before a punctuation mark of two parts, or inside « »."""
        wrong = re.compile(r"[ \u00a0][;!?»]|[^\u00a0]:|«[^\u202f]|\w[;!?]|'")
        for text in re.findall(r'= "(.*)"', (files("liveserver.content") / "locales" / "fr.toml").read_text("utf-8")):
            assert not wrong.search(json.loads(f'"{text}"')), text

    @pytest.mark.parametrize(
        ("tag", "language"), [("fr", "fr"), ("fr-CA", "fr-CA"), ("en-GB", "en-GB"), ("br", "en"), ("fr-x-made", "fr")]
    )
    def test_nearest_language(self, tag: str, language: str) -> None:
        assert texts_for(tag).language == language

    @pytest.mark.parametrize(("tag", "direction"), [("fr", "ltr"), ("ar", "rtl"), ("he-IL", "rtl"), ("xx", "ltr")])
    def test_direction(self, tag: str, direction: str) -> None:
        assert text_direction(tag) == direction
