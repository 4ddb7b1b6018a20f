"""The settings. Each comes from a flag, an environment variable `LIVESERVER_…` or a line of `.env`.

If a setting comes from several of these places, the flag wins over the variable, and the variable wins over the line.
For a setting with a password, a variable or a line `LIVESERVER_…_FILE` may name a file that has the value. The password
then isn't in a command line or an environment, where other people may see it.
"""

from __future__ import annotations

from liveserver.settings.client_variables import key_of, take_client_variables
from liveserver.settings.definitions import Settings
from liveserver.settings.loading import flag_of, load
from liveserver.settings.redaction import database_of, hide_password
from liveserver.settings.unknown_names import unknown_settings
from liveserver.settings.value_sources import SECRETS, unreadable_lines

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
