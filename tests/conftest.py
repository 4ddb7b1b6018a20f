"""Options and order of all tests: in which order they run, and which of them are quick."""

from __future__ import annotations

import gc
import os
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING

import httpcore2
import pytest
import structlog

from liveserver.access.people import passwords
from tests.support.effort import VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = [
    # First: the others import it.
    "tests.support.services",
    "tests.support.s3",
    "tests.support.hasty_uvicorn",
    "tests.support.ordinary_user",
    "tests.support.api.fixtures",
]

WHOLE = frozenset({"acceptance", "bench", "benchmarks", "browsers", "faults", "hostile"})
"""Folders of tests that start processes of ours, or a browser."""
SERVICES = frozenset({"postgresql", "redis", "bucket", "s3"})
"""The names that tests give to services, when they run on several of them."""
OTHERS = frozenset({"stock", "h11", "httptools"})
"""The names that tests give to other servers, on which they run besides ours."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--unit", action="store_true", help="only tests without services, browsers and processes")
    parser.addoption("--engine", default="firefox", help="that of tests/browsers: firefox, chromium or webkit")


def pytest_configure(config: pytest.Config) -> None:
    """Before tests are imported: how many examples they try is decided then."""
    if config.getoption("--unit"):
        os.environ[VARIABLE] = "1"
        # Hashing a password takes 50 ms on purpose. What the hash of a server is like, the other tests see.
        passwords.MEMORY = 64
        # Every client of httpx2 reads the system's certificates anew, which takes 20 ms.
        httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)
    # Structlog's own choice, rich, takes a second to draw one traceback.
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])
    # A logger that is kept from its first use on would go on as the test had configured it that used it first.
    configure = structlog.configure
    structlog.configure = lambda **fields: configure(**{**fields, "cache_logger_on_first_use": False})


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files with the most patient tests come first: of two processes none waits for the other's long last file."""
    if config.getoption("--unit"):
        left_out = [item for item in items if not _unit(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _unit(item)]
    patience: defaultdict[Path, float] = defaultdict(float)
    for item in items:
        patience[item.path] = max(patience[item.path], _patience(item))
    items.sort(key=lambda item: patience[item.path], reverse=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Objects made by collecting stay: the collector of cycles needn't go through them again and again."""
    gc.collect()
    gc.freeze()


def _patience(item: pytest.Item) -> float:
    """Seconds that the test may take, if it says so."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else 0.0


def _unit(item: pytest.Item) -> bool:
    """True for a test without services, browsers and processes; of several servers it runs on ours."""
    callspec = getattr(item, "callspec", None)
    return not (
        WHOLE & set(item.path.parts)
        or _patience(item)
        or item.get_closest_marker("slow")
        or "service_directory" in getattr(item, "fixturenames", ())
        or (callspec is not None and (SERVICES | OTHERS) & set(callspec.id.split("-")))
    )
