"""Browsers spoken to in WebDriver, by the program that comes with each: Chromium, and WebKitGTK's own small browser."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest

from tests.acceptance.conftest import ARGUMENTS
from tests.acceptance.serving import eventually
from tests.browsers.engine import PRELOAD, SCROLLED, Tab, calling
from tests.support.services import free_port, lacking, required

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START_SECONDS = 60.0
COMMAND_SECONDS = 60.0
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""WebDriver's name for an element in JSON."""


class WebDriverError(Exception):
    """The browser couldn't do what it was told."""


class Session:
    """Commands to the browser. They go to one window at a time."""

    def __init__(self, http: httpx2.AsyncClient, path: str) -> None:
        self.lock = asyncio.Lock()
        self._http = http
        self._path = path

    async def command(self, method: str, path: str, **body: Any) -> Any:
        """Run a command in the session. Returns its answer."""
        return await command(self._http, method, self._path + path, body)


async def command(http: httpx2.AsyncClient, method: str, path: str, body: dict[str, Any]) -> Any:
    answer = await http.request(method, path, json=body if method == "POST" else None)
    value = answer.json()["value"]
    if not answer.is_success:
        raise WebDriverError(f"{value['error']}: {value['message']}")
    return value


class WebDriverTab(Tab):
    """A window, or a frame in one."""

    def __init__(self, session: Session, handle: str, *, framed: bool = False) -> None:
        self._session = session
        self._handle = handle
        self._framed = framed

    async def goto(self, url: str) -> None:
        await self._do("POST", "/url", url=url)

    async def reload(self) -> None:
        await self._do("POST", "/refresh")

    async def back(self) -> None:
        await self._do("POST", "/back")

    async def evaluate(self, script: str, arg: Any = None) -> Any:
        body = f"""const done = arguments[arguments.length - 1];
            {calling(script, arg)}.then(done, error => done(`!${{error}}`));"""
        answer = await self._do("POST", "/execute/async", script=body, args=[])
        if answer.startswith("!"):
            raise WebDriverError(answer)
        return orjson.loads(answer)

    async def click(self, selector: str) -> None:
        await self.appears(selector)
        script = f"return ({SCROLLED})({json.dumps(selector)})"
        element = await self._do("POST", "/execute/sync", script=script, args=[])
        await self._do("POST", f"/element/{element[ELEMENT]}/click")

    async def press(self, key: str) -> None:
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        await self._do("POST", "/actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    async def resize(self, width: int, height: int) -> None:
        # The window's size is told, that of the page in it is wanted.
        await self._do("POST", "/window/rect", width=width, height=height)
        inner = await self.evaluate("() => [innerWidth, innerHeight]")
        if inner != [width, height]:
            await self._do("POST", "/window/rect", width=2 * width - inner[0], height=2 * height - inner[1])

    async def frame(self) -> WebDriverTab:
        return WebDriverTab(self._session, self._handle, framed=True)

    async def _do(self, method: str, path: str, **body: Any) -> Any:
        async with self._session.lock:
            await self._session.command("POST", "/window", handle=self._handle)
            await self._session.command("POST", "/frame", id=None)
            if self._framed:
                await self._session.command("POST", "/frame", id=0)
            return await self._session.command(method, path, **body)


class Chromium:
    """Opens windows of Chromium's."""

    name = "chromium"

    def __init__(self, session: Session) -> None:
        self._session = session
        self._media: list[dict[str, str]] = []

    async def open(self) -> WebDriverTab:
        made = await self._session.command("POST", "/window/new", type="window")
        async with self._session.lock:
            await self._session.command("POST", "/window", handle=made["handle"])
            await self._devtools("Page.addScriptToEvaluateOnNewDocument", source=PRELOAD)
            await self._devtools("Emulation.setEmulatedMedia", features=self._media)
        return WebDriverTab(self._session, made["handle"])

    async def prefer(self, *, dark: bool = False, forced: bool = False) -> None:
        self._media = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "forced-colors", "value": "active" if forced else "none"},
        ]
        async with self._session.lock:
            for handle in await self._session.command("GET", "/window/handles"):
                await self._session.command("POST", "/window", handle=handle)
                await self._devtools("Emulation.setEmulatedMedia", features=self._media)

    async def complaints(self) -> list[str]:
        found = []
        async with self._session.lock:
            for handle in await self._session.command("GET", "/window/handles"):
                await self._session.command("POST", "/window", handle=handle)
                logged = await self._session.command("POST", "/se/log", type="browser")
                found += [line["message"] for line in logged if line["level"] == "SEVERE"]
        return found

    async def _devtools(self, method: str, **parameters: Any) -> None:
        await self._session.command("POST", "/goog/cdp/execute", cmd=method, params=parameters)


