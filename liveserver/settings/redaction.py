"""Addresses without their passwords, for messages and logs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from liveserver.settings.definitions import Settings


def database_of(settings: Settings) -> str:
    """Return the database's address without its password; a file's with its absolute path."""
    file = settings.database_url.removeprefix("sqlite:///")
    return hide_password(file if file == settings.database_url else f"sqlite:///{Path(file).absolute()}")


def hide_password(url: str) -> str:
    """Return `url` with its password, before the host or in the query, replaced by `***`."""
    # Not with urlsplit: a password may have characters that a URL shouldn't, such as # or /, and must still be hidden.
    url = re.sub(r"([?&]password=)[^&#]*", r"\1***", url)
    return re.sub(r"^([^:/]+://[^:/?#@]*):.*@", r"\1:***@", url, flags=re.DOTALL)


def redacted_value(name: str, value: Any) -> Any:
    """Return the value of a setting without the password in it; `***` if it is a secret as a whole."""
    if value and name.endswith("_secret_key"):
        return "***"
    return hide_password(value) if value and name.endswith("_url") else value
