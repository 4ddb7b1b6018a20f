"""Environment variables of commands that are clients: the address of a server, and an API key for it."""

from __future__ import annotations

import os
from contextlib import suppress

from pydantic_settings import DotEnvSettingsSource

from liveserver.domain.errors import SettingsError
from liveserver.settings.definitions import Settings
from liveserver.settings.value_sources import secret_in

CLIENT_VARIABLES = frozenset({"LIVESERVER_KEY", "LIVESERVER_KEY_FILE", "LIVESERVER_URL"})
"""Variables that client commands read; they aren't settings of the server."""


def key_of(given: str | None) -> str | None:
    """Return a client's API key: the given one, or that in the file LIVESERVER_KEY_FILE; None if there is none.

    Raises SettingsError if the file can't be read, or the environment has both.
    """
    path = os.environ.get("LIVESERVER_KEY_FILE")
    if not path or (given and given != os.environ.get("LIVESERVER_KEY")):
        return given or None
    if given:
        raise SettingsError("LIVESERVER_KEY and LIVESERVER_KEY_FILE are both set: leave out one")
    return secret_in("LIVESERVER_KEY_FILE", path)


def take_client_variables() -> None:
    """Put missing client variables into the environment: from `.env`, and the URL of the server set up here."""
    variables: dict[str, str] = {}
    # Commands that need the file report it if it can't be read.
    with suppress(OSError, ValueError):
        variables = {name.upper(): value for name, value in DotEnvSettingsSource(Settings).env_vars.items() if value}
    port = os.environ.get("LIVESERVER_PORT") or variables.get("LIVESERVER_PORT")
    if port and not (os.environ.get("LIVESERVER_TLS_CERTIFICATE") or variables.get("LIVESERVER_TLS_CERTIFICATE")):
        variables.setdefault("LIVESERVER_URL", f"http://localhost:{port}")
    secret = {"LIVESERVER_KEY", "LIVESERVER_KEY_FILE"}
    for name in CLIENT_VARIABLES & set(variables):
        # A key in the environment, given in either way, comes before one in the file.
        if name not in os.environ and not (name in secret and secret & set(os.environ)):
            os.environ[name] = variables[name]