LISTEN = """() => {
  window.complaints = [];
  const complain = text => { window.complaints.push(String(text)); };
  addEventListener("error", event => { complain(event.message); });
  addEventListener("unhandledrejection", event => { complain(event.reason); });
  document.addEventListener("securitypolicyviolation", event => {
    complain(`Forbidden by the page's policy: ${event.effectiveDirective} ${event.blockedURI}`);
  });
  console.error = complain;
}"""
"""This engine tells nothing by itself, and runs nothing before a page: what happens until it is loaded isn't heard."""


class WebKitTab(WebDriverTab):
    """A window, whose page is asked what it has complained of before it is left."""

    def __init__(self, session: Session, handle: str, complaints: list[str]) -> None:
        super().__init__(session, handle)
        self._complaints = complaints

    async def goto(self, url: str) -> None:
        await self._leave()
        await super().goto(url)
        await self.evaluate(LISTEN)

    async def reload(self) -> None:
        await self._leave()
        await super().reload()
        await self.evaluate(LISTEN)

    async def back(self) -> None:
        await self._leave()
        await super().back()

    async def _leave(self) -> None:
        self._complaints += await self.evaluate("() => window.complaints ?? []")


class WebKit:
    """Opens windows of WebKitGTK's."""

    name = "webkit"

    def __init__(self, session: Session) -> None:
        self._session = session
        self._complaints: list[str] = []

    async def open(self) -> WebKitTab:
        made = await self._session.command("POST", "/window/new", type="window")
        return WebKitTab(self._session, made["handle"], self._complaints)

    async def prefer(self, *, dark: bool = False, forced: bool = False) -> None:
        if dark or forced:
            pytest.skip("WebKitGTK can't be told which colours a reader likes")

    async def complaints(self) -> list[str]:
        told = self._complaints[:]
        self._complaints.clear()
        return told


@asynccontextmanager
async def session(driver: Path, capabilities: dict[str, Any], **environment: str) -> AsyncIterator[Session]:
    """A browser's session."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        driver,
        f"--port={port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=COMMAND_SECONDS) as http:
            await _answers(http)
            made = await command(http, "POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
            path = f"/session/{made['sessionId']}"
            yield Session(http, path)
            await command(http, "DELETE", path, {})
    finally:
        process.terminate()
        await process.wait()


async def _answers(http: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                await http.get("/status")
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
            else:
                return


@asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    """Chromium while it runs, without a screen."""
    options = {"binary": str(required("chromium")), "args": ["--headless", *ARGUMENTS]}
    capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    async with session(required("chromedriver"), capabilities) as made:
        yield Chromium(made)


def _minibrowser() -> Path:
    found = next(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"), None)
    return found or lacking("WebKitGTK's MiniBrowser is not installed")


@asynccontextmanager
async def webkit(directory: Path) -> AsyncIterator[WebKit]:
    """WebKitGTK's browser while it runs, on a screen that nobody sees."""
    driver, screen = required("WebKitWebDriver"), required("Xvfb")
    browser = _minibrowser()
    shown = directory / "display"
    with shown.open("wb") as display:
        process = await asyncio.create_subprocess_exec(
            screen,
            *("-displayfd", "1", "-screen", "0", "1600x1200x24", "-nolisten", "tcp"),
            stdout=display,
            stderr=asyncio.subprocess.DEVNULL,
        )
    try:
        await eventually(lambda: shown.read_text().endswith("\n"), seconds=START_SECONDS, what="a screen")
        number = (await asyncio.to_thread(shown.read_text)).strip()
        options = {"binary": str(browser), "args": ["--automation"]}
        capabilities = {"browserName": "MiniBrowser", "webkitgtk:browserOptions": options}
        async with session(driver, capabilities, DISPLAY=f":{number}") as made:
            yield WebKit(made)
    finally:
        process.terminate()
        await process.wait()
