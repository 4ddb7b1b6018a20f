"""Firefox, spoken to in WebDriver BiDi, which it speaks by itself: no other program is between."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.acceptance.reading import settles
from tests.acceptance.serving import eventually
from tests.browsers.engine import PRELOAD, SCROLLED, Tab, calling

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from websockets.asyncio.client import ClientConnection

START_SECONDS = 60.0

PREFERENCES = {
    # The browser's own requests when it starts, on a network that may not be there.
    "app.normandy.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#nothing",
    "toolkit.telemetry.enabled": False,
}

DARK, LIGHT = 0, 1
ALWAYS_OWN, NEVER_OWN = 2, 1
"""Colours of the reader's, in place of the page's."""


class BidiError(Exception):
    """The browser couldn't do what it was told."""


class Connection:
    """Commands to the browser, and what it tells by itself."""

    def __init__(self, socket: ClientConnection) -> None:
        self.logged: list[str] = []
        """Errors, of scripts and in the console."""
        self._socket = socket
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        result: dict[str, Any] = await answer
        return result

    async def read(self) -> None:
        """Read until the browser has gone."""
        async for text in self._socket:
            message = orjson.loads(text)
            if message["type"] == "event":
                self._hear(message["method"], message["params"])
                continue
            answer = self._answers.pop(message["id"])
            if answer.cancelled():
                continue
            if message["type"] == "success":
                answer.set_result(message["result"])
            else:
                answer.set_exception(BidiError(f"{message['error']}: {message['message']}"))

    def _hear(self, method: str, event: dict[str, Any]) -> None:
        if method == "log.entryAdded" and event["level"] == "error":
            self.logged.append(event["text"])


class FirefoxTab(Tab):
    """A window of Firefox's, or a frame in one."""

    def __init__(self, connection: Connection, context: str) -> None:
        self._connection = connection
        self._context = context

    async def goto(self, url: str) -> None:
        async with self._leaving():
            await self._connection.command("browsingContext.navigate", context=self._context, url=url, wait="none")

    async def reload(self) -> None:
        async with self._leaving():
            await self._connection.command("browsingContext.reload", context=self._context, wait="none")

    async def back(self) -> None:
        await self._connection.command("browsingContext.traverseHistory", context=self._context, delta=-1)

    async def evaluate(self, script: str, arg: Any = None) -> Any:
        answer = await self._script(calling(script, arg))
        return orjson.loads(answer["value"])

    async def click(self, selector: str) -> None:
        await self.appears(selector)
        element = await self._script(f"({SCROLLED})({json.dumps(selector)})")
        origin = {"type": "element", "element": {"sharedId": element["sharedId"]}}
        actions = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        await self._perform({"type": "pointer", "id": "mouse", "actions": actions})

    async def press(self, key: str) -> None:
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        await self._perform({"type": "key", "id": "keyboard", "actions": actions})

    async def resize(self, width: int, height: int) -> None:
        viewport = {"width": width, "height": height}
        await self._connection.command("browsingContext.setViewport", context=self._context, viewport=viewport)

    async def frame(self) -> FirefoxTab:
        tree = await self._connection.command("browsingContext.getTree", root=self._context)
        [child] = tree["contexts"][0]["children"]
        return FirefoxTab(self._connection, child["context"])

    @asynccontextmanager
    async def _leaving(self) -> AsyncIterator[None]:
        """Return once another page is there. The browser's own waiting has no end where that leads to a third one."""
        await self.evaluate("() => { window.left = true; }")
        yield

        async def there() -> bool:
            try:
                answer: bool = await self.evaluate("() => !window.left && document.readyState === 'complete'")
            except BidiError:
                # The page has gone while it was asked.
                return False
            return answer

        await settles(there, True)

    async def _perform(self, source: dict[str, Any]) -> None:
        await self._connection.command("input.performActions", context=self._context, actions=[source])

    async def _script(self, expression: str) -> dict[str, Any]:
        answer = await self._connection.command(
            "script.evaluate",
            expression=expression,
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] == "exception":
            raise BidiError(answer["exceptionDetails"]["text"])
        result: dict[str, Any] = answer["result"]
        return result


class Firefox:
    """Opens windows of Firefox's."""

    name = "firefox"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def open(self) -> FirefoxTab:
        # Each in a window of its own: tabs behind another are hidden, and slow.
        created = await self._connection.command("browsingContext.create", type="window")
        return FirefoxTab(self._connection, created["context"])

    async def prefer(self, *, dark: bool = False, forced: bool = False) -> None:
        await self._set("layout.css.prefers-color-scheme.content-override", DARK if dark else LIGHT)
        await self._set("browser.display.document_color_use", ALWAYS_OWN if forced else NEVER_OWN)

    async def complaints(self) -> list[str]:
        told, self._connection.logged = self._connection.logged, []
        return told

    async def _set(self, preference: str, value: int) -> None:
        tree = await self._connection.command("browsingContext.getTree", **{"moz:scope": "chrome"})
        await self._connection.command(
            "script.evaluate",
            expression=f"Services.prefs.setIntPref('{preference}', {value})",
            target={"context": tree["contexts"][0]["context"]},
            awaitPromise=False,
        )


@asynccontextmanager
async def firefox(program: Path, directory: Path) -> AsyncIterator[Firefox]:
    """Firefox while it runs, without a screen, on a profile of its own in `directory`."""
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()]
    await asyncio.to_thread((directory / "user.js").write_text, "".join(lines))
    told = directory / "WebDriverBiDiServer.json"
    arguments = ["--headless", "--no-remote", "--profile", str(directory)]
    # The latter, as preferences are set while it runs.
    arguments += ["--remote-debugging-port", "0", "--remote-allow-system-access"]
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await eventually(lambda: told.exists() and told.read_text(), seconds=START_SECONDS, what="Firefox's port")
        port = orjson.loads(await asyncio.to_thread(told.read_text))["ws_port"]
        async with connect(f"ws://127.0.0.1:{port}/session", max_size=None, ping_interval=None) as socket:
            connection = Connection(socket)
            reading = asyncio.create_task(connection.read())
            await connection.command("session.new", capabilities={})
            await connection.command("session.subscribe", events=["log.entryAdded"])
            await connection.command("script.addPreloadScript", functionDeclaration=f"() => {{ {PRELOAD} }}")
            yield Firefox(connection)
            await connection.command("browser.close")
            with suppress(ConnectionClosed):
                await reading
    finally:
        # It has ended already, unless something failed.
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
