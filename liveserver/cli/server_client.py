"""The client for commands that talk to a server by the server's API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.cli.terminal import tell_silence, tell_wait

if TYPE_CHECKING:
    from liveserver.client import Client


def client_of(url: str, key: str | None = None) -> Client:
    """Return a client for the server at `url`.

    The client prints a message on standard error when it waits because the server asked for a pause, and when the
    server doesn't answer.
    """
    from liveserver.client import Client

    return Client(url, key, on_wait=tell_wait, on_silence=tell_silence)
