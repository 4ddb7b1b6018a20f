"""The reader's language, as the browser names it (RFC 9110, 12.5.4)."""

from __future__ import annotations

from functools import lru_cache

from liveserver.content.translations import known_language
from liveserver.http.responses.quality_values import weighted

ACCEPT_LANGUAGE_MAX = 256
"""Only this many characters of an Accept-Language header are read. No browser sends more."""


def reader_language(accept_language: str | None) -> str | None:
    """Return the language that an Accept-Language header prefers among the languages in which we have texts.

    For example, returns `fr` for `de, fr-CA` if we have French texts and no German texts. Returns None if there is no
    header, or if we have no texts in any language that the header names.
    """
    return None if accept_language is None else _first_known(accept_language[:ACCEPT_LANGUAGE_MAX])


@lru_cache(maxsize=256)
def _first_known(accept_language: str) -> str | None:
    weights: dict[str, float] = {}
    for tag, weight in weighted(accept_language):
        language = known_language(tag)
        if language is not None and weight > 0:
            weights[language] = max(weight, weights.get(language, 0.0))
    # Of languages with the same weight, the first that the header names.
    return max(weights, key=weights.__getitem__) if weights else None
