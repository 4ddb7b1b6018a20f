"""Loading: flags, environment and `.env` become settings, or one line that names each bad one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from liveserver.domain.errors import SettingsError
from liveserver.settings.definitions import Settings
from liveserver.settings.sources import DOTENV

if TYPE_CHECKING:
    from collections.abc import Collection


SHORT_FLAGS = {"database_url": "--database", "redis_url": "--redis"}
"""Flags of some settings, beside those that they have by their names."""


def load(**flags: Any) -> Settings:
    """Return the settings: flags first (None: not given), then the environment, then `.env`.

    Raises SettingsError with one line that names every bad setting, or `.env` where it can't be read.
    """
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        given = {name for name, value in flags.items() if value is not None}
        raise SettingsError("; ".join(_line(e["loc"], e["msg"], given) for e in error.errors())) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{DOTENV.absolute()} is no text in UTF-8") from None
    except OSError as error:
        raise SettingsError(f"can't read {DOTENV.absolute()}: {error.strerror}") from None


def flag_of(name: str) -> str:
    """Return the flag of a setting, the short one if there are two."""
    return SHORT_FLAGS.get(name) or "--" + name.replace("_", "-")


def _line(location: tuple[int | str, ...], message: str, flags: Collection[str]) -> str:
    """Return the error of a setting, which is named as it was given."""
    text = message.removeprefix("Value error, ")
    if not location:
        return text
    name = str(location[0])
    return f"{flag_of(name) if name in flags else f'LIVESERVER_{name.upper()}'}: {text}"
