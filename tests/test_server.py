"""What `server.py` does to sockets; how it begins and ends is in `tests/acceptance/`."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from liveserver import server

if TYPE_CHECKING:
    import pytest

    from liveserver.settings import Settings

pytest_plugins = ["tests.api.fixtures"]


def test_the_listening_socket_never_blocks(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers share it: while one of them starts, another that blocks in `accept` would stand still."""
    modes: list[bool] = []

    def run(_server: server.Server, sockets: list[socket.socket]) -> None:
        modes.extend(os.get_blocking(one.fileno()) for one in (*sockets, listener))
        for one in sockets:
            one.close()

    monkeypatch.setattr(server.Server, "run", run)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        # As it comes out of a pickle: its mode is the file's, but it doesn't know.
        received = socket.socket(fileno=os.dup(listener.fileno()))
        assert received.gettimeout() is None
        server._run(settings, received)
    assert len(modes) > 1
    assert not any(modes)
