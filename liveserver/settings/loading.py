"""Loading settings from flags, environment and `.env`, or reporting all bad ones in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from liveserver.domain.errors import SettingsError
from liveserver.settings.definitions import Settings
from liveserver.settings.value_sources import DOTENV

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic_core import ErrorDetails


SHORT_FLAGS = {"database_url": "--database", "redis_url": "--redis"}
"""Short flags of some settings, besides those made from their names."""


_WORDS = {
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be true or false",
}
"""Messages for pydantic's types of errors, whose own ones speak of strings and of parsing."""


def load(**flags: Any) -> Settings:
    """Return the settings: flags first (None: not given), then the environment, then `.env`.

    Raises SettingsError, with one line that names every bad setting, or `.env` if it can't be read.
    """
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        from_flags = {name for name, value in flags.items() if value is not None}
        raise SettingsError(
            "; ".join(_line(detail["loc"], _words(detail), from_flags) for detail in error.errors())
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{DOTENV.absolute()} is no text in UTF-8") from None
    except OSError as error:
        raise SettingsError(f"can't read {DOTENV.absolute()}: {error.strerror}") from None


def flag_of(name: str) -> str:
    """Return the flag of a setting, the short one if there are two."""
    return SHORT_FLAGS.get(name) or "--" + name.replace("_", "-")


def _words(error: ErrorDetails) -> str:
    """Return what is wrong with a setting, in words for an operator."""
    message = error["msg"].removeprefix("Value error, ")
    return _WORDS.get(error["type"]) or message.replace("Input should be", "must be", 1)


def _line(location: tuple[int | str, ...], text: str, flags: Collection[str]) -> str:
    """Return the error message of a setting, named by its flag if it came from one, else by its variable."""
    if not location:
        return text
    name = str(location[0])
    return f"{flag_of(name) if name in flags else f'LIVESERVER_{name.upper()}'}: {text}"
