"""Publishing to servers that take each message as a POST request. All requests use one connection."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from liveserver.cli.bench.viewers.messages import Mark
from liveserver.domain.errors import LiveserverError

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.message import Template
    from liveserver.protocol.frames import Frame


class NotTaken(LiveserverError):
    """The server refused a message, or the connection to it broke off."""


class Poster:
    """A publisher that posts messages one after the other. It sends a message when the one before was answered."""

    def __init__(self, port: int, path: str, body: Callable[[Frame], bytes], template: Template, run: str) -> None:
        self._port = port
        self._path = path
        self._body = body
        self._template = template
        self._run = run
        self._seq = 0
        self._turn = asyncio.Lock()
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def publish(self, number: int) -> int:
        """Post the run's message with this number, and return the message's seq. Raises NotTaken."""
        # The mark has the time before the wait for the messages before: that wait is part of the latency, as it is the
        # server that is too slow.
        mark = Mark(self._run, number, time.monotonic())
        async with self._turn:
            seq = self._seq + 1
            body = self._body(self._template.frame(seq, mark))
            try:
                await self._post(body)
            except (OSError, asyncio.IncompleteReadError) as error:
                raise NotTaken(f"the connection broke off: {error}") from None
            self._seq = seq
            return seq

    async def _post(self, body: bytes) -> None:
        if self._stream is None:
            self._stream = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._stream
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        )
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = {}
        for line in answer.split("\r\n")[1:]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        await reader.readexactly(int(fields.get("content-length", 0)))
        status = answer.split(" ", 2)[1]
        if not status.startswith("2"):
            raise NotTaken(f"answered {status}")
