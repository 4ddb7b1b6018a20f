"""Passwords are hidden wherever settings are shown."""

from __future__ import annotations

import re

import pytest

from liveserver.settings import Settings, hide_password, load
from tests.support.checkout import ROOT


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:s3cret@h:6379/0", "redis://:***@h:6379/0"),
        ("postgresql://u:s3@cret@h/db?sslmode=require", "postgresql://u:***@h/db?sslmode=require"),
        ("postgresql://u:@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u@h/db?password=s3cret&x=1", "postgresql://u@h/db?password=***&x=1"),
        ("redis://h?password=s3cret", "redis://h?password=***"),
        ("sqlite:///live.db", "sqlite:///live.db"),
        ("postgresql://u:p#s3cret@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:p/s3cret?@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:p[s3cret@h/db", "postgresql://u:***@h/db"),
    ],
)
def test_passwords_are_hidden(url: str, shown: str) -> None:
    assert hide_password(url) == shown


def test_the_redacted_settings_are_all_of_them_without_passwords() -> None:
    shown = load(database_url="postgresql://u:s3cret@h/db", redis_url="redis://:s3cret@h").redacted()
    assert set(shown) == set(Settings.model_fields)
    assert "s3cret" not in str(shown)
    assert shown["redis_url"] == "redis://:***@h"
    assert shown["public_url"] is None
    assert shown["media_secret_key"] is None
    hidden = load(media_access_key="a", media_secret_key="s3cret")
    assert hidden.redacted()["media_secret_key"] == "***"
    assert "s3cret" not in repr(hidden)
    hidden = load(oidc_issuer="https://id.example.org/", oidc_client_id="a", oidc_client_secret="s3cret")
    assert hidden.redacted()["oidc_client_secret"] == "***"
    assert "s3cret" not in repr(hidden)
    assert hidden.oidc_issuer == "https://id.example.org/"


def test_passwords_are_not_in_what_a_traceback_shows() -> None:
    assert "s3cret" not in repr(load(database_url="postgresql://u:s3cret@h/db", redis_url="redis://:s3cret@h"))


def test_no_document_shows_a_password_on_a_command_line() -> None:
    """Everybody on the machine can read it there."""
    root = ROOT
    for document in (root / "README.md", *(root / "docs").glob("*.md")):
        for line in document.read_text("utf-8").splitlines():
            assert not re.search(r"--(?:database|redis)\S* +\w+://\w*:\S+@", line), f"{document.name}: {line}"
