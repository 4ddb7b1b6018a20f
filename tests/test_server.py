"""What `server.py` does to sockets; how it begins and ends is in `tests/acceptance/`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import uvicorn
from starlette.applications import Starlette

from liveserver import server
from tests.sinks import PATIENCE

if TYPE_CHECKING:
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


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_signal_ends_the_wait_at_once(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that comes while nothing else would wake the event loop."""
    monkeypatch.setattr(server, "SECOND", 2 * PATIENCE)
    app = Starlette()
    app.state.services = SimpleNamespace(hub=SimpleNamespace(draining=False))
    waiting = server.Server(uvicorn.Config(app, loop=loop), app, lambda parts: None)
    waiting.started = True

    async def main() -> None:
        signal.signal(signal.SIGTERM, waiting.handle_exit)
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(PATIENCE):
            await waiting.main_loop()
        # That the timeout wakes it isn't enough.
        assert asyncio.get_running_loop().time() < began + PATIENCE

    handler = signal.getsignal(signal.SIGTERM)
    try:
        with asyncio.Runner(loop_factory=waiting.config.get_loop_factory()) as runner:
            runner.run(main())
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert app.state.services.hub.draining
