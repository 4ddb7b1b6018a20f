"""Sources of settings: the environment and `.env`, and files that hold a secret."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dotenv.parser import parse_stream
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from liveserver.domain.errors import SettingsError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


DOTENV = Path(".env")
"""The file of settings in the folder that a command is started in."""

SECRETS = ("database_url", "redis_url", "media_secret_key")
"""Settings that may be in a file of their own."""


# It tells of a bad line each time that it reads the file, and doesn't name it: `unreadable_lines` does.
logging.getLogger("dotenv").setLevel(logging.ERROR)


class SecretFilesSource(PydanticBaseSettingsSource):
    """The environment, or `.env`; a secret may be in a file that it names instead."""

    def __init__(self, settings: type[BaseSettings], source: PydanticBaseSettingsSource) -> None:
        super().__init__(settings)
        self._source = source

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return one setting, as the source gives it."""
        return self._source.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """Return all settings that the source gives. Raises SettingsError for a secret that is given twice."""
        given = self._source()
        variables: dict[str, str | None] = getattr(self._source, "env_vars", {})
        for name in SECRETS:
            variable = f"LIVESERVER_{name.upper()}_FILE"
            path = variables.get(variable.lower())
            # What was given before this (a flag, say) wins, as ever.
            if path and name not in self.current_state:
                if given.get(name):
                    raise SettingsError(f"{variable.removesuffix('_FILE')} and {variable} are both set: leave out one")
                given[name] = secret_in(variable, path)
        return given


def secret_in(variable: str, path: str) -> str:
    """Return the text of the file at a path, without the line's end. Raises SettingsError, which names the variable."""
    try:
        secret = Path(path).read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{variable}: can't read {path}: {error.strerror}") from None
    except ValueError:
        raise SettingsError(f"{variable}: {path} is no text") from None
    if not secret:
        raise SettingsError(f"{variable}: {path} is empty")
    return secret


def unreadable_lines() -> list[str]:
    """Return the lines of `.env` that aren't like NAME=value and are left out, each as path and number."""
    if not DOTENV.is_file():
        return []
    with DOTENV.open(encoding="utf-8") as file:
        return [f"{DOTENV.absolute()}:{each.original.line}" for each in parse_stream(file) if each.error]
