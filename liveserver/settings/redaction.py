"""The removal of passwords and other secrets from settings, for messages and logs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from liveserver.settings.definitions import Settings


def database_of(settings: Settings) -> str:
    """Return the database's URL with `***` as its password. The URL of an SQLite file has the file's absolute path."""
    file = settings.database_url.removeprefix("sqlite:///")
    return hide_password(file if file == settings.database_url else f"sqlite:///{Path(file).absolute()}")


def hide_password(url: str) -> str:
    """Return `url` with `***` in place of a password, which may stand before the host or in the query."""
    # `urlsplit` isn't used, as a password may have characters that aren't allowed in a URL, such as # or /. Such a
    # password must be hidden, too.
    url = re.sub(r"([?&]password=)[^&#]*", r"\1***", url)
    return re.sub(r"^([^:/]+://[^:/?#@]*):.*@", r"\1:***@", url, flags=re.DOTALL)


def redacted_value(name: str, value: Any) -> Any:
    """Return the value of a setting, with `***` in place of a secret.

    A secret key and a client's secret are replaced as a whole. In a URL, only the password is replaced.
    """
    if value and name.endswith(("_secret_key", "_client_secret")):
        return "***"
    return hide_password(value) if value and name.endswith("_url") else value
