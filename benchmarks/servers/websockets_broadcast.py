"""The server of the library websockets, with its function `broadcast`, on uvloop like the other Python servers.

    python -m benchmarks.servers.websockets_broadcast PORT PUBLISHING-PORT

The library's server takes no POST requests, so messages to publish are posted to a second port.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

connected: set[ServerConnection] = set()


async def stream(connection: ServerConnection) -> None:
    """Serve one viewer, until it disconnects."""
    connected.add(connection)
    try:
        await connection.wait_closed()
    finally:
        connected.discard(connection)


async def publish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the body of each POST request on this connection to every viewer."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
            broadcast(connected, (await reader.readexactly(int(fields["Content-Length"]))).decode())
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()
    except asyncio.IncompleteReadError:
        writer.close()


async def main(port: int, publishing_port: int) -> None:
    """Serve until the process is killed: viewers on `port`, POST requests with messages on `publishing_port`."""
    async with (
        serve(stream, "127.0.0.1", port, backlog=4096),
        await asyncio.start_server(publish, "127.0.0.1", publishing_port) as publisher,
    ):
        await publisher.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
