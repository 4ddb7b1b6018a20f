"""The address and the key that commands take from the environment and `.env`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.errors import SettingsError
from liveserver.settings import key_of, take_client_variables

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("lines", "environment", "expected"),
    [
        ("LIVESERVER_URL=http://a\nLIVESERVER_KEY=lv_1\n", {}, ("http://a", "lv_1", None)),
        ("LIVESERVER_URL=http://a\n", {"LIVESERVER_URL": "http://b"}, ("http://b", None, None)),
        ("LIVESERVER_KEY=lv_1\n", {"LIVESERVER_KEY_FILE": "f"}, (None, None, "f")),
        ("LIVESERVER_PORT=8001\n", {}, ("http://localhost:8001", None, None)),
        ("LIVESERVER_PORT=8001\n", {"LIVESERVER_PORT": "8002"}, ("http://localhost:8002", None, None)),
        ("LIVESERVER_PORT=8001\nLIVESERVER_TLS_CERTIFICATE=c.pem\n", {}, (None, None, None)),
        (b"\xff", {}, (None, None, None)),
        ("", {}, (None, None, None)),
    ],
)
def test_clients_read_the_file_too(
    lines: str | bytes,
    environment: dict[str, str],
    expected: tuple[str | None, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The environment comes first; a server that runs in the same folder is there without being named."""
    (tmp_path / ".env").write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    monkeypatch.chdir(tmp_path)
    names = ("LIVESERVER_URL", "LIVESERVER_KEY", "LIVESERVER_KEY_FILE")
    monkeypatch.setattr(os, "environ", dict(environment))
    take_client_variables()
    assert tuple(os.environ.get(name) for name in names) == expected


def test_a_client_s_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On the command line, in the environment, or in a file that it names."""
    assert (key_of(None), key_of(""), key_of("flag")) == (None, None, "flag")
    (tmp_path / "key").write_text("lv_a_b\n")
    monkeypatch.setenv("LIVESERVER_KEY_FILE", "key")
    assert (key_of(None), key_of("flag")) == ("lv_a_b", "flag")
    monkeypatch.setenv("LIVESERVER_KEY", "lv_c_d")
    assert key_of("flag") == "flag"
    with pytest.raises(SettingsError, match="LIVESERVER_KEY and LIVESERVER_KEY_FILE are both set"):
        key_of("lv_c_d")
    monkeypatch.delenv("LIVESERVER_KEY")
    monkeypatch.setenv("LIVESERVER_KEY_FILE", "absent")
    with pytest.raises(SettingsError, match="LIVESERVER_KEY_FILE: can't read absent"):
        key_of(None)
