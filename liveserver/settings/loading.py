"""The loading of settings from flags, the environment and `.env`. All bad settings are reported in one line."""

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
"""The short flags of some settings, by the setting's name. Each such setting also has a flag made from its name."""


_WORDS = {
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be true or false",
}
"""Our messages for some of pydantic's types of errors. Pydantic's own messages speak of strings and of parsing."""


def load(**flags: Any) -> Settings:
    """Return the settings from `flags`, the environment and `.env`. The first of these that has a setting wins.

    `flags`: values by the names of settings; None for a flag that isn't given. Raises SettingsError. The error's
    message is one line, which names all bad settings. If `.env` can't be read, the message names only that file.
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
    """Return the flag of a setting. If the setting has two flags, return the short one."""
    return SHORT_FLAGS.get(name) or "--" + name.replace("_", "-")


def _words(error: ErrorDetails) -> str:
    """Return what is wrong with a setting, in words for an operator."""
    message = error["msg"].removeprefix("Value error, ")
    return _WORDS.get(error["type"]) or message.replace("Input should be", "must be", 1)


def _line(location: tuple[int | str, ...], text: str, flags: Collection[str]) -> str:
    """Return the message about a bad setting.

    The message names the setting by its flag if the setting is in `flags`, otherwise by its environment variable.
    """
    if not location:
        return text
    name = str(location[0])
    return f"{flag_of(name) if name in flags else f'LIVESERVER_{name.upper()}'}: {text}"
