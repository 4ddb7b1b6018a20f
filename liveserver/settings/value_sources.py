"""The places that settings come from: the environment, `.env`, and the secret files that are named there."""

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
"""The path of the file with settings, relative to the working directory."""

SECRETS = ("database_url", "redis_url", "media_secret_key", "oidc_client_secret")
"""The names of the settings that may come from a secret file."""


# The library `dotenv` logs a bad line each time that it reads the file, and without the file's name. We report bad
# lines with `unreadable_lines` instead.
logging.getLogger("dotenv").setLevel(logging.ERROR)


class SecretFilesSource(PydanticBaseSettingsSource):
    """The environment, or `.env`, as a source of settings. The source may name a secret's file in place of the
    secret."""

    def __init__(self, settings: type[BaseSettings], source: PydanticBaseSettingsSource) -> None:
        super().__init__(settings)
        self._source = source

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the wrapped source's answer: a setting's value and name, and whether the value is read as JSON."""
        return self._source.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """Return all settings of the source, with the secrets from the files that it names.

        Raises SettingsError if the source has both a secret and the name of the secret's file. Also raises
        SettingsError if this file can't be read, isn't text, or is empty.
        """
        values = self._source()
        variables: dict[str, str | None] = getattr(self._source, "env_vars", {})
        for name in SECRETS:
            variable = f"LIVESERVER_{name.upper()}_FILE"
            path = variables.get(variable.lower())
            # `current_state` has the values from the sources before this one, such as flags. They win over this source.
            if path and name not in self.current_state:
                if values.get(name):
                    raise SettingsError(f"{variable.removesuffix('_FILE')} and {variable} are both set: leave out one")
                values[name] = secret_in(variable, path)
        return values


def secret_in(variable: str, path: str) -> str:
    """Return the text of a secret file, without the line break at its end.

    `variable`: the variable that names the file, for messages. Raises SettingsError if the file can't be read, isn't
    text, or is empty.
    """
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
    """Return the places of the lines of `.env` that are ignored because they aren't like `NAME=value`.

    A place is the path of the file and the number of the line: `/srv/live/.env:3`.
    """
    if not DOTENV.is_file():
        return []
    with DOTENV.open(encoding="utf-8") as file:
        return [f"{DOTENV.absolute()}:{binding.original.line}" for binding in parse_stream(file) if binding.error]
