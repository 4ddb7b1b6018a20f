"""The client for commands that talk to a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.cli.terminal import tell_silence, tell_wait

if TYPE_CHECKING:
    from liveserver.client import Client


def client_of(url: str, key: str | None = None) -> Client:
    """Return a client for a server; it reports pauses, and a server that doesn't answer, on standard error."""
    from liveserver.client import Client

    return Client(url, key, on_wait=tell_wait, on_silence=tell_silence)
