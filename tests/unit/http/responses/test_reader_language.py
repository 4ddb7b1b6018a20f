"""The language in which we answer a reader."""

from __future__ import annotations

import pytest

from liveserver.http.responses.reader_language import reader_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("fr", "fr"),
        ("fr-FR,fr;q=0.9,en;q=0.8", "fr"),
        ("en-GB,en;q=0.9,fr;q=0.8", "en"),
        ("FR-ca", "fr"),
        ("de-DE,de;q=0.9,fr;q=0.5", "fr"),
        ("en;q=0.3, fr;q=0.7", "fr"),
        ("fr;q=0.5,en;q=0.5", "fr"),
        ("fr;q=0, en;q=0.1", "en"),
        ("fr;q=x, en", "en"),
        ("fr;q=nan", None),
        ("de, nl", None),
        ("*", None),
        ("", None),
        ("x" * 5_000 + ", fr", None),
        (None, None),
    ],
)
def test_the_language_that_is_preferred_of_ours(header: str | None, language: str | None) -> None:
    assert reader_language(header) == language
