"""The client of commands that talk to a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.cli.terminal import tell_silence, tell_wait

if TYPE_CHECKING:
    from liveserver.client import Client


def client_of(url: str, key: str | None = None) -> Client:
    """Return a client of a server, which tells on standard error of pauses and of silence."""
    from liveserver.client import Client

    return Client(url, key, on_wait=tell_wait, on_silence=tell_silence)
