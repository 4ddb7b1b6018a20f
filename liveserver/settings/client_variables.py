"""The environment variables of commands that are clients of a server: the server's address, and an API key."""

from __future__ import annotations

import os
from contextlib import suppress

from pydantic_settings import DotEnvSettingsSource

from liveserver.domain.errors import SettingsError
from liveserver.settings.definitions import Settings
from liveserver.settings.value_sources import secret_in

CLIENT_VARIABLES = frozenset({"LIVESERVER_KEY", "LIVESERVER_KEY_FILE", "LIVESERVER_URL"})
"""The environment variables that client commands read. They aren't settings of the server."""


def key_of(given: str | None) -> str | None:
    """Return a client's API key: `given`, or else the key in the file that LIVESERVER_KEY_FILE names.

    Returns None if `given` is missing and LIVESERVER_KEY_FILE isn't set.

    `given`: the value of the flag or, if there is no flag, of LIVESERVER_KEY. Raises SettingsError if the file can't be
    read, isn't text or is empty. Also raises SettingsError if both variables are set, unless a flag gives another key.
    """
    path = os.environ.get("LIVESERVER_KEY_FILE")
    if not path or (given and given != os.environ.get("LIVESERVER_KEY")):
        return given or None
    if given:
        raise SettingsError("LIVESERVER_KEY and LIVESERVER_KEY_FILE are both set: leave out one")
    return secret_in("LIVESERVER_KEY_FILE", path)


def take_client_variables() -> None:
    """Copy the client variables from `.env` into the environment, except variables that the environment has already.

    If the environment has LIVESERVER_KEY or LIVESERVER_KEY_FILE, neither of these two is copied.
    If LIVESERVER_PORT is set and no TLS certificate is set, the server is assumed to be on this machine. In that case,
    the default of LIVESERVER_URL is `http://localhost:` with this port.
    """
    variables: dict[str, str] = {}
    # If `.env` can't be read, the commands that need it report that.
    with suppress(OSError, ValueError):
        variables = {name.upper(): value for name, value in DotEnvSettingsSource(Settings).env_vars.items() if value}
    port = os.environ.get("LIVESERVER_PORT") or variables.get("LIVESERVER_PORT")
    if port and not (os.environ.get("LIVESERVER_TLS_CERTIFICATE") or variables.get("LIVESERVER_TLS_CERTIFICATE")):
        variables.setdefault("LIVESERVER_URL", f"http://localhost:{port}")
    secret = {"LIVESERVER_KEY", "LIVESERVER_KEY_FILE"}
    for name in CLIENT_VARIABLES & set(variables):
        # If the environment has an API key, or the name of a key's file, neither of them is taken from `.env`.
        if name not in os.environ and not (name in secret and secret & set(os.environ)):
            os.environ[name] = variables[name]
