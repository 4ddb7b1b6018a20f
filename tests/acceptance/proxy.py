"""A small HTTP proxy in front of a server, to put a network's bad days between it and a browser."""

from __future__ import annotations

import asyncio
import re

from tests.support.forwarder import CHUNK, Forwarder

REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Proxy(Forwarder):
    """Passes on to a port of this machine, and keeps a record of what is asked.

    It reads requests only as far as their length is told by Content-Length; that is all that browsers and our client
    send here.
    """

    def __init__(self, upstream_port: int, *, websocket: bool = True, endless: bool = True) -> None:
        super().__init__()
        self.requests: list[str] = []
        """Method and path, `WEBSOCKET` in place of the method where an upgrade is asked for."""
        self.websocket = websocket
        """False: upgrades are refused with 403."""
        self.endless = endless
        """False: nothing of an answer without an end is passed on, as by a proxy that waits for the end."""
        self.refuse = False
        """True: every connection is reset as soon as it is made."""
        self.answers = asyncio.Event()
        """Cleared, what the server says is held back."""
        self.answers.set()
        self._upstream_port = upstream_port

    async def close(self) -> None:
        """Listen no more, and cut every connection."""
        self.answers.set()
        await super().close()

    def asked(self, pattern: str) -> int:
        """How many requests match so far."""
        return sum(1 for request in self.requests if re.search(pattern, request))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on both ways, until one side has ended or there is nothing more to say."""
        if self.refuse:
            return
        head = await reader.readuntil(b"\r\n\r\n")
        if self._record(head) and not self.websocket:
            writer.write(REFUSAL)
            await writer.drain()
            return
        async with self.connected_to(self._upstream_port) as (from_server, to_server):
            back = asyncio.create_task(self._pass_answers(from_server, writer))
            forth = asyncio.create_task(self._pass_requests(head, reader, to_server))
            try:
                await asyncio.wait({back, forth}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (back, forth):
                    task.cancel()
                await asyncio.gather(back, forth, return_exceptions=True)

    async def _pass_requests(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not _is_upgrade(head):
            length = re.search(rb"(?im)^content-length: *(\d+)", head)
            writer.write(head + (await reader.readexactly(int(length[1])) if length else b""))
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            self._record(head)
        writer.write(head)
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()

    async def _pass_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held = False
        while data := await reader.read(CHUNK):
            await self.answers.wait()
            held = held or (not self.endless and b"text/event-stream" in data)
            if held:
                continue
            writer.write(data)
            await writer.drain()
        # The end of the stream must not overtake what was written before it.
        writer.close()
        await writer.wait_closed()

    def _record(self, head: bytes) -> bool:
        method, path, _ = head.decode("latin-1").split(" ", 2)
        upgrade = _is_upgrade(head)
        self.requests.append(f"{'WEBSOCKET' if upgrade else method} {path}")
        return upgrade


def _is_upgrade(head: bytes) -> bool:
    return re.search(rb"(?im)^upgrade: *websocket", head) is not None
