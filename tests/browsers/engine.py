"""The parts of a browser that the tests need, whichever browser it is."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.acceptance.browsing import EVEN_BACKOFF
from tests.acceptance.reading import settles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FIND = """selector => selector.split(" >>> ").reduce(
  (root, part) => root && (root.shadowRoot ?? root).querySelector(part), document)"""
"""The first element that matches; ` >>> ` leads into a shadow tree."""
SCROLLED = f"""selector => {{
  const found = ({FIND})(selector);
  found.scrollIntoView({{block: "center", behavior: "instant"}});
  return found;
}}"""
"""The same, brought into the window: where the mouse is."""
SHOWN = f"""selector => {{
  const found = ({FIND})(selector);
  return found !== null && found.checkVisibility({{visibilityProperty: true}});
}}"""
PRELOAD = f"""{EVEN_BACKOFF}
document.addEventListener("securitypolicyviolation", event => {{
  console.error(`Forbidden by the page's policy: ${{event.effectiveDirective}} ${{event.blockedURI}}`);
}});"""
"""Runs before the page's own scripts, in every document and frame, where the engine can do that."""

NETWORK_ERRORS = ("Failed to load resource", "WebSocket connection to", "can’t establish a connection")
LEFT = ("interrupted while the page was loading", "A ServiceWorker intercepted the request")
"""Firefox says so of requests that are given up as their page is left."""


class Tab(ABC):
    """A page in a window of its own, or a frame in one."""

    @abstractmethod
    async def goto(self, url: str) -> None:
        """Load it, and return once it is there."""

    @abstractmethod
    async def reload(self) -> None:
        """Load the page again."""

    @abstractmethod
    async def back(self) -> None:
        """Go to the page before this one."""

    @abstractmethod
    async def evaluate(self, script: str, arg: Any = None) -> Any:
        """Call a function in the page; what it returns, or promises."""

    @abstractmethod
    async def click(self, selector: str) -> None:
        """Click with the mouse at the middle of an element, once it is visible."""

    @abstractmethod
    async def press(self, key: str) -> None:
        """Press a key and let it go."""

    @abstractmethod
    async def resize(self, width: int, height: int) -> None:
        """Make the page that large, as far as the engine can."""

    @abstractmethod
    async def frame(self) -> Tab:
        """The one frame in the page."""

    async def comes(self, script: str, expected: Any = True, arg: Any = None) -> None:
        """Return once a function in the page returns that."""

        async def read() -> Any:
            return await self.evaluate(script, arg)

        await settles(read, expected)

    async def appears(self, selector: str) -> None:
        """Return once the element is visible."""
        await self.comes(SHOWN, arg=selector)

    async def says(self, selector: str, words: str) -> None:
        """Return once the element is visible and says that, among others."""
        await self.appears(selector)
        await self.comes(
            f"([selector, words]) => ({FIND})(selector)?.innerText.includes(words) ?? null", arg=[selector, words]
        )

    async def goes(self, selector: str) -> None:
        """Return once the element isn't visible."""
        await self.comes(SHOWN, expected=False, arg=selector)

    async def live(self) -> None:
        """Return once the page is connected to the stream."""
        await self.comes("() => document.querySelector('[data-connection]').dataset.state", "live")


class Engine(Protocol):
    """A browser that runs."""

    name: str

    async def open(self) -> Tab:
        """A new window. The browser's storage is common to all."""

    async def prefer(self, *, dark: bool = False, forced: bool = False) -> None:
        """Show pages as a reader wants them who likes it dark, or who has a few colours of their own in all windows."""

    async def complaints(self) -> list[str]:
        """Errors of pages' scripts, and in their consoles, since it was last asked."""


class OpenTab(Protocol):
    """Opens a page in a window of its own."""

    async def __call__(self, url: str) -> Tab: ...


def calling(script: str, arg: Any) -> str:
    """An expression that promises, as JSON, what the function promises."""
    return f"Promise.resolve(({script})({json.dumps(arg)})).then(it => JSON.stringify(it === undefined ? null : it))"


class Windows:
    """A browser's windows. They are used again: to open one takes longer than most tests."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._idle: list[Tab] = []

    @asynccontextmanager
    async def tabs(self, *, outages: bool = False) -> AsyncIterator[OpenTab]:
        """Opens pages; the test fails if one threw, or wrote an error to its console.

        `outages`: the network is going to fail, and errors that only say so are no defect.
        """
        used: list[Tab] = []

        async def open_tab(url: str) -> Tab:
            tab = self._idle.pop() if self._idle else await self.engine.open()
            used.append(tab)
            await tab.resize(900, 700)
            await tab.goto(url)
            return tab

        try:
            yield open_tab
        finally:
            for tab in used:
                await tab.goto("about:blank")
            self._idle += used
            complaints = await self.engine.complaints()
        harmless = (*LEFT, *NETWORK_ERRORS) if outages else LEFT
        complaints = [text for text in complaints if not any(words in text for words in harmless)]
        if complaints:
            pytest.fail("\n".join(complaints))

    @asynccontextmanager
    async def reading(self, url: str) -> AsyncIterator[Tab]:
        """A live blog's page that is connected to its stream; the test fails as it does with `tabs`."""
        async with self.tabs() as open_tab:
            tab = await open_tab(url)
            await tab.live()
            yield tab
