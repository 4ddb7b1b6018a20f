"""The engine that tests of this folder run in, and the server that they share."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.acceptance.conftest import site as site
from tests.browsers.bidi import firefox
from tests.browsers.engine import Windows
from tests.browsers.webdriver import chromium, webkit
from tests.support.services import required

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    import pytest

    from tests.browsers.engine import Engine


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def windows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Windows]:
    """The windows of a browser that is installed, of the engine that was asked for."""
    name = request.config.getoption("--engine")
    async with _started(name, tmp_path_factory.mktemp(name)) as engine:
        yield Windows(engine)


def _started(name: str, directory: Path) -> AbstractAsyncContextManager[Engine]:
    match name:
        case "firefox":
            # Debian's is the one with long support.
            found = shutil.which("firefox-esr")
            return firefox(Path(found) if found else required("firefox"), directory)
        case "chromium":
            return chromium()
        case "webkit":
            return webkit(directory)
        case _:
            raise ValueError(f"no such engine: {name}")
