"""The whole application on an SQLite file of its own, in the test's event loop, and clients that speak to it."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import uvicorn

from liveserver.access.api_keys import new_key
from liveserver.domain.errors import StoreUnavailable
from liveserver.domain.topic import Topic
from liveserver.server.app import create_app
from liveserver.server.listener import SEND_BUFFER
from liveserver.server.uvicorn_server import Server
from liveserver.store.database import Database
from tests.support.api.contract import Contract
from tests.support.principals import NEWSROOM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
    from datetime import datetime

    import pytest
    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Receive, Scope, Send

    from liveserver.http.container import Container
    from liveserver.settings import Settings

JSON = dict[str, Any]

BASE = "http://live.test"
SLUG = "marees"
WHOLE = Topic(SLUG)
LIVEBLOG = f"/api/v1/liveblogs/{SLUG}"
ENTRIES = f"{LIVEBLOG}/entries"

TYPOGRAPHY = "« Vraiment\u00a0?\u202f» l’été 👩🏽\u200d🚒 e\u0301 ﬁn \\ \" ' % \u2028 – … À 9\u00a0h\u00a040"
"""No-break spaces, a curly apostrophe, an emoji of several code points, a combining accent, a line separator."""

SETTINGS: JSON = {
    "_env_file": None,
    "public_url": BASE,
    # A poll or a heartbeat in the middle of a test would make it depend on how fast the machine is.
    "heartbeat": 300,
    "poll": 300,
    "poll_fast": 60,
    # Tests that end a server with viewers shouldn't wait for them to leave.
    "drain": 0.05,
}


class Site:
    """The running application, and the clients that speak to it."""

    def __init__(self, app: Starlette, asgi: ASGIApp, base_url: str) -> None:
        self.app = app
        self.base_url = base_url
        self.contract = Contract(base_url)
        self._asgi = asgi
        self._stack = AsyncExitStack()

    @property
    def parts(self) -> Container:
        """The parts of the application."""
        parts: Container = self.app.state.services
        return parts

    async def start(self, editor_key: str | None = None, *, again: bool = False) -> None:
        """Make the clients and a first live blog, unless the database has the editor's key and the live blog."""
        self.reader = await self.client()
        self.editor_key = editor_key or await self.key("Rédaction", ["publish", "manage"])
        self.editor = await self.client(self.editor_key)
        if not (editor_key or again):
            await self.open_liveblog()

    async def close(self) -> None:
        """Close the clients."""
        await self._stack.aclose()

    async def key(
        self,
        name: str,
        scopes: Collection[str],
        expires_at: datetime | None = None,
        liveblogs: Collection[str] | None = None,
    ) -> str:
        """A new API key, as it is shown once."""
        stored, shown = new_key(name, scopes, expires_at, liveblogs)
        await self.parts.store.keys.add(stored, NEWSROOM)
        return shown

    async def client(self, key: str | None = None) -> httpx2.AsyncClient:
        """A client whose every answer is held to the OpenAPI document."""

        async def check(response: httpx2.Response) -> None:
            await response.aread()
            self.contract.check(response.request, response)

        return await self._stack.enter_async_context(
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(self._asgi, raise_app_exceptions=False),
                base_url=self.base_url,
                headers={"Authorization": f"Bearer {key}"} if key else {},
                event_hooks={"response": [check]},
            )
        )

    async def open_liveblog(self, slug: str = SLUG, **fields: Any) -> JSON:
        """A new live blog."""
        content = {"slug": slug, "title": "Les marées", "language": "fr", "timezone": "Europe/Paris", **fields}
        response = await self.editor.post("/api/v1/liveblogs", json=content)
        assert response.status_code == 201, response.text
        opened: JSON = response.json()
        return opened

    async def publish(self, body: str = "<p>La mer monte.</p>", *, slug: str = SLUG, **fields: Any) -> JSON:
        """A new entry."""
        response = await self.editor.post(f"/api/v1/liveblogs/{slug}/entries", json={"body": body, **fields})
        assert response.status_code == 201, response.text
        entry: JSON = response.json()
        return entry

    async def edit(self, entry: JSON, **fields: Any) -> JSON:
        """The entry, changed."""
        response = await self.editor.patch(
            f"{ENTRIES}/{entry['id']}", json=fields, headers={"If-Match": f'"{entry["version"]}"'}
        )
        assert response.status_code == 200, response.text
        edited: JSON = response.json()
        return edited

    async def delete(self, entry: JSON) -> None:
        """Take the entry away."""
        assert (await self.editor.delete(f"{ENTRIES}/{entry['id']}")).status_code == 204

    async def position(self, slug: str = SLUG) -> str:
        """Where the live blog stands."""
        snapshot = (await self.reader.get(f"/api/v1/liveblogs/{slug}/snapshot")).json()
        return f"{snapshot['epoch']}-{snapshot['seq']}"


