"""Pages in a browser, which must not complain."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page

EVEN_BACKOFF = "Math.random = () => 0.2;"
"""Makes what a page leaves to chance, its pauses before it connects again, short and the same in every run."""

NETWORK_ERRORS = (
    "Failed to load resource",
    "WebSocket connection to",
    "EventSource's response",
    # The service worker's.
    "An unknown error occurred when fetching the script",
)
TIMEOUT_MS = 15_000


class OpenPage(Protocol):
    """Opens a page, in a browser profile of its own or in that of another page.

    `outages`: the network is going to fail, and errors that only say so are no defect. `script` runs before the page's
    own ones. The rest are Playwright's options of a context.
    """

    async def __call__(
        self,
        url: str,
        *,
        javascript: bool = True,
        outages: bool = False,
        beside: Page | None = None,
        script: str = "",
        **options: Any,
    ) -> Page: ...


@asynccontextmanager
async def pages(browser: Browser) -> AsyncIterator[OpenPage]:
    """Opens pages, and closes them at the end; the test fails if one threw, or wrote an error to its console."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    async def new_context(*, javascript: bool, **options: Any) -> BrowserContext:
        chosen = {"viewport": {"width": 900, "height": 700}, **options}
        context = await browser.new_context(java_script_enabled=javascript, **chosen)
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        if javascript:
            await context.add_init_script(EVEN_BACKOFF)
        return context

    async def open_page(
        url: str,
        *,
        javascript: bool = True,
        outages: bool = False,
        beside: Page | None = None,
        script: str = "",
        **options: Any,
    ) -> Page:
        if beside is None:
            context = await new_context(javascript=javascript, **options)
            await context.add_init_script(script)
        else:
            context = beside.context
        page = await context.new_page()

        def console(message: ConsoleMessage) -> None:
            harmless = outages and message.text.startswith(NETWORK_ERRORS)
            if message.type == "error" and not harmless:
                complaints.append(f"{page.url}: {message.text}")

        page.on("console", console)
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        response = await page.goto(url)
        assert response is not None
        assert response.status == 200
        return page

    try:
        yield open_page
    finally:
        for context in contexts:
            await context.close()
    if complaints:
        pytest.fail("\n".join(complaints))
