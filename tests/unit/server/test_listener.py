"""The listening socket: advice where the port is taken."""

from __future__ import annotations

import socket

import pytest

from liveserver.domain.errors import SettingsError
from liveserver.server.listener import listening
from liveserver.settings import Settings


@pytest.mark.parametrize(
    ("level", "advice"),
    [("", r"--port \(LIVESERVER_PORT\)$"), ("1", r"--port \(LIVESERVER_PORT\), or after `make run`, with PORT=…$")],
)
def test_a_taken_port_is_told_with_what_gives_another(monkeypatch: pytest.MonkeyPatch, level: str, advice: str) -> None:
    """Make hands on `MAKELEVEL`."""
    monkeypatch.setenv("MAKELEVEL", level)
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = Settings.model_validate({"host": "127.0.0.1", "port": other.getsockname()[1]})
        with pytest.raises(SettingsError, match=f"in use: give another port with {advice}"), listening(settings):
            pass
