"""Secrets in files of their own, and lines of `.env` that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liveserver.domain.errors import SettingsError
from liveserver.settings import load, unknown_settings, unreadable_lines

if TYPE_CHECKING:
    from pathlib import Path


def test_lines_that_are_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They are named, with the file; the others count. The library that reads the file says nothing of them."""
    assert unreadable_lines() == []
    (tmp_path / ".env").write_text('# a comment\n\nLIVESERVER_PORT=1\nbroken line "\nexport LIVESERVER_POLL=3\n= x\n')
    settings = load()
    assert (settings.port, settings.poll) == (1, 3)
    assert unknown_settings() == {}
    assert unreadable_lines() == [f"{tmp_path}/.env:4", f"{tmp_path}/.env:6"]
    assert caplog.text == ""


SECRET = "postgresql://live:s3cret@db/live"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", SECRET),
        ("redis_url", "redis://:s3cret@cache"),
        ("media_secret_key", "s3cret "),
        ("oidc_client_secret", "s3cret"),
    ],
)
def test_a_password_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str) -> None:
    """Its last line's end isn't part of it; what shows the settings shows no more than it ever does."""
    monkeypatch.setenv("LIVESERVER_MEDIA_ACCESS_KEY", "a")
    monkeypatch.setenv("LIVESERVER_MEDIA_SECRET_KEY", "b")
    monkeypatch.delenv(f"LIVESERVER_{name.upper()}", raising=False)
    for ending in ("", "\n", "\r\n"):
        (tmp_path / "secret").write_bytes((value + ending).encode())
        monkeypatch.setenv(f"LIVESERVER_{name.upper()}_FILE", str(tmp_path / "secret"))
        settings = load()
        assert getattr(settings, name) == value
        assert "s3cret" not in str(settings.redacted()) + repr(settings)


def test_a_file_that_the_file_of_settings_names(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / ".env").write_text("LIVESERVER_DATABASE_URL_FILE=secret\n")
    assert load().database_url == SECRET


def test_what_wins_over_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A flag wins over the environment, that over `.env`, as a value or as a file. The loser isn't even read."""
    (tmp_path / ".env").write_text("LIVESERVER_DATABASE_URL_FILE=absent\nLIVESERVER_REDIS_URL=redis://file\n")
    monkeypatch.setenv("LIVESERVER_DATABASE_URL", "sqlite:///environment.db")
    assert load().database_url == "sqlite:///environment.db"
    (tmp_path / "redis").write_text("redis://secret")
    monkeypatch.setenv("LIVESERVER_REDIS_URL_FILE", "redis")
    assert load().redis_url == "redis://secret"
    monkeypatch.setenv("LIVESERVER_REDIS_URL_FILE", "absent")
    assert load(redis_url="redis://flag").redis_url == "redis://flag"


def test_an_empty_variable_beside_a_file_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a compose file sets it, whose own variable isn't set."""
    (tmp_path / "redis").write_text("redis://secret\n")
    monkeypatch.setenv("LIVESERVER_REDIS_URL", "")
    monkeypatch.setenv("LIVESERVER_REDIS_URL_FILE", "redis")
    monkeypatch.setenv("LIVESERVER_DATABASE_URL_FILE", "")
    assert (load().redis_url, load().database_url) == ("redis://secret", "sqlite:///live.db")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "LIVESERVER_REDIS_URL_FILE: can't read secret: No such file or directory"),
        (b"", "LIVESERVER_REDIS_URL_FILE: secret is empty"),
        (b"\n", "LIVESERVER_REDIS_URL_FILE: secret is empty"),
        (b"\xff", "LIVESERVER_REDIS_URL_FILE: secret is no text"),
        (b"s3cret", "LIVESERVER_REDIS_URL: must begin with redis://, rediss:// or unix://"),
    ],
)
def test_a_file_that_is_not_good(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, said: str
) -> None:
    """Is named, and nothing of what is in it."""
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv("LIVESERVER_REDIS_URL_FILE", "secret")
    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value) == said


def test_a_secret_and_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which of the two is meant, nobody can tell."""
    (tmp_path / "secret").write_text(SECRET)
    monkeypatch.setenv("LIVESERVER_DATABASE_URL", SECRET)
    monkeypatch.setenv("LIVESERVER_DATABASE_URL_FILE", "secret")
    with pytest.raises(SettingsError, match="LIVESERVER_DATABASE_URL and LIVESERVER_DATABASE_URL_FILE are both set"):
        load()
