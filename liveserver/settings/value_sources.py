"""Sources of settings: the environment and `.env`, and the secret files that they name."""

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
"""The file of settings in the working directory."""

SECRETS = ("database_url", "redis_url", "media_secret_key")
"""Settings that may come from a secret file."""


# It logs a bad line each time that it reads the file, without the file's name; we have `unreadable_lines` instead.
logging.getLogger("dotenv").setLevel(logging.ERROR)


class SecretFilesSource(PydanticBaseSettingsSource):
    """A source (the environment, or `.env`) that may name files for secrets instead of having them."""

    def __init__(self, settings: type[BaseSettings], source: PydanticBaseSettingsSource) -> None:
        super().__init__(settings)
        self._source = source

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return one setting, as the source gives it."""
        return self._source.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """Return all settings of the source. Raises SettingsError if it has both a secret and its file."""
        values = self._source()
        variables: dict[str, str | None] = getattr(self._source, "env_vars", {})
        for name in SECRETS:
            variable = f"LIVESERVER_{name.upper()}_FILE"
            path = variables.get(variable.lower())
            # A value from a source before this one, such as a flag, wins as always.
            if path and name not in self.current_state:
                if values.get(name):
                    raise SettingsError(f"{variable.removesuffix('_FILE')} and {variable} are both set: leave out one")
                values[name] = secret_in(variable, path)
        return values


def secret_in(variable: str, path: str) -> str:
    """Return the text of a secret file, without its line break. Raises SettingsError, which names the variable."""
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
    """Return the lines of `.env` that are ignored, as they aren't like NAME=value: each as path and number."""
    if not DOTENV.is_file():
        return []
    with DOTENV.open(encoding="utf-8") as file:
        return [f"{DOTENV.absolute()}:{binding.original.line}" for binding in parse_stream(file) if binding.error]
