"""Fixtures of the acceptance tests. They run on the session's event loop, as the browser does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio
from playwright.async_api import async_playwright

from liveserver.client import Client
from tests.acceptance.serving import serving
from tests.acceptance.site import Site
from tests.support.services import required

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest
    from playwright.async_api import Browser

WITHOUT = (
    # Renderers that each new window starts for its own address bar and buttons: a third of what opening a page costs.
    *("InitialWebUI", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup", "WebUIOmniboxPopup", "WebUIReloadButton"),
    "SpareRendererForSitePerProcess",
    # The last list counts: these are of Playwright's.
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable"),
    *("HttpsUpgrades", "LensOverlay", "MediaRouter", "OptimizationHints", "PaintHolding", "PreconnectToSearch"),
    *("AvoidCorsURLLoaderRestartOnRedirect", "NetworkTimeServiceQuerying", "ThirdPartyStoragePartitioning"),
)
"""Features of the browser's that no page needs."""
ARGUMENTS = [
    f"--disable-features={','.join(WITHOUT)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium."""
    program = required("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One server for all tests of the reader's page, with a heartbeat every second."""
    async with (
        serving(tmp_path_factory.mktemp("site"), heartbeat="1") as server,
        Client(server.url, await server.key()) as newsroom,
    ):
        yield Site(server, newsroom)
