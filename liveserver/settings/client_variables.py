"""Variables of commands that are clients: the address of a server, and an API key for it."""

from __future__ import annotations

import os
from contextlib import suppress

from pydantic_settings import DotEnvSettingsSource

from liveserver.domain.errors import SettingsError
from liveserver.settings.definitions import Settings
from liveserver.settings.sources import secret_in

CLIENT_VARIABLES = frozenset({"LIVESERVER_KEY", "LIVESERVER_KEY_FILE", "LIVESERVER_URL"})
"""Variables that `publish` and `tail` read; they are no settings of the server."""


def key_of(given: str | None) -> str | None:
    """Return a client's API key: as it was given, or from the file that LIVESERVER_KEY_FILE names; None without any.

    Raises SettingsError if the file can't be read, or the environment has both.
    """
    path = os.environ.get("LIVESERVER_KEY_FILE")
    if not path or (given and given != os.environ.get("LIVESERVER_KEY")):
        return given or None
    if given:
        raise SettingsError("LIVESERVER_KEY and LIVESERVER_KEY_FILE are both set: leave out one")
    return secret_in("LIVESERVER_KEY_FILE", path)


def take_client_variables() -> None:
    """Put the client variables of `.env` into the environment, unless they are there; likewise our server's URL."""
    said: dict[str, str] = {}
    # A file that can't be read is told of by what needs it.
    with suppress(OSError, ValueError):
        said = {name.upper(): value for name, value in DotEnvSettingsSource(Settings).env_vars.items() if value}
    port = os.environ.get("LIVESERVER_PORT") or said.get("LIVESERVER_PORT")
    if port and not (os.environ.get("LIVESERVER_TLS_CERTIFICATE") or said.get("LIVESERVER_TLS_CERTIFICATE")):
        said.setdefault("LIVESERVER_URL", f"http://localhost:{port}")
    secret = {"LIVESERVER_KEY", "LIVESERVER_KEY_FILE"}
    for name in CLIENT_VARIABLES & set(said):
        # One of the two ways to give a key is enough, and the environment's comes first.
        if name not in os.environ and not (name in secret and secret & set(os.environ)):
            os.environ[name] = said[name]
