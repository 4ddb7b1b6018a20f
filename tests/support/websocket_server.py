"""A uvicorn with our WebSocket protocol, and one application for each case."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections import defaultdict
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import uvicorn

from liveserver.server.protocols.websocket_protocol import ViewerProtocol
from tests.support.websocket_peer import WAIT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    Note = Callable[[object], None]

MAX_SIZE = 1024 * 1024


class Apps:
    """One ASGI application for each case; `note` tells the test what happened."""

    async def echo(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            with suppress(OSError):
                await send({**message, "type": "websocket.send"})
        note(message)

    async def accept(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][1], "headers": [(b"x-a", b"b")]})
        await receive()

    async def scope(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        shown = {k: v for k, v in scope.items() if k not in {"extensions", "state", "headers"}}
        await send({"type": "websocket.send", "text": json.dumps(shown, default=bytes.decode)})
        note(scope["headers"])
        note(sorted(scope["extensions"]))

    async def refuse(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 4000})
        note(await receive())

    async def deny(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"because")]})
        await send({"type": "websocket.http.response.body", "body": b"not ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"you"})
        note(await receive())

    async def deny_half(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        await send({"type": "websocket.http.response.start", "status": 499})

    async def return_early(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        pass

    async def raise_early(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        raise LookupError

    async def return_open(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        await send({"type": "websocket.accept"})

    async def raise_open(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        await send({"type": "websocket.accept"})
        raise LookupError

    async def unready(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        try:
            await send({"type": "websocket.send", "text": "too soon"})
        except RuntimeError as error:
            note(error)

    async def bye(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4321, "reason": "enough"})
        note(await receive())
        await self._all_fail(send, note)

    async def again(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        note(await receive())
        note(await receive())
        await self._all_fail(send, note)

    async def never(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        await receive()
        note("connected")
        note(await receive())
        try:
            await send({"type": "websocket.accept"})
        except OSError:
            note("OSError")

    async def hold(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        """Accept, and read, once the test says so each."""
        await receive()
        for turn in range(2):
            gate, loop = asyncio.Event(), asyncio.get_running_loop()
            note(partial(loop.call_soon_threadsafe, gate.set))
            await gate.wait()
            if turn == 0:
                await send({"type": "websocket.accept"})
        number = 0
        while (message := await receive()).get("text") != "end":
            number += 1
        note((number, message["type"]))

    async def flood(self, scope: dict[str, Any], receive: Receive, send: Send, note: Note) -> None:
        """Send until a send waits, and once more when it doesn't any longer."""
        await receive()
        await send({"type": "websocket.accept"})
        for number in range(1, 4096):
            sending = asyncio.ensure_future(send({"type": "websocket.send", "bytes": bytes(65536)}))
            await asyncio.wait({sending}, timeout=0.5)
            if not sending.done():
                note(number)
                try:
                    await sending
                except OSError:
                    note("OSError")
                    return
                await send({"type": "websocket.send", "text": "end"})
                return

    async def _all_fail(self, send: Send, note: Note) -> None:
        for message in ({"type": "websocket.send", "text": ""}, {"type": "websocket.close"}):
            try:
                await send(message)
            except OSError:
                note("OSError")


class Served:
    """A uvicorn in a thread."""

    def __init__(self, http: Any, loop: str, **settings: Any) -> None:
        self.notes: defaultdict[str, SimpleQueue[Any]] = defaultdict(SimpleQueue)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        config = uvicorn.Config(
            self.app, http=http, loop=loop, ws=ViewerProtocol, log_config=None, lifespan="off",
            interface="asgi3", ws_max_size=MAX_SIZE,
            **settings,
        )  # fmt: skip
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.thread.start()

    async def app(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """The case that the path's first word names; the query names the test."""
        case = getattr(Apps(), scope["path"].split("/")[1])
        await case(scope, receive, send, self.notes[scope["query_string"].decode()].put)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(WAIT)
        self.socket.close()
        assert not self.thread.is_alive()