def problem(response: httpx2.Response, status: int) -> JSON:
    """The problem document of an answer that has that status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    content: JSON = response.json()
    return content


def bad_fields(response: httpx2.Response) -> dict[str, str]:
    """The fields that a 422 names, each with its complaint."""
    return {error["pointer"]: error["detail"] for error in problem(response, 422)["errors"]}


async def settled(check: Callable[[], Awaitable[bool]], *, seconds: float = 10.0) -> None:
    """Return once `check` holds; it is asked again and again, where there is nothing to await."""
    async with asyncio.timeout(seconds):
        while True:
            if await check():
                return
            await asyncio.sleep(0.01)


@contextmanager
def database_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every transaction fails as it does when the database can't be reached."""

    async def refuse(*_: object, **__: object) -> None:
        raise StoreUnavailable("the database doesn't answer")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "read", refuse)
        patch.setattr(Database, "write", refuse)
        yield


@asynccontextmanager
async def started(settings: Settings, *, editor_key: str | None = None, again: bool = False) -> AsyncIterator[Site]:
    """The application without a server: for all that is no stream.

    `editor_key`: the one in a database that has the live blog, too. `again`: the database has the live blog alone.
    """
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:

        async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        site = Site(app, asgi, BASE)
        await site.start(editor_key, again=again)
        yield site
        await site.close()


class OwnSignals(Server):
    """The server, leaving the signals to the test session."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class LiveSite(Site):
    """The application behind a real server, for streams."""

    def __init__(self, app: Starlette, asgi: ASGIApp, base_url: str, server: OwnSignals, port: int) -> None:
        super().__init__(app, asgi, base_url)
        self.server = server
        self.port = port

    async def idle(self, *, tasks: int = 0) -> None:
        """Return once the server works on no more than so many requests."""

        async def few() -> bool:
            return len(self.server.server_state.tasks) <= tasks

        await settled(few)

    def url(self, path: str, scheme: str = "http") -> str:
        """The address of a path on the server."""
        return f"{scheme}://127.0.0.1:{self.port}{path}"


class Stack(NamedTuple):
    """uvicorn's protocols, as its options `ws` and `http` name them."""

    ws: str
    http: str


OURS = Stack(
    "liveserver.viewer_protocol:ViewerProtocol",
    "liveserver.viewer_protocol:HttpProtocol",
)
STOCK = Stack("websockets-sansio", "httptools")
"""Without the hand-over, as on any other ASGI server."""


@asynccontextmanager
async def serving(settings: Settings, stack: Stack = OURS, *, editor_key: str | None = None) -> AsyncIterator[LiveSite]:
    """The application behind uvicorn on a free port; its own clients don't go through it.

    `editor_key`: the one in a database that has the live blog, too.
    """
    app = create_app(settings)
    ready = asyncio.Event()
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        ws=stack.ws,
        http=stack.http,
        timeout_graceful_shutdown=2,
    )
    server = OwnSignals(config, app, lambda _parts: ready.set())
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        listener.setblocking(False)
        task = asyncio.create_task(server.serve([listener]))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert ready.is_set(), "the server didn't start"

        async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": {"services": app.state.services}}, receive, send)

        site = LiveSite(app, asgi, BASE, server, listener.getsockname()[1])
        await site.start(editor_key)
        try:
            yield site
        finally:
            await site.close()
            if not server.should_exit:
                # As the signal does, lest the server notice only when it looks: once a second.
                server.handle_exit(signal.SIGTERM, None)
            await task
