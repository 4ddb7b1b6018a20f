"""The search for misspelt settings: names in the environment and `.env` that look like settings but are unknown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydantic_settings import DotEnvSettingsSource

from liveserver.settings.client_variables import CLIENT_VARIABLES
from liveserver.settings.definitions import Settings
from liveserver.settings.value_sources import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterable


LIKENESS = 0.6
"""The similarity above which a variable is suggested for a misspelt name. `difflib` computes the similarity: 0 if the
names have nothing in common, 1 if they are equal."""


def unknown_settings() -> dict[str, str | None]:
    """Return the names in the environment and `.env` that look like settings but are unknown.

    The keys of the result are these names. A value is the variable that was probably meant; None if no variable is
    similar enough.
    """
    lines = (name.upper() for name in DotEnvSettingsSource(Settings).env_vars)
    return {name: nearest_setting(name) for name in unknown_variables([*os.environ, *lines])}


def unknown_variables(names: Iterable[str]) -> list[str]:
    """Return the names that begin with `LIVESERVER_` but aren't variables of settings, in upper case and sorted.

    Variables of client commands count as settings. Names that begin with `LIVESERVER_TEST_` are left out.
    """
    known_names = _variables() | CLIENT_VARIABLES | {f"LIVESERVER_{name.upper()}_FILE" for name in SECRETS}
    return sorted(
        name
        for name in {name.upper() for name in names}
        if name.startswith("LIVESERVER_") and name not in known_names and not name.startswith("LIVESERVER_TEST_")
    )


def nearest_setting(variable: str) -> str | None:
    """Return the variable of a setting or a client command that is most similar to `variable`.

    Returns None if the similarity isn't more than LIKENESS. The order of the words in a name doesn't matter.
    """
    # The import is in the function, since most commands don't need it.
    from difflib import SequenceMatcher

    def words(name: str) -> list[str]:
        return name.removeprefix("LIVESERVER_").split("_")

    def likeness(name: str) -> float:
        pairs = (words(variable), words(name)), (sorted(words(variable)), sorted(words(name)))
        return max(SequenceMatcher(None, "_".join(first), "_".join(second)).ratio() for first, second in pairs)

    nearest = max(sorted(_variables() | CLIENT_VARIABLES), key=likeness)
    return nearest if likeness(nearest) > LIKENESS else None


def _variables() -> set[str]:
    return {f"LIVESERVER_{name.upper()}" for name in Settings.model_fields}
