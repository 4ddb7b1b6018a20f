"""A server that follows a script, and a follower of it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve

from liveserver.client import Client, Message
from liveserver.domain.change import Position
from liveserver.protocol import json_encoding
from liveserver.utils.limits.rate_limiter import Throttle
from tests.support.viewers import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from websockets.http11 import Request, Response


EPOCH = "k3f9x2ab"
OTHER = "other234"


def at(seq: int, epoch: str = EPOCH) -> Position:
    return Position(epoch, seq)


def hello(seq: int, epoch: str = EPOCH, *, resumed: bool = True) -> Message:
    return {"type": "hello", "epoch": epoch, "seq": seq, "resumed": resumed, "heartbeat": 25}


def entry(seq: int) -> Message:
    return {"type": "entry", "seq": seq, "entry": {"id": f"e{seq}"}}


def heartbeat(seq: int) -> Message:
    return {"type": "heartbeat", "seq": seq, "viewers": 1}


def reset(seq: int, epoch: str = EPOCH) -> Message:
    return {"type": "reset", "epoch": epoch, "seq": seq}


class Stream:
    """One connection, as the server sees it."""

    def __init__(self, connection: ServerConnection, after: str | None) -> None:
        self.after = after
        self._connection = connection

    async def send(self, *messages: Message) -> None:
        for message in messages:
            await self._connection.send(json_encoding.dumps(message).decode())

    async def send_text(self, text: str) -> None:
        await self._connection.send(text)

    @property
    def compressed(self) -> bool:
        return bool(self._connection.protocol.extensions)

    async def receive(self) -> Message:
        async with asyncio.timeout(PATIENCE):
            message: Message = json.loads(await self._connection.recv())
        return message

    async def close(self, code: int) -> None:
        await self._connection.close(code)

    async def until_closed(self) -> None:
        await self._connection.wait_closed()


class LiveServer:
    """Plays one script a connection, and answers `changes` and `snapshot` from what it is given."""

    def __init__(self, *scripts: Callable[[Stream], Awaitable[None]]) -> None:
        self.url = ""
        self.afters: list[str | None] = []
        self.asked: list[str] = []
        self.queries: list[str] = []
        self.answers: dict[str, list[Message]] = {"changes": [], "snapshot": [], "embed": []}
        self._scripts = list(scripts)

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[Client]:
        async with serve(self._serve, "127.0.0.1", 0, process_request=self._process) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.url = f"http://127.0.0.1:{port}/"
            async with Client(self.url, **options) as client:
                yield client

    def _process(self, connection: ServerConnection, request: Request) -> Response | None:
        parts = urlsplit(request.path)
        assert parts.path.startswith("/api/v1/liveblogs/match/")
        name = parts.path.rpartition("/")[2]
        after = parse_qs(parts.query).get("after", [None])[0]
        self.queries.append(parts.query)
        if name == "ws":
            self.afters.append(after)
            return None
        self.asked.append(f"{name} {after}" if after else name)
        answers = self.answers[name]
        if not answers:
            return connection.respond(500, "nothing is left to answer")
        return connection.respond(200, json_encoding.dumps(answers.pop(0)).decode())

    async def _serve(self, connection: ServerConnection) -> None:
        await self._scripts.pop(0)(Stream(connection, self.afters[-1]))


class Following:
    """The changes that a client yields, one by one."""

    def __init__(self, client: Client, after: Position | None = None) -> None:
        self.states: list[str] = []
        self.pauses: list[float] = []
        self._changes = client.follow("match", after, on_state=self.states.append, sleep=self._sleep)

    async def next(self) -> Message:
        async with asyncio.timeout(PATIENCE):
            return await anext(self._changes)

    async def seqs(self, count: int) -> list[int]:
        return [(await self.next())["seq"] for _ in range(count)]

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


async def at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


def deleted(seq: int, entry_id: str) -> Message:
    return {"type": "delete", "seq": seq, "id": entry_id, "confirm": {"within": 1}}


class Purse(Throttle):
    """A throttle that tells what was spent, and holds up what comes after so much."""

    def __init__(self, most: float = 1e9) -> None:
        super().__init__(1e9, 1)
        self.spent: list[float] = []
        self._left = most

    def spend(self, amount: float) -> float:
        self.spent.append(amount)
        self._left -= amount
        return 0.0 if self._left >= 0 else 3_600.0
