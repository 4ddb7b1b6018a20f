"""The tools of every hostile client: connections from addresses of its own, and an account of their outcomes.

Each attack is a function that goes on until it is stopped. Attackers run in processes of their own, and yield the
processor to the server and to those that measure: they stand for machines elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, cast

from liveserver.cli.bench import machine_limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from multiprocessing.connection import Connection

    from tests.hostile.routes import Template

    Attack = Callable[["Enemy"], Awaitable[None]]

NICENESS = 10
"""The niceness added to attackers': a tenth of the server's weight where both want a processor."""
ADDRESSES = 4
"""Addresses from which one attack comes."""
FIRST_SECONDS = 40.0
"""Seconds after the end in which each attack may still do its first thing."""
PATIENCE = 10.0
"""Seconds for which an attacker waits for anything."""
MEGABYTE = 1_000_000
READ = 64 * 1024


class Ground(NamedTuple):
    """The facts about the server that attackers know."""

    port: int
    slug: str
    """The live blog that everybody reads."""
    own: str
    """A live blog of theirs, for which they have a key."""
    key: str
    manager: str
    """A key that may read figures."""
    epoch: str
    seq: int
    entry: str
    """The id of one of the live blog's entries."""
    routes: tuple[Template, ...]
    """All that the application has."""

    @property
    def api(self) -> str:
        """The path of the live blog."""
        return f"/api/v1/liveblogs/{self.slug}"


class Link:
    """One connection of an attacker's."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send, as fast as the server takes it."""
        self.writer.write(data)
        await self.writer.drain()

    def stop_reading(self) -> None:
        """Leave everything in the kernel: a stream's reader takes a megabyte by itself."""
        cast("asyncio.Transport", self.writer.transport).pause_reading()

    async def answer(self) -> str:
        """The status of an answer whose body ends with its length, or with the connection."""
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
            status = head.split(b" ", 2)[1].decode()
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await self.reader.readexactly(int(line.partition(b":")[2]))
            return status

    async def drop(self) -> None:
        """Read and forget, until the server closes."""
        while await self.reader.read(READ):
            pass


class Enemy:
    """One attack."""

    def __init__(self, ground: Ground, number: int) -> None:
        self.ground = ground
        self.done: Counter[str] = Counter()
        """The outcomes: statuses of answers, connections that were closed, and so on."""
        self._begun = asyncio.Event()
        self._sources = [f"127.0.{100 + number}.{1 + host}" for host in range(ADDRESSES)]
        self._number = number

    async def begun(self) -> None:
        """Return once something has come of it."""
        await self._begun.wait()

    def _note(self, what: str) -> None:
        self.done[what] += 1
        self._begun.set()

    def be_limited(self) -> None:
        """Come from addresses for which limits hold, as a stranger's do."""
        self._sources = [f"127.128.{100 + self._number}.{1 + host}" for host in range(ADDRESSES)]

    @asynccontextmanager
    async def link(self, *, buffer: int = 0) -> AsyncIterator[Link]:
        """A connection. `buffer`: bytes that its kernel takes before it is read; 0: as many as usual."""
        sock = socket.socket()
        try:
            sock.setblocking(False)
            if buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            sock.bind((random.choice(self._sources), 0))
            async with asyncio.timeout(PATIENCE):
                await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.ground.port))
                reader, writer = await asyncio.open_connection(sock=sock, limit=1024 * 1024)
        except BaseException:
            sock.close()
            raise
        self._note("connected")
        try:
            yield Link(reader, writer)
        finally:
            writer.transport.abort()

    @asynccontextmanager
    async def stream(self, kind: str, query: str = "", *, slug: str = "", buffer: int = 0) -> AsyncIterator[Link]:
        """An open stream, `ws`, `deflated` or `events`: ConnectionError if it is refused."""
        path = f"/api/v1/liveblogs/{slug or self.ground.slug}/{'events' if kind == 'events' else 'ws'}{query}"
        async with self.link(buffer=buffer) as link:
            await link.send(upgrade(path, kind) if kind != "events" else get(path))
            async with asyncio.timeout(PATIENCE):
                head = await link.reader.readuntil(b"\r\n\r\n")
            status = head.split(b" ", 2)[1].decode()
            self._note(status)
            if status not in {"101", "200"}:
                raise ConnectionRefusedError
            yield link

    async def ask(self, *requests: bytes) -> None:
        """Send requests on one connection, each after the answer to the one before."""
        async with self.link() as link:
            for request in requests:
                await link.send(request)
                self._note(await link.answer())

    async def repeat(self, act: Callable[[], Awaitable[None]], *, clients: int = 1, pause: float = 0.0) -> None:
        """For ever, so many at once: do it again, however it ended."""

        async def one() -> None:
            while True:
                try:
                    await act()
                except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
                    self._note(type(error).__name__)
                # One that is refused at once would keep its processor from doing anything else.
                await asyncio.sleep(max(pause, 0.001))

        await together(one() for _ in range(clients))


def request(method: str, path: str, body: bytes = b"", /, **headers: str) -> bytes:
    """A request; `_` stands for `-` in the names of headers."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def get(path: str, /, **headers: str) -> bytes:
    """A GET."""
    return request("GET", path, b"", **headers)


def upgrade(path: str, kind: str = "ws") -> bytes:
    """A WebSocket's handshake."""
    offer = {"Sec_WebSocket_Extensions": "permessage-deflate"} if kind == "deflated" else {}
    key = "AAAAAAAAAAAAAAAAAAAAAA=="
    return get(
        path, Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Version="13", Sec_WebSocket_Key=key, **offer
    )


async def together(work: Iterable[Awaitable[None]]) -> None:
    """Do it all at once."""
    await asyncio.gather(*work)


def main(ground: Ground, attacks: Sequence[tuple[int, Attack]], pipe: Connection) -> None:
    """Be a process of attackers: let them loose until the pipe says, or ends; then tell what came of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    machine_limits.raise_open_files()
    enemies = [Enemy(ground, number) for number, _ in attacks]

    async def loose() -> None:
        over = asyncio.Event()
        asyncio.get_running_loop().add_reader(pipe.fileno(), over.set)
        async with AsyncExitStack() as stack:
            for enemy, (_, attack) in zip(enemies, attacks, strict=True):
                task = asyncio.ensure_future(attack(enemy))
                stack.callback(task.cancel)
            pipe.send(None)
            await over.wait()
            # On a busy machine some have only begun: each attacks once at least.
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_SECONDS):
                    await together(enemy.begun() for enemy in enemies)

    asyncio.run(loose())
    with suppress(BrokenPipeError):
        pipe.send([enemy.done for enemy in enemies])
