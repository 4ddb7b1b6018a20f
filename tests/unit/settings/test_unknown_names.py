"""Names that are no settings are found, and what may be meant by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liveserver.settings import unknown_settings
from liveserver.settings.unknown_names import nearest_setting, unknown_variables

if TYPE_CHECKING:
    from pathlib import Path


def test_misspelt_variables_are_found() -> None:
    known = ["LIVESERVER_PORT", "LIVESERVER_KEY", "LIVESERVER_URL", "LIVESERVER_TEST_REQUIRE_SERVICES", "PATH"]
    assert unknown_variables([*known, "LIVESERVER_PROT", "LIVESERVER_"]) == ["LIVESERVER_", "LIVESERVER_PROT"]
    assert unknown_variables(["liveserver_port", "liveserver_prot"]) == ["LIVESERVER_PROT"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("PROT", "PORT"),
        ("RATE_LIMIT", "LIMIT_PAGES"),
        ("DB_URL", "DATABASE_URL"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("MAX_BODY", "MAX_BODY_SIZE"),
        ("KEI", "KEY"),
        ("URI", "URL"),
        ("SECRET", None),
        ("", None),
    ],
)
def test_what_a_misspelt_variable_may_mean(written: str, meant: str | None) -> None:
    """Its letters count, and its words in any order."""
    assert nearest_setting(f"LIVESERVER_{written}") == (meant and f"LIVESERVER_{meant}")


def test_the_environment_and_the_file_are_looked_through(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LIVESERVER_PORT=1\nLIVESERVER_URL=http://a.example\nliveserver_drian=3\nOTHER=1\n")
    monkeypatch.setenv("LIVESERVER_LIMIT_PAGE", "7")
    assert unknown_settings() == {
        "LIVESERVER_DRIAN": "LIVESERVER_DRAIN",
        "LIVESERVER_LIMIT_PAGE": "LIVESERVER_LIMIT_PAGES",
    }


def test_the_variables_of_files_are_no_misspelt_ones() -> None:
    names = ["LIVESERVER_DATABASE_URL_FILE", "LIVESERVER_REDIS_URL_FILE", "LIVESERVER_MEDIA_SECRET_KEY_FILE"]
    assert unknown_variables([*names, "LIVESERVER_KEY_FILE", "LIVESERVER_PORT_FILE"]) == ["LIVESERVER_PORT_FILE"]
