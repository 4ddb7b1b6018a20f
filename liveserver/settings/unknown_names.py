"""Names in the environment that look like settings and are none: the misspelt ones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydantic_settings import DotEnvSettingsSource

from liveserver.settings.client_variables import CLIENT_VARIABLES
from liveserver.settings.definitions import Settings
from liveserver.settings.sources import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterable


LIKENESS = 0.6
"""Likeness to a setting's name from which a name is taken for that, misspelt (`difflib`: 1 is the same)."""


def unknown_settings() -> dict[str, str | None]:
    """Return the names in the environment and `.env` that look like settings and are none, each with the likely one."""
    lines = (name.upper() for name in DotEnvSettingsSource(Settings).env_vars)
    return {name: nearest_setting(name) for name in unknown_variables([*os.environ, *lines])}


def unknown_variables(names: Iterable[str]) -> list[str]:
    """Return, of the names of environment variables, those that look like settings and are none."""
    known = _variables() | CLIENT_VARIABLES | {f"LIVESERVER_{name.upper()}_FILE" for name in SECRETS}
    return sorted(
        name
        for name in {name.upper() for name in names}
        if name.startswith("LIVESERVER_") and name not in known and not name.startswith("LIVESERVER_TEST_")
    )


def nearest_setting(variable: str) -> str | None:
    """Return the variable of ours that is most like this one, its words in any order; None if none is much like it."""
    # Imported by what needs it: most commands don't.
    from difflib import SequenceMatcher

    def words(name: str) -> list[str]:
        return name.removeprefix("LIVESERVER_").split("_")

    def likeness(name: str) -> float:
        pairs = (words(variable), words(name)), (sorted(words(variable)), sorted(words(name)))
        return max(SequenceMatcher(None, "_".join(one), "_".join(other)).ratio() for one, other in pairs)

    found = max(sorted(_variables() | CLIENT_VARIABLES), key=likeness)
    return found if likeness(found) > LIKENESS else None


def _variables() -> set[str]:
    return {f"LIVESERVER_{name.upper()}" for name in Settings.model_fields}
