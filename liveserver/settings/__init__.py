"""Settings: a flag, an environment variable `LIVESERVER_…` or a line of `.env` each; the first of these wins.

For those that hold a password, a variable or a line `LIVESERVER_…_FILE` may name a file that has it: command lines and
environments are for others on the machine to see.
"""

from __future__ import annotations

from liveserver.settings.client_variables import key_of, take_client_variables
from liveserver.settings.definitions import Settings
from liveserver.settings.loading import flag_of, load
from liveserver.settings.redaction import database_of, hide_password
from liveserver.settings.sources import SECRETS, unreadable_lines
from liveserver.settings.unknown_names import unknown_settings

__all__ = [
    "SECRETS",
    "Settings",
    "database_of",
    "flag_of",
    "hide_password",
    "key_of",
    "load",
    "take_client_variables",
    "unknown_settings",
    "unreadable_lines",
]
