"""Logs: which format, and what must never be in them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import orjson
import pytest
import structlog
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from liveserver.server import log_config
from liveserver.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Leave the logging of the other tests as it was."""
    root = logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


def failure(authorization: str) -> None:
    """Fail with a secret among the local variables."""
    assert authorization
    raise ValueError("broken")


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_shows_no_variables(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An API key in a local variable must not reach the log."""
    log_config.configure(load(log_format=log_format))
    secret = "".join(reversed("terc3s"))
    try:
        failure(secret)
    except ValueError:
        structlog.get_logger("test").exception("it.failed")
    told = capsys.readouterr().err
    assert "it.failed" in told
    assert "ValueError: broken" in told
    assert secret not in told


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The libraries' messages too."""
    log_config.configure(load(log_format="json"))
    structlog.get_logger("ours").info("bus.up", url="redis://h")
    logging.getLogger("theirs").warning("hm %s", 1)
    ours, theirs = (orjson.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (ours["event"], ours["url"], ours["level"]) == ("bus.up", "redis://h", "info")
    assert (theirs["event"], theirs["logger"]) == ("hm 1", "theirs")


def test_the_level_is_the_least_that_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    log_config.configure(load(log_format="json", log_level="warning"))
    structlog.get_logger("ours").info("quiet")
    structlog.get_logger("ours").warning("loud")
    assert [orjson.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud"]


def test_malformed_forms_are_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Their senders would fill the log."""
    log_config.configure(load(log_format="json"))
    with pytest.raises(MultipartParseError):
        MultipartParser(b"x").write(b"--y")
    assert capsys.readouterr().err == ""
